"""One step of an export in a process of its own: reads a job, writes its result; started by `jobs`.

Nothing heavy is loaded before it is known which converter the job needs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...errors import AlledgeError
from ...runtime.files import replace_file, write_json
from ...runtime.process_memory import peak_mib
from .quantization_recipes import Recipe

Json = dict[str, Any]
FLOAT_TFLITE = "float.tflite"
# The packages an artifact owes its bytes to, by format; what quantizes is added for int8.
PRODUCERS = {
    "tflite": ("tensorflow", "tensorflow-cpu", "keras"),
    "onnx": ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "onnx"),
    "openvino": ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "openvino"),
}
QUANTIZERS = {"tflite": (), "onnx": ("onnxruntime",), "openvino": ("nncf",)}


def main(job_file: str) -> int:
    """Do the job in a file and write its result; return the exit code.

    Parameters
    ----------
    job_file : str
        A JSON document: ``step``, what the step needs, and ``result``, the file to write.

    Returns
    -------
    int
        0, or 1 where the result says why it failed.
    """
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    began = time.monotonic()
    try:
        outcome = STEPS[job["step"]](job)
    except AlledgeError as error:
        outcome = {"error": error.one_line}
    except MemoryError:
        outcome = {"error": "out of memory"}
    except Exception as error:  # a converter may raise anything; it is one failed row
        import traceback

        traceback.print_exc()
        outcome = {"error": f"{type(error).__name__}: {_first_line(error)}"}
    outcome["seconds"] = round(time.monotonic() - began, 2)
    if (peak := peak_mib()) is not None:
        outcome["peak_mib"] = int(peak)
    write_json(Path(job["result"]), outcome)
    return 1 if "error" in outcome else 0


def _score(job: Json) -> Json:
    """Score images with the float model."""
    import numpy as np

    from .serving_graph import float_scores, load_float

    np.save(job["out"], float_scores(load_float(Path(job["model"])), np.load(job["images"])))
    return {}


def _run(job: Json) -> Json:
    """Score images with an artifact, as a device would."""
    import numpy as np

    from ...runtime.backends import load_backend

    backend = load_backend(job["format"], job["artifact"])
    scores = [backend.predict(image[None]) for image in np.load(job["images"])]
    np.save(job["out"], np.concatenate(scores))
    backend.close()
    return {"engine": backend.engine}


def _run_bare(job: Json) -> Json:
    """Score images with a TFLite artifact as an engine without XNNPACK does."""
    import numpy as np

    from .tflite import bare_scores

    np.save(job["out"], bare_scores(Path(job["artifact"]), np.load(job["images"])))
    return {}


def _tflite(job: Json) -> Json:
    from . import tflite, tflite_metadata

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    sources, in_float = Path(job["sources"]), list[str]()
    if job["precision"] == "float32" and (sources / FLOAT_TFLITE).is_file():
        content = (sources / FLOAT_TFLITE).read_bytes()
    else:
        content, in_float = tflite.convert(
            Path(job["model"]), job["precision"], recipe, _calibration(job), sources
        )
    if job.get("labels"):
        content = tflite_metadata.with_labels(content, job["labels"], job["name"])
    with replace_file(out) as beside:
        beside.write_bytes(content)
    return _produced("tflite", job["precision"], in_float)


def _float_onnx(job: Json) -> Json:
    from . import onnx

    sources = Path(job["sources"])
    with replace_file(sources / onnx.FLOAT) as beside:
        onnx.make_float(sources / FLOAT_TFLITE, beside)
    return {}


def _onnx(job: Json) -> Json:
    import onnx as library

    from . import onnx

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    proto, in_float = onnx.convert(
        job["precision"], recipe, _calibration(job), Path(job["sources"])
    )
    library.helper.set_model_props(proto, _properties(job))
    with replace_file(out) as beside:
        beside.write_bytes(proto.SerializeToString(deterministic=True))
    return _produced("onnx", job["precision"], in_float)


def _openvino(job: Json) -> Json:
    from . import onnx, openvino

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    model, in_float = openvino.convert(
        job["precision"], recipe, _calibration(job), Path(job["sources"]) / onnx.FLOAT
    )
    openvino.describe(model, job.get("labels", []), _properties(job))
    openvino.save(model, job["precision"], out)
    return _produced("openvino", job["precision"], in_float)


def _fit(job: Json) -> Json:
    """Fit a head on generated smears, so that parity says something."""
    from ..matrix.fitted_network import fit

    fit(job["model"], job["head"], job["weights"], Path(job["out"]))
    return {}


STEPS: dict[str, Callable[[Json], Json]] = {
    "score": _score,
    "run": _run,
    "run bare": _run_bare,
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
    """Return what other tools may read of the model, beside its graph."""
    labels = job.get("labels", [])
    return {
        "name": job["name"],
        "task": "image classification",
        "labels": json.dumps(labels, ensure_ascii=False),
        "input": "uint8 RGB, 1 x height x width x 3, not normalized: scaling is in the graph",
        "output": "float32 probabilities in the order of the labels, not calibrated",
        "notice": "research software, not a medical device",
    }


def _produced(name: str, precision: str, in_float: list[str]) -> Json:
    packages = PRODUCERS[name] + (QUANTIZERS[name] if precision in ("int8", "dynamic") else ())
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # tensorflow or tensorflow-cpu, one of the two
            continue
    return {"produced_by": found, "left_in_float": in_float}


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
