"""Does one step of an export in the process that `jobs` starts for it.

Loads a converter only if the step needs it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...errors import AlledgeError, ExportError
from ...runtime.files import replace_file, write_json
from ...runtime.json_documents import read_json
from ...runtime.process_memory import peak_mib
from ..types import Json
from .quantization_recipes import Recipe

FLOAT_TFLITE = "float.tflite"
# The packages that make an artifact, by format; a quantizer is added for int8 and dynamic.
PRODUCERS = {
    "tflite": ("tensorflow", "tensorflow-cpu", "keras"),
    "onnx": ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "onnx"),
    "openvino": ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "openvino"),
}
QUANTIZERS = {"tflite": (), "onnx": ("onnxruntime",), "openvino": ("nncf",)}


def main(job_file: str) -> int:
    """Do the job in a file, write its result and return the exit code.

    Parameters
    ----------
    job_file : str
        A JSON document: the ``step``, the inputs of the step, and ``result``, the path of the
        file to write.

    Returns
    -------
    int
        0, or 1 if the result holds an ``error``.
    """
    job = read_json(job_file, error=ExportError)
    result = perform(job)
    write_json(Path(job["result"]), result)
    return 1 if "error" in result else 0


def perform(job: Json) -> Json:
    """Do one job and return its result, with ``seconds``, ``peak_mib`` and perhaps ``error``."""
    began = time.monotonic()
    try:
        result = STEPS[job["step"]](job)
    except AlledgeError as error:
        result = {"error": error.one_line}
    except MemoryError:
        result = {"error": "out of memory"}
    except Exception as error:  # a converter may raise anything; the step fails, not the export
        import traceback

        traceback.print_exc()
        result = {"error": f"{type(error).__name__}: {_first_line(error)}"}
    result["seconds"] = round(time.monotonic() - began, 2)
    if (peak := peak_mib()) is not None:
        result["peak_mib"] = int(peak)
    return result


def _score(job: Json) -> Json:
    """Score images with the float model."""
    import numpy as np

    from .serving_graph import float_scores, load_float

    np.save(job["out"], float_scores(load_float(Path(job["model"])), np.load(job["images"])))
    return {}


def _run(job: Json) -> Json:
    """Score images with an artifact, by the engine that a device uses."""
    import numpy as np

    from ...runtime.backends import load_backend

    backend = load_backend(job["format"], job["artifact"])
    scores = [backend.predict(image[None]) for image in np.load(job["images"])]
    np.save(job["out"], np.concatenate(scores))
    backend.close()
    return {"engine": backend.engine}


def _run_without_xnnpack(job: Json) -> Json:
    """Score images with a TFLite artifact by kernels other than XNNPACK's."""
    import numpy as np

    from .tflite import scores_without_xnnpack

    np.save(job["out"], scores_without_xnnpack(Path(job["artifact"]), np.load(job["images"])))
    return {}


def _tflite(job: Json) -> Json:
    """Convert to TFLite."""
    from . import tflite, tflite_metadata

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    sources, left_in_float = Path(job["sources"]), list[str]()
    if job["precision"] == "float32" and (sources / FLOAT_TFLITE).is_file():
        content = (sources / FLOAT_TFLITE).read_bytes()
    else:
        content, left_in_float = tflite.convert(
            Path(job["model"]), job["precision"], recipe, _calibration(job), sources
        )
    if job.get("labels"):
        content = tflite_metadata.with_labels(content, job["labels"], job["name"])
    with replace_file(out) as partial:
        partial.write_bytes(content)
    return _produced("tflite", job["precision"], left_in_float)


def _float_onnx(job: Json) -> Json:
    """Convert the float TFLite graph to the float ONNX graph."""
    from . import onnx

    sources = Path(job["sources"])
    with replace_file(sources / onnx.FLOAT) as partial:
        onnx.make_float(sources / FLOAT_TFLITE, partial)
    return {}


def _onnx(job: Json) -> Json:
    """Convert the float ONNX graph to ONNX of another precision."""
    import onnx as library

    from . import onnx

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    proto, left_in_float = onnx.convert(
        job["precision"], recipe, _calibration(job), Path(job["sources"])
    )
    library.helper.set_model_props(proto, _properties(job))
    with replace_file(out) as partial:
        partial.write_bytes(proto.SerializeToString(deterministic=True))
    return _produced("onnx", job["precision"], left_in_float)


def _openvino(job: Json) -> Json:
    """Convert the float ONNX graph to OpenVINO IR."""
    from . import onnx, openvino

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    model, left_in_float = openvino.convert(
        job["precision"], recipe, _calibration(job), Path(job["sources"]) / onnx.FLOAT
    )
    openvino.write_metadata(model, job.get("labels", []), _properties(job))
    openvino.save(model, job["precision"], out)
    return _produced("openvino", job["precision"], left_in_float)


def _fit(job: Json) -> Json:
    """Write a network whose last layer was fitted on generated smears."""
    from ..matrix.fitted_network import fit

    fit(job["model"], job["head"], job["weights"], Path(job["out"]))
    return {}


STEPS: dict[str, Callable[[Json], Json]] = {
    "score": _score,
    "run": _run,
    "run without xnnpack": _run_without_xnnpack,
    "tflite": _tflite,
    "float onnx": _float_onnx,
    "onnx": _onnx,
    "openvino": _openvino,
    "fit": _fit,
}


def _calibration(job: Json) -> Any:
    import numpy as np

    return np.load(job["calibration"]) if job.get("calibration") else None


def _properties(job: Json) -> dict[str, str]:
    """Return the properties that are stored beside the graph for other tools."""
    labels = job.get("labels", [])
    return {
        "name": job["name"],
        "task": "image classification",
        "labels": json.dumps(labels, ensure_ascii=False),
        "input": "uint8 RGB, 1 x height x width x 3, not normalized: scaling is in the graph",
        "output": "float32 probabilities in the order of the labels, not calibrated",
        "notice": "research software, not a medical device",
    }


def _produced(format_name: str, precision: str, left_in_float: list[str]) -> Json:
    """Return the result of a conversion: package versions and the layers left in float."""
    packages = PRODUCERS[format_name]
    if precision in ("int8", "dynamic"):
        packages += QUANTIZERS[format_name]
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # only one of tensorflow and tensorflow-cpu is installed
            continue
    return {"produced_by": versions, "left_in_float": left_in_float}


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
