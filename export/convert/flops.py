"""What a model computes: the operations of its ONNX graph; loads onnx when called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def flops(path: Path) -> int:
    """Return the floating-point operations of one prediction.

    Parameters
    ----------
    path : Path
        A float32 ONNX graph with fixed shapes.

    Returns
    -------
    int
        Two a multiplication with its addition, in convolutions and dense layers, which is where
        all but a hundredth of the work is.
    """
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    graph = model.graph
    shapes: dict[str, tuple[int, ...]] = {
        value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.output, *graph.input)
    }
    shapes.update({tensor.name: tuple(tensor.dims) for tensor in graph.initializer})
    return sum(_node(node, shapes) for node in graph.node)


def _node(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type == "Conv":  # every output is a sum over one kernel
        kernel = int(np.prod(shapes[node.input[1]][1:]))
        return 2 * kernel * int(np.prod(shapes[node.output[0]]))
    if node.op_type in ("MatMul", "Gemm"):
        return 2 * int(np.prod(shapes[node.input[1]]))
    return 0
