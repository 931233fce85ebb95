"""Keras to TFLite in every precision; loads tensorflow when called.

The float32 artifact is also what the ONNX graph is made from (`alledge.export.convert.onnx`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportError
from ...runtime.files import replace_file
from ...runtime.tflite_graph import parse_operators
from . import json_cache
from .quantization_recipes import Recipe
from .serving_graph import load_float, serving_model

Images = NDArray[np.uint8]
CALIBRATED, RANKED = "calibrated.tflite", "ranked-tflite.json"
RANKING_IMAGES = 8
DENSE = "FULLY_CONNECTED"
LAYERS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", DENSE, "ADD", "MUL", "CONCATENATION", "MEAN"})


def convert(
    model: Path, precision: str, recipe: Recipe, calibration: Images | None, sources: Path
) -> tuple[bytes, list[str]]:
    """Return a model as a TFLite flatbuffer, and the layers left in float beside the last.

    Parameters
    ----------
    model : Path
        ``model.keras``.
    precision : str
    recipe : Recipe
        Counts for int8 only.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    sources : Path
        A folder where half-way results of this model and its calibration images are kept for the
        next recipe.

    Returns
    -------
    bytes, list of str
        The names are those of the layers' output tensors.

    Raises
    ------
    ExportError
        If int8 is asked for without calibration images.
    """
    if precision == "int8":
        if calibration is None or not len(calibration):
            raise ExportError("int8 needs calibration images", fix="--calibration DATA")
        return _integer(model, recipe, calibration, sources)
    converter = _converter(model)
    import tensorflow as tf

    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "dynamic":
        # the newer quantizer writes FULLY_CONNECTED version 12: tflite-runtime 2.14 cannot load it
        converter.experimental_new_dynamic_range_quantizer = False
    return bytes(converter.convert()), []


def bare_scores(artifact: Path, images: Images) -> NDArray[np.float32]:
    """Return what an engine without XNNPACK computes, (N, C).

    Its integer kernels round otherwise. Those of tflite-runtime 2.14, which has no XNNPACK for
    int8, gave the same to 1e-6 (docs/export.md).
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(artifact),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    given, found = (
        rows[0]["index"]
        for rows in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    scores = []
    for image in images:
        interpreter.set_tensor(given, image[None])
        interpreter.invoke()
        scores.append(np.array(interpreter.get_tensor(found), dtype=np.float32))
    return np.concatenate(scores)


def _converter(model: Path) -> Any:
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_keras_model(serving_model(load_float(model)))


def _integer(
    model: Path, recipe: Recipe, calibration: Images, sources: Path
) -> tuple[bytes, list[str]]:
    # Calibrated once, quantized as often as there are recipes: the two steps that
    # tf.lite.experimental.QuantizationDebugger itself is made of.
    from tensorflow.lite.python.convert import mlir_quantize

    kept = sources / CALIBRATED
    if not kept.is_file():
        with replace_file(kept) as beside:
            beside.write_bytes(_calibrated(model, calibration))
    calibrated = kept.read_bytes()
    last, chosen = _last_layer(calibrated), []
    if recipe.float_layers:
        ranked = json_cache.cached_json(
            sources / RANKED, lambda: _costliest(calibrated, last, calibration)
        )
        chosen = ranked[: recipe.float_layers]
    return bytes(mlir_quantize(calibrated, denylisted_nodes=last + chosen)), chosen


def _calibrated(model: Path, calibration: Images) -> bytes:
    import tensorflow as tf

    def images() -> Iterator[list[Images]]:
        for image in calibration:
            yield [image[None]]

    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = images
    converter._experimental_calibrate_only = True
    return bytes(converter.convert())


def _operations(content: bytes) -> list[tuple[str, list[str]]]:
    """Return kind and names of the output tensors of every operation, in order."""
    return [
        (operator.name, [tensor.name for tensor in operator.outputs])
        for operator in parse_operators(content)
    ]


def _last_layer(content: bytes) -> list[str]:
    """Return the tensors from the last dense layer on: what stays in float always."""
    operations = _operations(content)
    start = max(index for index, (kind, _) in enumerate(operations) if kind == DENSE)
    return [name for _, outputs in operations[start:] for name in outputs]


def _costliest(calibrated: bytes, in_float: list[str], calibration: Images) -> list[str]:
    """Return the layers by the noise that quantizing adds, relative to their signal, most first."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    def noise(real: Any, quantized: Any, scale: float, zero_point: int) -> float:
        difference = real - scale * (quantized.astype(np.int32) - zero_point)
        return float(np.mean(difference**2) / (np.mean(real**2) + 1e-12))

    debugged = mlir_quantize(calibrated, enable_numeric_verify=True, denylisted_nodes=in_float)
    debugger = tf.lite.experimental.QuantizationDebugger(
        quant_debug_model_content=debugged,
        debug_dataset=lambda: ([image[None]] for image in calibration[:RANKING_IMAGES]),
        debug_options=tf.lite.experimental.QuantizationDebugOptions(
            layer_direct_compare_metrics={"noise": noise}
        ),
    )
    debugger.run()
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    noises = {
        row["tensor_name"]: float(row["noise"])
        for row in csv.DictReader(io.StringIO(table.getvalue()))
    }
    ranked = sorted(noises, key=lambda name: (-noises[name], name))
    layers = {name for kind, names in _operations(calibrated) if kind in LAYERS for name in names}
    found = [_same(name, layers) for name in ranked]
    return [name for name in found if name is not None]


def _same(name: str, layers: set[str]) -> str | None:
    """Return the layer a statistic is of: the debugger may have cut a digit off its name."""
    if name in layers:
        return name
    return next((layer for layer in sorted(layers) if layer[:-1] == name), None)
