"""Corrects the biases of a float graph for what quantization will add; loads nncf when called.

Rounded weights and activations shift the mean of every output channel, and the shifts add up from
layer to layer. NNCF measures them layer by layer on the calibration images and moves the bias of
each convolution against them. The corrected biases hold for every toolkit that quantizes weights
per channel and activations per tensor, so they are computed once for a network.

References
----------
M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-free quantization through weight
equalization and bias correction", ICCV 2019, section 4.2.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.tflite_graph import load_schema
from ..types import Images
from .serving_graph import INPUT_NAME

BIASES = "biases.npz"
# The means of channels need fewer images than the ranges of activations.
IMAGES = 24
DENSE = ("MatMul", "Gemm")

Floats32 = NDArray[np.float32]
Biases = dict[bytes, Floats32]  # from the bytes of a bias to the corrected one


def correct_biases(float_graph: Path, calibration: Images) -> dict[str, Floats32]:
    """Return the biases of the convolutions of a graph, before and after the correction.

    Parameters
    ----------
    float_graph : Path
        ONNX.
    calibration : (N, S, S, 3) ndarray of uint8
        The first 24 are used.

    Returns
    -------
    dict of str to (C,) ndarray of float32
        ``before 0``, ``after 0``, ``before 1`` and so on. Biases with the same numbers are left
        out: they could not be told apart in another format.
    """
    import nncf
    import onnx
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    images = calibration[:IMAGES]
    proto = onnx.shape_inference.infer_shapes(onnx.load(float_graph))
    nodes = proto.graph.node
    last = max(index for index, node in enumerate(nodes) if node.op_type in DENSE)
    quantized = nncf.quantize(
        proto,
        nncf.Dataset([{INPUT_NAME: image[None]} for image in images]),
        subset_size=len(images),
        fast_bias_correction=False,
        ignored_scope=nncf.IgnoredScope(names=[node.name for node in nodes[last:]]),
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=OverflowFix.DISABLE),
    )
    before, after = _convolution_biases(proto), _convolution_biases(quantized)
    copies = Counter(bias.tobytes() for bias in before.values())
    pairs = [
        (bias, after[name])
        for name, bias in before.items()
        if name in after and after[name].shape == bias.shape and copies[bias.tobytes()] == 1
    ]
    return {
        f"{kind} {number}": np.asarray(value, np.float32)
        for number, pair in enumerate(pairs)
        for kind, value in zip(("before", "after"), pair, strict=True)
    }


def read_biases(file: Path) -> Biases:
    """Return corrected biases from a file, by the bytes of the original ones."""
    with np.load(file) as arrays:
        return {
            arrays[f"before {number}"].tobytes(): arrays[f"after {number}"]
            for number in range(len(arrays.files) // 2)
        }


def correct_onnx(proto: Any, biases: Biases) -> int:
    """Replace the biases of a float graph by the corrected ones, and return how many."""
    import onnx

    used = {name for name, _ in _bias_names(proto)}
    count = 0
    for tensor in proto.graph.initializer:
        if tensor.name in used and (key := onnx.numpy_helper.to_array(tensor).tobytes()) in biases:
            tensor.CopyFrom(onnx.numpy_helper.from_array(biases[key], tensor.name))
            count += 1
    return count


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


def _bias_names(proto: Any) -> list[tuple[str, str]]:
    """Return the name of the bias and of the node of every convolution that has one."""
    return [
        (node.input[2], node.name)
        for node in proto.graph.node
        if node.op_type == "Conv" and len(node.input) > 2
    ]


def _convolution_biases(proto: Any) -> dict[str, Floats32]:
    """Return the bias of every convolution that has one, by the name of its node."""
    import onnx

    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    return {
        node: onnx.numpy_helper.to_array(constants[bias])
        for bias, node in _bias_names(proto)
        if bias in constants
    }
