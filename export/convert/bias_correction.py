"""Corrects the biases of a quantized ONNX graph; loads onnx and onnxruntime when called.

Rounded weights and activations shift the mean of every output channel, and the shifts add up from
layer to layer. The convolutions are corrected in their order: the mean of each channel is compared
with that of the float graph, and the bias takes the difference before the next layer is measured.
Each layer computes the images once, from the corrected outputs of the layers before it.

References
----------
M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-free quantization through weight
equalization and bias correction", ICCV 2019, section 4.2 and appendix D (empirical correction).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.tflite_graph import load_schema
from ..types import Floats, Images
from .float_statistics import BIAS_IMAGES, CHANNEL_AXES, Floats32, cpu_session
from .serving_graph import INPUT_NAME

BIASES, LOGITS = "biases.npz", "logits"
Biases = dict[bytes, Floats32]  # from the bytes of a bias to the corrected one
Values = dict[str, list[NDArray[Any]]]  # the value of a tensor for every image, by its name


def correct_quantized(quantized: Any, means: dict[str, Floats32], calibration: Images) -> None:
    """Correct the biases of the convolutions of a quantized graph in place.

    Parameters
    ----------
    quantized : onnx.ModelProto
        With QuantizeLinear and DequantizeLinear operations.
    means : dict of str to (C,) ndarray of float32
        `FloatStatistics.means` of its float graph, whose convolutions have the same names.
    calibration : (N, S, S, 3) ndarray of uint8
        The images of these means are used.
    """
    import onnx

    for name, change in _changes(quantized, means, calibration[:BIAS_IMAGES]):
        stored, scale = _stored_bias(quantized, name)
        corrected = onnx.numpy_helper.to_array(stored) + change / scale
        if stored.data_type == onnx.TensorProto.INT32:
            limits = np.iinfo(np.int32)
            corrected = np.round(corrected).clip(limits.min, limits.max).astype(np.int32)
        else:
            corrected = corrected.astype(np.float32)
        stored.CopyFrom(onnx.numpy_helper.from_array(corrected, stored.name))


def bias_pairs(float_graph: Any, quantized: Any) -> dict[str, Floats32]:
    """Return the biases of the convolutions of a graph, before and after their correction.

    Parameters
    ----------
    float_graph, quantized : onnx.ModelProto
        As for `correct_quantized`, which has been called.

    Returns
    -------
    dict of str to (C,) ndarray of float32
        ``before 0``, ``after 0``, ``before 1`` and so on. Biases with the same numbers are left
        out: they could not be told apart in another format.
    """
    import onnx

    biases = {}
    for name in _convolutions_with_bias(float_graph):
        before, _ = _stored_bias(float_graph, name)
        after, scale = _stored_bias(quantized, name)
        biases[name] = (
            onnx.numpy_helper.to_array(before),
            np.asarray(onnx.numpy_helper.to_array(after) * scale, np.float32),
        )
    copies = Counter(before.tobytes() for before, _ in biases.values())
    pairs = [pair for pair in biases.values() if copies[pair[0].tobytes()] == 1]
    return {
        f"{kind} {number}": value
        for number, pair in enumerate(pairs)
        for kind, value in zip(("before", "after"), pair, strict=True)
    }


def read_biases(file: Path) -> Biases:
    """Return corrected biases from a file, by the bytes of the original ones."""
    with np.load(file) as arrays:
        return {
            arrays[name].tobytes(): arrays[name.replace("before", "after")]
            for name in arrays.files
            if name.startswith("before")
        }


def read_logits(file: Path) -> Floats | None:
    """Return the logits of the float graph from the file of the biases; None if it has none."""
    with np.load(file) as arrays:
        return arrays[LOGITS] if LOGITS in arrays.files else None


def correct_tflite(content: bytes, biases: Biases) -> tuple[bytes, int]:
    """Return a float model with the corrected biases, and how many were replaced."""
    corrected = bytearray(content)
    model, count = load_schema().Model.GetRootAs(corrected, 0), 0
    for number in range(model.BuffersLength()):
        stored = model.Buffers(number).DataAsNumpy()
        if isinstance(stored, np.ndarray) and (key := stored.tobytes()) in biases:
            stored.view(np.float32)[:] = biases[key]
            count += 1
    return bytes(corrected), count


def _convolutions_with_bias(proto: Any) -> dict[str, Any]:
    """Return the convolutions that have a constant bias, by the names of the nodes."""
    constants = {tensor.name for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            constants.add(node.output[0])
    return {
        node.name: node
        for node in proto.graph.node
        if node.op_type == "Conv" and len(node.input) > 2 and node.input[2] in constants
    }


def _stored_bias(proto: Any, convolution: str) -> tuple[Any, NDArray[Any] | float]:
    """Return the tensor that holds the bias of a convolution, and the scale of its integers."""
    import onnx

    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    bias = _convolutions_with_bias(proto)[convolution].input[2]
    if bias in constants:
        return constants[bias], 1.0
    (node,) = (node for node in proto.graph.node if bias in node.output)
    return constants[node.input[0]], onnx.numpy_helper.to_array(constants[node.input[1]])


def _changes(
    quantized: Any, means: dict[str, Floats32], images: Images
) -> Iterator[tuple[str, Floats32]]:
    """Yield the name of each convolution in order, and what its bias lacks, (C,)."""
    nodes = list(quantized.graph.node)
    users: dict[str, set[int]] = defaultdict(set)
    for place, node in enumerate(nodes):
        for name in node.input:
            users[name].add(place)
    values: Values = {INPUT_NAME: [image[None] for image in images]}
    done: set[int] = set()
    for name, convolution in _convolutions_with_bias(quantized).items():
        output = convolution.output[0]
        stage = _missing_nodes(nodes, output, values)
        done.update(stage)
        needed = [
            tensor
            for place in stage
            for tensor in nodes[place].output
            if tensor == output or users[tensor] - done
        ]
        values.update(_run_stage(quantized, [nodes[place] for place in stage], values, needed))
        means_now = [value.mean(CHANNEL_AXES) for value in values[output]]
        change = means[name] - np.mean(means_now, axis=0)
        for value in values[output]:
            value += change[None, :, None, None]
        values = {tensor: rows for tensor, rows in values.items() if users[tensor] - done}
        yield name, change


def _missing_nodes(nodes: list[Any], tensor: str, values: Values) -> list[int]:
    """Return the places of the nodes that compute a tensor from the known values, in order."""
    producers = {name: place for place, node in enumerate(nodes) for name in node.output}
    stage, names = set[int](), [tensor]
    while names:
        name = names.pop()
        if name in values or name not in producers or producers[name] in stage:
            continue
        stage.add(producers[name])
        names += nodes[producers[name]].input
    return sorted(stage)


def _run_stage(quantized: Any, nodes: list[Any], values: Values, outputs: list[str]) -> Values:
    """Compute some nodes of a graph for every image, from values that are known."""
    import onnx

    used = {name for node in nodes for name in node.input}
    inputs = sorted(used & values.keys())
    kinds = {name: onnx.helper.np_dtype_to_tensor_dtype(values[name][0].dtype) for name in inputs}
    graph = onnx.helper.make_graph(
        nodes,
        "stage",
        [onnx.helper.make_tensor_value_info(x, kinds[x], values[x][0].shape) for x in inputs],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        [tensor for tensor in quantized.graph.initializer if tensor.name in used],
    )
    stage = onnx.helper.make_model(
        graph, opset_imports=quantized.opset_import, ir_version=quantized.ir_version
    )
    session = cpu_session(stage)
    count = len(values[inputs[0]])
    rows = [session.run(outputs, {name: values[name][i] for name in inputs}) for i in range(count)]
    return {name: [row[place] for row in rows] for place, name in enumerate(outputs)}
