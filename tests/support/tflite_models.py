"""Writer of small TFLite models from rows of operators, for the tests that read graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

Shape = tuple[int, ...]
Row = tuple[str, int, list[Shape], Shape]  # name, version, shapes of inputs, shape of output

SMALL_NETWORK: list[Row] = [
    ("CONV_2D", 5, [(1, 7, 7, 3), (4, 3, 3, 3)], (1, 3, 3, 4)),
    ("DEPTHWISE_CONV_2D", 3, [(1, 3, 3, 4), (1, 2, 2, 4)], (1, 2, 2, 4)),
    ("RESHAPE", 1, [(1, 2, 2, 4)], (1, 16)),
    ("FULLY_CONNECTED", 9, [(1, 16), (2, 16)], (1, 2)),
    ("FULLY_CONNECTED", 4, [(1, 2), (2, 2)], (1, 2)),
]


def tensor(shape: Shape) -> Any:
    """Return a tensor of the graph."""
    row = schema.TensorT()
    row.shape, row.name = list(shape), b"a tensor"
    return row


def write_model(path: Path, rows: list[Row], custom: str | None = None) -> Path:
    """Write a TFLite model with these operators and without weights; return its path."""
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, graph.operators, model.operatorCodes = [], [], []
    for name, version, inputs, output in rows:
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.version, code.customCode = version, custom
        operator.opcodeIndex = len(model.operatorCodes)
        first = len(graph.tensors)
        graph.tensors += map(tensor, [*inputs, output])
        operator.inputs = [*range(first, first + len(inputs)), -1]  # -1: an absent optional input
        operator.outputs = [first + len(inputs)]
        model.operatorCodes.append(code)
        graph.operators.append(operator)
    model.subgraphs, model.version = [graph], 3
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
