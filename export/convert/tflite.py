"""Converts Keras to TFLite in every precision; loads tensorflow when called.

`alledge.export.convert.onnx` makes the ONNX graph from the float32 artifact.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportError
from ...runtime.files import replace_file
from ...runtime.tflite_graph import load_schema, operator_codes, parse_operators
from ..types import Floats, Images, Scores
from . import json_cache
from .bias_correction import Biases, correct_tflite
from .kept_network import kept_network
from .last_layer import LastLayer, refit
from .layer_names import match_layer
from .quantization_recipes import Recipe
from .tflite_ranges import run_images, with_ranges

FLOAT, CALIBRATED, RANKED = "float.tflite", "calibrated.tflite", "ranked-tflite.json"
RANKING_IMAGES = 8
DENSE, POOLED = "FULLY_CONNECTED", "MEAN"
WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", DENSE})
LAYERS = WEIGHTED | {"ADD", "MUL", "CONCATENATION", POOLED}


def convert(
    model: Path,
    precision: str,
    recipe: Recipe,
    calibration: Images | None,
    sources: Path,
    biases: Biases | None = None,
    logits: Floats | None = None,
) -> tuple[bytes, list[str]]:
    """Return a model as a TFLite flatbuffer, and the layers left in float beside the last layer.

    Parameters
    ----------
    model : Path
        ``model.keras``.
    precision : str
    recipe : Recipe
        Used for int8 only.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    sources : Path
        A folder that keeps intermediate results of this model and its calibration images for the
        next recipe. For int8 it holds the model's float graph.
    biases : dict, optional
        The corrected biases of the model, for recipes with a correction.
    logits : (N, C) ndarray of float64, optional
        Of the float graph for the calibration images. They are computed if they are not given.

    Returns
    -------
    bytes, list of str
        A layer has the name of its output tensor.

    Raises
    ------
    ExportError
        If int8 has no calibration images.
    """
    if precision == "int8":
        if calibration is None or not len(calibration):
            raise ExportError("int8 needs calibration images", fix="--calibration DATA")
        return _integer(recipe, calibration, sources, biases or {}, logits)
    converter = _converter(model)
    import tensorflow as tf

    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "dynamic":
        # The newer quantizer writes FULLY_CONNECTED version 12, which tflite-runtime 2.14 cannot
        # load.
        converter.experimental_new_dynamic_range_quantizer = False
    return bytes(converter.convert()), []


def scores_without_xnnpack(artifact: Path, images: Images) -> Scores:
    """Return the scores of an engine that does not use XNNPACK, (N, C).

    Its integer kernels round differently. tflite-runtime 2.14 has no XNNPACK for int8 and gives
    the same scores to 1e-6.
    """
    from ai_edge_litert.interpreter import OpResolverType

    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    rows = run_images(artifact.read_bytes(), images, experimental_op_resolver_type=kernels)
    return np.concatenate([scores for (scores,) in rows]).astype(np.float32)


def _converter(model: Path) -> Any:
    """Return a converter of the serving graph.

    A converter that is given the Keras model, or writes the graph as a SavedModel first, takes
    several times as long for the same graph, and needs 1.1 GB more for InceptionV3. It has no
    signature; `tflite_metadata` writes that of the artifact.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [kept_network(model).trace], tf.Module()
    )
    converter.experimental_lower_to_saved_model = False
    return converter


def _integer(
    recipe: Recipe, calibration: Images, sources: Path, biases: Biases, logits: Floats | None
) -> tuple[bytes, list[str]]:
    # The float graph is calibrated once and quantized once a recipe. These are the two steps
    # inside tf.lite.TFLiteConverter and tf.lite.experimental.QuantizationDebugger.
    from tensorflow.lite.python.convert import mlir_quantize

    file = sources / CALIBRATED
    if not file.is_file():
        corrected, _ = correct_tflite((sources / FLOAT).read_bytes(), biases)
        content = with_ranges(corrected, calibration)
        with replace_file(file) as partial:
            partial.write_bytes(content)
    calibrated = file.read_bytes()
    ends, chosen = in_float(calibrated), []
    if recipe.float_layers:
        ranked = json_cache.cached_json(
            sources / RANKED, lambda: _costliest(calibrated, ends, calibration)
        )
        chosen = ranked[: recipe.float_layers]
    content = bytes(mlir_quantize(calibrated, denylisted_nodes=ends + chosen))
    if logits is None and (layer := _dense_layer(bytearray((sources / FLOAT).read_bytes()))):
        logits = layer.logits(layer.features(calibration))
    return refitted(content, logits, calibration), chosen


def refitted(content: bytes, logits: Floats | None, calibration: Images) -> bytes:
    """Return an int8 model whose last dense layer is refitted to the float graph's logits."""
    quantized = bytearray(content)
    layer, stored = _dense_layer(quantized), _stored_layer(quantized)
    if layer is None or stored is None or logits is None:
        return content
    weights, bias = refit(layer, logits, calibration)
    stored[0][:] = weights.T.ravel()
    stored[1][:] = bias
    return bytes(quantized)


def _dense_layer(content: bytearray) -> LastLayer | None:
    """Return the last dense layer of a model; None if it has no bias or is not in float."""
    stored = _stored_layer(content)
    if stored is None:
        return None
    bias = stored[1].copy()
    weights = stored[0].reshape(len(bias), -1).T.copy()
    return LastLayer(weights, bias, lambda images: _features(content, images))


def _stored_layer(content: bytearray) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return the weights and the bias of the last dense layer as views into the model."""
    schema = load_schema()
    model, operator = last_dense(content)
    arrays = []
    for number in operator.InputsAsNumpy()[1:3]:
        tensor = model.Subgraphs(0).Tensors(number) if number >= 0 else None
        if tensor is None or tensor.Type() != schema.TensorType.FLOAT32:
            return None
        arrays.append(model.Buffers(tensor.Buffer()).DataAsNumpy().view(np.float32))
    return arrays[0], arrays[1]


def last_dense(content: bytearray) -> tuple[Any, Any]:
    """Return the parsed model and the operator of its last dense layer."""
    model = load_schema().Model.GetRootAs(content, 0)
    last = max(i for i, row in enumerate(parse_operators(bytes(content))) if row.name == DENSE)
    return model, model.Subgraphs(0).Operators(last)


def producer(model: Any, tensor: int, kind: str) -> Any | None:
    """Return the operator of a kind that gives a tensor of a parsed model; None if none does."""
    graph, codes = model.Subgraphs(0), operator_codes()
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = codes.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        if name == kind and tensor in operator.OutputsAsNumpy():
            return operator
    return None


def _features(content: bytearray, images: Images) -> Scores:
    """Return the input of the last dense layer for each image, (N, D)."""
    copy = bytearray(content)
    model, operator = last_dense(copy)
    model.Subgraphs(0).OutputsAsNumpy()[0] = operator.InputsAsNumpy()[0]
    rows = [features.ravel() for features, *_ in run_images(bytes(copy), images)]
    return np.asarray(rows, dtype=np.float32)


def _operations(content: bytes) -> list[tuple[str, list[str]]]:
    """Return the kind and the names of the output tensors of every operation, in order."""
    return [
        (operator.name, [tensor.name for tensor in operator.outputs])
        for operator in parse_operators(content)
    ]


def in_float(content: bytes) -> list[str]:
    """Return the tensors that always stay in float, as in ONNX: those at both ends of the graph.

    Those before the first layer with weights scale the pixels, those after the last convolution
    average its output.
    """
    operations = _operations(content)
    weighted = [place for place, (kind, _) in enumerate(operations) if kind in WEIGHTED]
    dense = max(place for place, (kind, _) in enumerate(operations) if kind == DENSE)
    pooled = [place for place, (kind, _) in enumerate(operations) if kind == POOLED]
    places = [*range(weighted[0]), *pooled, *range(dense, len(operations))]
    return [name for place in places for name in operations[place][1]]


def _costliest(calibrated: bytes, ends: list[str], calibration: Images) -> list[str]:
    """Return the layers by the noise of quantization relative to their signal, largest first."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    def noise(values: Any, quantized: Any, scale: float, zero_point: int) -> float:
        difference = values - scale * (quantized.astype(np.int32) - zero_point)
        return float(np.mean(difference**2) / (np.mean(values**2) + 1e-12))

    debugged = mlir_quantize(calibrated, enable_numeric_verify=True, denylisted_nodes=ends)
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
    matches = [match_layer(name, layers) for name in ranked]
    return [layer for layer in matches if layer is not None]
