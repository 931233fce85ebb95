"""What stands in a .tflite file: operators, their versions and shapes; no engine is needed.

References
----------
The FlatBuffers binary format (flatbuffers.dev, "FlatBuffer Internals") and TensorFlow Lite's
``schema.fbs``, version 3, from which the field numbers below are taken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import BundleError

IDENTIFIER = b"TFL3"
MODEL_OPCODES, MODEL_SUBGRAPHS = 1, 2
OPCODE_OLD_CODE, OPCODE_CUSTOM, OPCODE_VERSION, OPCODE_CODE = 0, 1, 2, 3
GRAPH_TENSORS, GRAPH_OPERATORS = 0, 3
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER = 0, 1, 2
OPERATOR_OPCODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS = 0, 1, 2
CUSTOM = 32
ELEMENT_BYTES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1, 16: 2}

# BuiltinOperator of schema.fbs, as far as image networks use it.
NAMES = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    21: "RELU6",
    22: "RESHAPE",
    25: "SOFTMAX",
    34: "PAD",
    36: "GATHER",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    45: "STRIDED_SLICE",
    53: "CAST",
    60: "PADV2",
    77: "SHAPE",
    83: "PACK",
    105: "REVERSE_V2",
    114: "QUANTIZE",
}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph: its shape, the bytes of an element."""

    shape: tuple[int, ...]
    element_bytes: int


@dataclass(frozen=True)
class Operator:
    """An operator of the graph.

    Parameters
    ----------
    name : str
        As `NAMES`, or the custom operator's own.
    version : int
    inputs, outputs : tuple of Tensor
        An optional input that is not given is left out.
    """

    name: str
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class _Buffer:
    """The few reads of a FlatBuffer that are needed here."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def number(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError(f"offset {at}")
        return int(struct.unpack_from("<" + form, self.content, at)[0])

    def field(self, table: int, index: int) -> int:
        """Return where a field stands, 0 where the table leaves it out."""
        vtable = table - self.number("i", table)
        if 4 + 2 * index >= self.number("H", vtable):
            return 0
        offset = self.number("H", vtable + 4 + 2 * index)
        return table + offset if offset else 0

    def scalar(self, table: int, index: int, form: str, default: int) -> int:
        at = self.field(table, index)
        return self.number(form, at) if at else default

    def vector(self, table: int, index: int) -> tuple[int, int]:
        """Return where a vector's elements begin, and how many there are."""
        at = self.field(table, index)
        if not at:
            return 0, 0
        start = at + self.number("I", at)
        count = self.number("I", start)
        if count > len(self.content):
            raise ValueError(f"a vector of {count}")
        return start + 4, count

    def tables(self, table: int, index: int) -> Iterator[int]:
        start, count = self.vector(table, index)
        for at in range(start, start + 4 * count, 4):
            yield at + self.number("I", at)

    def integers(self, table: int, index: int) -> tuple[int, ...]:
        start, count = self.vector(table, index)
        return struct.unpack_from(f"<{count}i", self.content, start) if count else ()

    def text(self, table: int, index: int) -> str:
        start, count = self.vector(table, index)
        return self.content[start : start + count].decode("utf-8", errors="replace")


def read_operators(path: Path) -> list[Operator]:
    """Return the operators of a model's first subgraph, in the order they run.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BundleError
        If it is no .tflite file, or a damaged one.
    """
    try:
        content = path.read_bytes()
        if content[4:8] != IDENTIFIER:
            raise ValueError(f"it begins with {content[:8]!r}")
        return _operators(_Buffer(content))
    except (OSError, struct.error, ValueError, IndexError, StopIteration) as error:
        raise BundleError(
            f"{path} is not a TFLite model: {error}", fix="copy the bundle again, whole"
        ) from None


def _operators(buffer: _Buffer) -> list[Operator]:
    model = buffer.number("I", 0)
    codes = [_opcode(buffer, table) for table in buffer.tables(model, MODEL_OPCODES)]
    graph = next(buffer.tables(model, MODEL_SUBGRAPHS))
    tensors = [
        Tensor(
            buffer.integers(table, TENSOR_SHAPE),
            ELEMENT_BYTES.get(buffer.scalar(table, TENSOR_TYPE, "b", 0), 4),
        )
        for table in buffer.tables(graph, GRAPH_TENSORS)
    ]
    operators = []
    for table in buffer.tables(graph, GRAPH_OPERATORS):
        name, version = codes[buffer.scalar(table, OPERATOR_OPCODE, "I", 0)]
        inputs = buffer.integers(table, OPERATOR_INPUTS)
        outputs = buffer.integers(table, OPERATOR_OUTPUTS)
        operators.append(
            Operator(
                name,
                version,
                tuple(tensors[number] for number in inputs if number >= 0),
                tuple(tensors[number] for number in outputs),
            )
        )
    return operators


def _opcode(buffer: _Buffer, table: int) -> tuple[str, int]:
    code = max(
        buffer.scalar(table, OPCODE_CODE, "i", 0), buffer.scalar(table, OPCODE_OLD_CODE, "b", 0)
    )
    name = buffer.text(table, OPCODE_CUSTOM) if code == CUSTOM else NAMES.get(code, f"OP_{code}")
    return name, buffer.scalar(table, OPCODE_VERSION, "i", 1)


def opcode_versions(path: Path) -> dict[str, int]:
    """Return the newest version of each operator that a model uses.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BundleError
        As `read_operators`.
    """
    versions: dict[str, int] = {}
    for operator in read_operators(path):
        versions[operator.name] = max(versions.get(operator.name, 1), operator.version)
    return dict(sorted(versions.items()))
