"""What the float ONNX graph computes for the calibration images; loads onnx and onnxruntime late.

The images pass through the graph once. The ranges of all activations, the means that biases are
corrected to and the features that the last dense layer is refitted to come from this pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.files import replace_file
from ...runtime.machine import has_vnni
from ..types import Images
from .serving_graph import INPUT_NAME

DENSE = ("MatMul", "Gemm")
# The means of channels need fewer images than the ranges of activations (docs/export.md).
BIAS_IMAGES = 8
CHANNEL_AXES = (0, 2, 3)  # the axes of NCHW that the mean of a channel is taken over

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class FloatStatistics:
    """Statistics of a float graph on calibration images.

    Parameters
    ----------
    ranges : dict of str to (2,) ndarray of float32
        The lowest and the highest value of each activation, by the name of its tensor.
    means : dict of str to (C,) ndarray of float32
        The mean of each output channel of a convolution on the first 8 images, by the name of its
        node.
    features : (N, D) ndarray of float32
        The input of the last dense layer for each image.
    """

    ranges: dict[str, Floats32]
    means: dict[str, Floats32]
    features: Floats32


def float_statistics(graph: Path, calibration: Images) -> FloatStatistics:
    """Return the statistics of a float graph; measure and store them if they are not stored.

    Parameters
    ----------
    graph : Path
        ONNX. The statistics are stored beside it, for the other formats.
    calibration : (N, S, S, 3) ndarray of uint8
    """
    file = graph.with_suffix(".npz")
    if not file.is_file():
        statistics = _measure(graph, calibration)
        with replace_file(file) as partial, partial.open("wb") as stream:
            arrays = {f"range {name}": value for name, value in statistics.ranges.items()}
            arrays |= {f"mean {name}": value for name, value in statistics.means.items()}
            np.savez(stream, features=statistics.features, **arrays)  # type: ignore[arg-type]
    with np.load(file) as stored:
        kinds: dict[str, dict[str, Floats32]] = {"range": {}, "mean": {}, "features": {}}
        for name in stored.files:
            kind, _, tensor = name.partition(" ")
            kinds[kind][tensor] = stored[name]
    return FloatStatistics(kinds["range"], kinds["mean"], kinds["features"][""])


def cpu_session(proto: Any) -> Any:
    """Return an ONNX Runtime session that computes on the CPU as the runtime does.

    It has one thread: two networks are converted side by side.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if not has_vnni():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _measure(graph: Path, images: Images) -> FloatStatistics:
    import onnx

    proto = onnx.shape_inference.infer_shapes(onnx.load(graph))
    tensors = {
        value.name: value
        for value in (*proto.graph.value_info, *proto.graph.output)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    nodes = proto.graph.node
    names = [name for node in nodes for name in node.output if name in tensors]
    convolutions = {node.name: node.output[0] for node in nodes if node.op_type == "Conv"}
    dense = [node for node in nodes if node.op_type in DENSE][-1]
    del proto.graph.output[:]
    proto.graph.output.extend(tensors[name] for name in names)
    session = cpu_session(proto)
    ranges, means, features = [], [], []
    for number, image in enumerate(images):
        values = dict(zip(names, session.run(names, {INPUT_NAME: image[None]}), strict=True))
        ranges.append([(value.min(), value.max()) for value in values.values()])
        features.append(values[dense.input[0]].ravel())
        if number < BIAS_IMAGES:
            means.append([values[name].mean(CHANNEL_AXES) for name in convolutions.values()])
    extremes = np.asarray(ranges, np.float32)
    lowest, highest = extremes[..., 0].min(axis=0), extremes[..., 1].max(axis=0)
    channel_means = [np.mean(rows, axis=0) for rows in zip(*means, strict=True)]
    return FloatStatistics(
        dict(zip(names, np.stack([lowest, highest], axis=1), strict=True)),
        dict(zip(convolutions, channel_means, strict=True)),
        np.asarray(features, np.float32),
    )
