"""Does the steps of an export in a process that `worker_pool` starts.

A process does many steps. It loads a converter when the first step needs it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from ...errors import AlledgeError, ExportError
from ...runtime.files import replace_file, write_json
from ...runtime.json_documents import read_json
from ...runtime.process_memory import peak_mib, return_free_memory
from ..types import FeatureLayer, Json
from .bias_correction import LOGITS, read_biases, read_logits
from .quantization_recipes import Recipe
from .tflite import FLOAT as FLOAT_TFLITE

# The packages that make an artifact, by format; a quantizer is added for int8 and dynamic.
PRODUCERS = {
    "tflite": ("tensorflow", "tensorflow-cpu", "keras"),
    "onnx": ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "onnx"),
    "openvino": ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "openvino"),
}
QUANTIZER = ("onnx", "onnxruntime")  # measures the corrected biases of TFLite, too


def serve() -> None:
    """Do one job after the other. The process ends when standard input ends, also during a job.

    A line of standard input is a JSON object with the paths ``job`` and ``output``. What the
    converters print is written to the file `output`. The answer on standard output is the exit
    code of the job.
    """
    requests = SimpleQueue[str]()
    arguments = (os.fdopen(os.dup(0), encoding="utf-8"), requests)
    threading.Thread(target=_receive, args=arguments, daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)
    while True:
        request = json.loads(requests.get())
        with _printing_to(Path(request["output"])):
            code = main(request["job"])
        answers.write(f"{code}\n")
        answers.flush()


def _receive(stream: TextIO, requests: SimpleQueue[str]) -> None:
    """Queue the lines of a stream, and end the process with it: the export has ended or died."""
    for line in stream:
        requests.put(line)
    os._exit(0)


@contextlib.contextmanager
def _printing_to(file: Path) -> Iterator[None]:
    """Send what this process prints to a file, whether Python or a library prints it."""
    with file.open("w", encoding="utf-8") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
        yield
        sys.stdout.flush()
        sys.stderr.flush()


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
    job = read_json(job_file, error=ExportError, file_names=True)
    result = perform(job)
    _reset_names()
    gc.collect()
    return_free_memory()  # otherwise a process that converted a large network is replaced
    write_json(Path(job["result"]), result)
    return 1 if "error" in result else 0


def perform(job: Json) -> Json:
    """Do one job and return its result, with ``seconds``, ``peak_mib`` and perhaps ``error``."""
    began = time.monotonic()
    try:
        result = STEPS[job["step"]].perform(job)
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


def _reset_names() -> None:
    """Have Keras name layers as in a new process; their names reach the artifacts."""
    if "keras" in sys.modules:
        import keras

        keras.backend.clear_session()


def _score(job: Json) -> Json:
    """Score images with the float model."""
    import numpy as np

    from .kept_network import kept_network
    from .serving_graph import float_scores

    network = kept_network(Path(job["model"])).network
    np.save(job["out"], float_scores(network, np.load(job["images"])))
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
    from .feature_layer import add_feature_outputs

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    sources, left_in_float = Path(job["sources"]), list[str]()
    if job["precision"] == "float32" and (sources / FLOAT_TFLITE).is_file():
        content = (sources / FLOAT_TFLITE).read_bytes()
    else:
        content, left_in_float = tflite.convert(
            Path(job["model"]),
            job["precision"],
            recipe,
            _calibration(job),
            sources,
            read_biases(Path(job["biases"])) if job.get("biases") else None,
            read_logits(Path(job["biases"])) if job.get("biases") else None,
        )
    layer = None
    if job.get("labels"):
        content = tflite_metadata.with_metadata(content, job["name"])
        content, layer = add_feature_outputs(content)
        content += tflite_metadata.labels_archive(job["labels"])
    with replace_file(out) as partial:
        partial.write_bytes(content)
    return _produced("tflite", job["precision"], left_in_float, layer)


def _float_onnx(job: Json) -> Json:
    """Convert the float TFLite graph to the float ONNX graph."""
    from . import onnx

    with replace_file(Path(job["out"])) as partial:
        onnx.make_float(Path(job["source"]), partial)
    return {}


def _correct_biases(job: Json) -> Json:
    """Measure for TFLite the corrected biases and the logits of the float ONNX graph."""
    import numpy as np
    import onnx

    from .bias_correction import bias_pairs, correct_tflite
    from .onnx import float_logits
    from .onnx_int8 import prepared, quantize

    sources, out, calibration = Path(job["sources"]), Path(job["out"]), np.load(job["calibration"])
    quantized, _ = quantize(sources, Recipe(correction="bias"), calibration)
    arrays: Json = {**bias_pairs(onnx.load(prepared(sources)), onnx.load(quantized))}
    if (logits := float_logits(sources, calibration)) is not None:
        arrays[LOGITS] = logits
    with replace_file(out) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)
    _, count = correct_tflite((sources / FLOAT_TFLITE).read_bytes(), read_biases(out))
    return {"corrected_biases": count}


def _onnx(job: Json) -> Json:
    """Convert the float ONNX graph to ONNX of another precision."""
    import onnx as library

    from . import onnx
    from .feature_layer import onnx_feature_layer

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    proto, left_in_float = onnx.convert(
        job["precision"], recipe, _calibration(job), Path(job["sources"])
    )
    library.helper.set_model_props(proto, _properties(job))
    with replace_file(out) as partial:
        partial.write_bytes(proto.SerializeToString(deterministic=True))
    layer = onnx_feature_layer(proto) if job.get("labels") else None
    return _produced("onnx", job["precision"], left_in_float, layer)


def _openvino(job: Json) -> Json:
    """Convert the float ONNX graph to OpenVINO IR."""
    from . import openvino
    from .feature_layer import openvino_feature_layer

    recipe, out = Recipe(**job["recipe"]), Path(job["out"])
    model, left_in_float = openvino.convert(
        job["precision"], recipe, _calibration(job), Path(job["sources"])
    )
    openvino.write_metadata(model, job.get("labels", []), _properties(job))
    openvino.save(model, job["precision"], out)
    layer = openvino_feature_layer(out) if job.get("labels") else None
    return _produced("openvino", job["precision"], left_in_float, layer)


def _fit(job: Json) -> Json:
    """Write a network whose last layer was fitted on generated smears."""
    from ..matrix.fitted_network import fit

    fit(job["model"], job["head"], job["weights"], Path(job["out"]))
    return {}


@dataclass(frozen=True)
class Step:
    """A kind of step.

    Parameters
    ----------
    perform : callable
        From the job to its result.
    toolkit : str
        Steps with the same toolkit share a process, which loads its libraries once.
    inputs : tuple of str
        The keys of the job that are files which the result depends on. Other paths of a job are
        folders for intermediate results.
    """

    perform: Callable[[Json], Json]
    toolkit: str
    inputs: tuple[str, ...]


TENSORFLOW, ONNXRUNTIME, OPENVINO, ENGINES = "tensorflow", "onnxruntime", "openvino", "engines"
STEPS = {
    "score": Step(_score, TENSORFLOW, ("model", "images")),
    "run": Step(_run, ENGINES, ("artifact", "images")),
    "run without xnnpack": Step(_run_without_xnnpack, ENGINES, ("artifact", "images")),
    "tflite": Step(_tflite, TENSORFLOW, ("model", "calibration", "biases")),
    "float onnx": Step(_float_onnx, TENSORFLOW, ("source",)),
    "biases": Step(_correct_biases, ONNXRUNTIME, ("source", "calibration")),
    "onnx": Step(_onnx, ONNXRUNTIME, ("source", "calibration")),
    "openvino": Step(_openvino, OPENVINO, ("source", "calibration")),
    "fit": Step(_fit, TENSORFLOW, ("weights",)),
}
OUTPUT = "out"  # the key of the file that a step writes


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


def _produced(
    format_name: str, precision: str, left_in_float: list[str], layer: FeatureLayer | None
) -> Json:
    """Return the result of a conversion: package versions, layers left in float, the last layer."""
    packages = PRODUCERS[format_name]
    if precision in ("int8", "dynamic"):
        packages += QUANTIZER
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # only one of tensorflow and tensorflow-cpu is installed
            continue
    features = None if layer is None else layer.to_json()
    return {"produced_by": versions, "left_in_float": left_in_float, "features": features}


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else ""


if __name__ == "__main__":
    serve()
