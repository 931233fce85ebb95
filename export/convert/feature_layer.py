"""Finds the features under the last dense layer of an artifact, and that layer's weights.

A device makes the features an output by itself, so that other clients of the artifact see one
output. Loads the library of the format when called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.feature_output import FeatureOutput
from ...runtime.tflite_graph import load_schema
from ..types import FeatureLayer

SUBGRAPH_OUTPUTS = 8  # the place of a subgraph's outputs in its table (tensorflow's schema.fbs)
ALIGNMENT = 4  # bytes, of a vector of integers in a flatbuffer
FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float16))

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


def add_feature_outputs(content: bytes) -> tuple[bytes, FeatureLayer | None]:
    """Return a TFLite model with a second list of outputs, scores and features, that is not used.

    Parameters
    ----------
    content : bytes
        The flatbuffer, without a file appended.

    Returns
    -------
    bytes
        The flatbuffer and the list behind it. Engines read the same outputs as before.
    FeatureLayer or None
        None if the last dense layer is not in float; `content` is then as before.
    """
    from .tflite import last_dense

    model, operator = last_dense(bytearray(content))
    graph = model.Subgraphs(0)
    weights, bias = (_tflite_constant(model, int(n)) for n in operator.InputsAsNumpy()[1:3])
    if weights is None or bias is None or graph.OutputsLength() != 1:
        return content, None
    features = int(operator.InputsAsNumpy()[0])
    position = graph._tab.Pos + graph._tab.Offset(SUBGRAPH_OUTPUTS)
    content += bytes(-len(content) % ALIGNMENT)
    outputs = np.array([2, graph.Outputs(0), features], dtype="<u4")
    output = FeatureOutput(weights.shape[1], position=position, offset=len(content) - position)
    return content + outputs.tobytes(), FeatureLayer(output, weights.T.copy(), bias)


def _tflite_constant(model: Any, number: int) -> NDArray[np.float32] | None:
    """Return a constant tensor of floats; float16 is stored behind a DEQUANTIZE."""
    from .tflite import producer

    graph, schema = model.Subgraphs(0), load_schema().TensorType
    if number < 0:
        return None
    tensor = graph.Tensors(number)
    content = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if not isinstance(content, np.ndarray):  # computed from another tensor
        operator = producer(model, number, "DEQUANTIZE")
        return None if operator is None else _tflite_constant(model, int(operator.Inputs(0)))
    types = {schema.FLOAT32: np.float32, schema.FLOAT16: np.float16}
    if tensor.Type() not in types:
        return None
    values: NDArray[np.float32] = content.view(types[tensor.Type()]).astype(np.float32)
    return values.reshape([tensor.Shape(side) for side in range(tensor.ShapeLength())])


def onnx_feature_layer(proto: Any) -> FeatureLayer | None:
    """Return the last dense layer of a ``ModelProto``; None if it is not constant and in float."""
    import onnx

    from .float_statistics import DENSE
    from .onnx import last_dense, stored_layer

    if not any(node.op_type in DENSE for node in proto.graph.node):
        return None
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    names = stored_layer(proto)
    if not set(names) <= set(constants):
        return None
    weights, bias = (onnx.numpy_helper.to_array(constants[name]) for name in names)
    layer = _layer(weights, bias, transposed=_is_transposed(last_dense(proto)))
    if layer is None:
        return None
    output = FeatureOutput(len(layer[0]), tensor=last_dense(proto).input[0])
    return FeatureLayer(output, *layer)


def _is_transposed(dense: Any) -> bool:
    return any(row.name == "transB" and row.i == 1 for row in dense.attribute)


def openvino_feature_layer(file: Path) -> FeatureLayer | None:
    """Return the last dense layer of an IR file; None if it is not constant and in float."""
    import openvino

    from .openvino import dense_nodes

    dense, add = dense_nodes(openvino.Core().read_model(file))
    source = dense.input_value(0)
    weights, bias = (_constant(node.input_value(1).get_node()) for node in (dense, add))
    if add.get_type_name() != "Add" or source.get_index() != 0 or weights is None or bias is None:
        return None
    layer = _layer(weights.data, bias.data, transposed=dense.get_attributes()["transpose_b"])
    if layer is None:
        return None
    name = source.get_node().get_friendly_name()
    return FeatureLayer(FeatureOutput(len(layer[0]), tensor=name), *layer)


def _constant(node: Any) -> Any | None:
    """Return the constant behind a conversion from float16; None if the node is computed."""
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def _layer(weights: NDArray[Any], bias: NDArray[Any], *, transposed: bool) -> Layer | None:
    """Return the layer as float32; None if it is stored in another type."""
    if weights.dtype not in FLOAT_TYPES or bias.dtype not in FLOAT_TYPES or weights.ndim != 2:
        return None
    weights = weights.T if transposed else weights
    if weights.shape[1] != bias.size:
        return None
    return weights.astype(np.float32), bias.ravel().astype(np.float32)
