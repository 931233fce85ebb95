"""Measures the range of every activation of a float TFLite model, by the kernels of the engine."""

from __future__ import annotations

import struct

import numpy as np

from ...runtime.tflite_graph import load_schema
from ..types import Images

SUBGRAPH_OUTPUTS = 8  # the place of a subgraph's outputs in its table (tensorflow's schema.fbs)
ALIGNMENT = 4  # bytes, of a vector of integers in a flatbuffer

Limits = tuple[float, float]


def activation_ranges(float_graph: bytes, images: Images) -> dict[int, Limits]:
    """Return the lowest and the highest value of each activation, by the number of its tensor.

    Parameters
    ----------
    float_graph : bytes
    images : (N, S, S, 3) ndarray of uint8
    """
    from ai_edge_litert.interpreter import Interpreter

    numbers = _activations(float_graph)
    interpreter = Interpreter(model_content=_with_outputs(float_graph, numbers), num_threads=1)
    interpreter.allocate_tensors()
    input_index = interpreter.get_input_details()[0]["index"]
    limits = dict.fromkeys(numbers, (np.inf, -np.inf))
    for image in images:
        interpreter.set_tensor(input_index, image[None])
        interpreter.invoke()
        for number, (low, high) in limits.items():
            value = interpreter.get_tensor(number)
            limits[number] = min(low, float(value.min())), max(high, float(value.max()))
    return limits


def _activations(content: bytes) -> list[int]:
    """Return the numbers of the float tensors that operations give, in their order."""
    schema = load_schema()
    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    operators = [graph.Operators(place) for place in range(graph.OperatorsLength())]
    outputs = [int(number) for operator in operators for number in operator.OutputsAsNumpy()]
    return [n for n in outputs if graph.Tensors(n).Type() == schema.TensorType.FLOAT32]


def _with_outputs(content: bytes, numbers: list[int]) -> bytes:
    """Return a model that gives these tensors: a new list of outputs is appended to it."""
    graph = load_schema().Model.GetRootAs(content, 0).Subgraphs(0)
    position = graph._tab.Pos + graph._tab.Offset(SUBGRAPH_OUTPUTS)
    changed = bytearray(content + bytes(-len(content) % ALIGNMENT))
    struct.pack_into("<I", changed, position, len(changed) - position)
    return bytes(changed) + np.array([len(numbers), *numbers], dtype="<u4").tobytes()
