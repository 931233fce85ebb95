"""Converts float TFLite to ONNX in every precision; loads tf2onnx and onnxruntime when called.

The source is the float TFLite graph, not Keras: batch normalization is folded in it, and tf2onnx
needs 5 GB instead of 11 for the largest model.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ExportError
from ..types import Floats, Images, Scores
from .float_statistics import DENSE, cpu_session, float_statistics
from .last_layer import LastLayer, refit
from .onnx_int8 import FLOAT, last_layer, prepared, quantize
from .quantization_recipes import Recipe
from .serving_graph import INPUT_NAME, OUTPUT_NAME

OPSET = 17
IR_VERSION = 10  # the newest that the oldest supported ONNX Runtime (1.20) reads


def make_float(tflite: Path, out: Path) -> None:
    """Write the float32 ONNX graph of a float32 TFLite model.

    Parameters
    ----------
    tflite : Path
        From `alledge.export.convert.tflite.convert`.
    out : Path
    """
    import onnx
    from tf2onnx import optimizer, tfonnx

    graph = tfonnx.process_tf_graph(None, tflite_path=str(tflite), opset=OPSET)
    # tf2onnx.convert copies the whole graph before every pass, which needs 11 GB.
    graph = optimizer.optimize_graph(graph, catch_errors=False)
    proto = graph.make_model("alledge")
    _rename_by_position(proto)
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    onnx.save(proto, out)


def convert(
    precision: str, recipe: Recipe, calibration: Images | None, sources: Path
) -> tuple[Any, list[str]]:
    """Return a model as an ONNX ``ModelProto``, and the layers left in float beside the last.

    Parameters
    ----------
    precision : str
    recipe : Recipe
        Used for int8 and dynamic.
    calibration : (N, S, S, 3) ndarray of uint8, optional
        Needed for int8.
    sources : Path
        Folder that holds the model's ``float.onnx``. It also keeps intermediate results of the
        model and its calibration images for the next recipe.

    Returns
    -------
    ModelProto, list of str
        A layer has the name of its node.

    Raises
    ------
    ExportError
        If int8 has no calibration images.
    """
    import onnx

    if precision == "int8":
        if calibration is None or not len(calibration):
            raise ExportError("int8 needs calibration images", fix="--calibration DATA")
        file, left_in_float = quantize(sources, recipe, calibration)
        proto = onnx.load(file)
        _refit(proto, float_logits(sources, calibration), calibration)
    else:
        with tempfile.TemporaryDirectory(dir=sources) as folder:
            out = Path(folder) / "converted.onnx"
            left_in_float = _CONVERTERS[precision](sources, out, recipe)
            proto = onnx.load(out)
    proto.ir_version = min(proto.ir_version, IR_VERSION)
    onnx.checker.check_model(proto, full_check=True)
    return proto, left_in_float


def _float32(sources: Path, out: Path, recipe: Recipe) -> list[str]:
    shutil.copyfile(sources / FLOAT, out)
    return []


def _float16(sources: Path, out: Path, recipe: Recipe) -> list[str]:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    proto = convert_float_to_float16(onnx.load(sources / FLOAT), keep_io_types=True)
    onnx.save(proto, out)
    return []


def _dynamic(sources: Path, out: Path, recipe: Recipe) -> list[str]:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = prepared(sources)
    last, kinds = last_layer(source), list(DENSE if recipe.dense_only else (*DENSE, "Conv"))
    nodes = onnx.load(source, load_external_data=False).graph.node
    convolutions = [node.name for node in nodes if node.op_type == "Conv"]
    if not any(node.op_type in kinds and node.name not in last for node in nodes):
        raise ExportError("nothing is left to quantize: the last dense layer stays in float")
    # ONNX Runtime has a ConvInteger kernel for unsigned weights only. It replaces a Gemm by a
    # MatMul of this name before it looks which nodes are excluded.
    excluded = [*last, *(f"{name}_MatMul" for name in last)]
    quantize_dynamic(
        source,
        out,
        weight_type=QuantType.QUInt8,
        op_types_to_quantize=kinds,
        nodes_to_exclude=excluded,
    )
    return convolutions if recipe.dense_only else []


def float_logits(sources: Path, calibration: Images) -> Floats | None:
    """Return the logits of the float graph, (N, C); None if its last layer is not constant."""
    import onnx

    layer = _dense_layer(onnx.load(sources / FLOAT))
    if layer is None:
        return None
    return layer.logits(float_statistics(prepared(sources), calibration).features)


def _refit(proto: Any, logits: Floats | None, calibration: Images) -> None:
    """Refit the last dense layer of an artifact to the logits of the float graph."""
    import onnx

    layer = _dense_layer(proto)
    if layer is None or logits is None:
        return
    names, values = stored_layer(proto), refit(layer, logits, calibration)
    for tensor in proto.graph.initializer:
        for name, value in zip(names, values, strict=True):
            if tensor.name == name:
                stored = onnx.numpy_helper.to_array(tensor)
                value = value.T if stored.shape != value.shape else value
                fitted = onnx.numpy_helper.from_array(value.astype(stored.dtype), name)
                tensor.CopyFrom(fitted)


def _dense_layer(proto: Any) -> LastLayer | None:
    """Return the last dense layer of a graph; None if its weights are not constants in float."""
    import onnx

    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    weights_name, bias_name = stored_layer(proto)
    if weights_name not in constants or bias_name not in constants:
        return None
    weights = onnx.numpy_helper.to_array(constants[weights_name])
    bias = onnx.numpy_helper.to_array(constants[bias_name])
    if weights.dtype != np.float32 or bias.ndim != 1:
        return None
    if weights.shape[1] != len(bias):
        weights = weights.T  # Gemm with transB
    return LastLayer(weights, bias, lambda images: _features(proto, images))


def stored_layer(proto: Any) -> tuple[str, str]:
    """Return the names of the weights and of the bias of the last dense layer."""
    nodes, dense = proto.graph.node, last_dense(proto)
    if dense.op_type == "Gemm":
        return dense.input[1], dense.input[2] if len(dense.input) > 2 else ""
    bias = next(
        (node for node in nodes if node.op_type == "Add" and dense.output[0] in node.input), None
    )
    others = [name for name in bias.input if name != dense.output[0]] if bias is not None else [""]
    return dense.input[1], others[0]


def last_dense(proto: Any) -> Any:
    """Return the node of the last dense layer of a graph."""
    return [node for node in proto.graph.node if node.op_type in DENSE][-1]


def _features(proto: Any, images: Images) -> Scores:
    """Return the input of the last dense layer for each image, (N, D)."""
    import onnx

    observed = onnx.ModelProto()
    observed.CopyFrom(proto)
    name = last_dense(observed).input[0]
    observed.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = cpu_session(observed)
    return np.stack([session.run([name], {INPUT_NAME: image[None]})[0].ravel() for image in images])


_CONVERTERS: dict[str, Callable[[Path, Path, Recipe], list[str]]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic": _dynamic,
}


def _rename_by_position(proto: Any) -> None:
    """Rename every tensor and node by its position; the names of tf2onnx differ from run to run."""
    graph = proto.graph
    names = {graph.input[0].name: INPUT_NAME, graph.output[0].name: OUTPUT_NAME}
    weights = {tensor.name for tensor in graph.initializer}
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for place, name in enumerate(node.input):
            if name in weights and name not in names:
                names[name] = f"{node.name}_weight{place}"
        for place, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}_out{place}")
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]
    used = [tensor for tensor in graph.initializer if tensor.name in names]
    for tensor in (*used, *graph.input, *graph.output):
        tensor.name = names[tensor.name]
    used = sorted(used, key=lambda tensor: tensor.name)
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(used)
