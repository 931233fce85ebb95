"""The operators of a TFLite model: names, versions, tensors and FLOPs; no engine runs.

The FlatBuffers schema is the generated one in ai-edge-litert, which requires the package
flatbuffers. So no package is added to an installation with ai-edge-litert: the export extra, and
every pack. tflite-runtime, ONNX Runtime and OpenVINO have no schema. If they are the only engines,
`read_operators` raises `MissingPackageError`. `alledge doctor` then only loads the model, and
tflite-runtime itself reports an operator that it does not support.

The alternatives were the package tflite (the same schema, one more dependency on a device) and
tensorflow's copy (not installed on devices).

References
----------
tensorflow/lite/schema/schema.fbs, version 3.
"""

from __future__ import annotations

import functools
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BundleError, MissingPackageError

IDENTIFIER = b"TFL3"
PARSE_ERRORS = (struct.error, ValueError, IndexError, TypeError, AttributeError, OverflowError)


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph: its name and shape."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """An operator of the graph.

    Parameters
    ----------
    name : str
        As in ``BuiltinOperator`` of the schema, or the custom operator's own name.
    version : int
    inputs, outputs : tuple of Tensor
        Optional inputs that are absent are left out.
    """

    name: str
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def flops(self) -> int:
        """Floating-point operations of one run: two per multiply-add.

        Counts convolutions and dense layers, which do more than 99 % of the work; 0 for others.
        """
        if self.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            return 0
        weights = self.inputs[1].shape
        per_output = weights[1:3] if self.name == "DEPTHWISE_CONV_2D" else weights[1:]
        return 2 * math.prod(self.outputs[0].shape) * math.prod(per_output)


def load_schema() -> Any:
    """Return the generated schema module.

    Raises
    ------
    MissingPackageError
        If ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] not in ("ai_edge_litert", "flatbuffers"):
            raise
        raise MissingPackageError("ai-edge-litert", "tflite", "reading a TFLite graph") from None
    return schema_py_generated


@functools.cache
def operator_codes() -> dict[int, str]:
    """Return the names of the built-in operators by their codes.

    Raises
    ------
    MissingPackageError
        As `load_schema`.
    """
    codes = vars(load_schema().BuiltinOperator)
    return {code: name for name, code in codes.items() if not name.startswith("_")}


def read_operators(path: Path) -> list[Operator]:
    """Return the operators of a model's first subgraph, in the order in which they run.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BundleError
        If the file cannot be read or is not a TFLite model.
    MissingPackageError
        As `load_schema`.

    Examples
    --------
    >>> [operator.name for operator in read_operators(Path("model.tflite"))]  # doctest: +SKIP
    ['CONV_2D', 'MEAN', 'FULLY_CONNECTED', 'SOFTMAX']
    """
    load_schema()
    try:
        return parse_operators(path.read_bytes())
    except (OSError, *PARSE_ERRORS) as error:
        raise BundleError(
            f"{path} is not a TFLite model: {error}", fix="copy the bundle again, whole"
        ) from None


def parse_operators(content: bytes) -> list[Operator]:
    """Return the operators of a model's first subgraph, as `read_operators`.

    Parameters
    ----------
    content : bytes
        The flatbuffer.

    Raises
    ------
    ValueError
        If the content does not have the identifier of a TFLite model. Damaged content raises any
        of `PARSE_ERRORS`.
    """
    if content[4:8] != IDENTIFIER:
        raise ValueError(f"it begins with {content[:8]!r}")
    model = load_schema().Model.GetRootAsModel(content, 0)
    codes = [_name_and_version(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    graph = model.Subgraphs(0)
    tensors = [_tensor(graph.Tensors(number)) for number in range(graph.TensorsLength())]
    operators = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        name, version = codes[operator.OpcodeIndex()]
        inputs = [operator.Inputs(place) for place in range(operator.InputsLength())]
        outputs = [operator.Outputs(place) for place in range(operator.OutputsLength())]
        operators.append(
            Operator(
                name=name,
                version=version,
                inputs=tuple(tensors[index] for index in inputs if index >= 0),
                outputs=tuple(tensors[index] for index in outputs),
            )
        )
    return operators


def _name_and_version(row: Any) -> tuple[str, int]:
    code = max(row.BuiltinCode(), row.DeprecatedBuiltinCode())
    name = operator_codes().get(code, f"OP_{code}")
    if name == "CUSTOM":
        name = row.CustomCode().decode("utf-8", errors="replace")
    return name, row.Version()


def _tensor(row: Any) -> Tensor:
    name = (row.Name() or b"").decode("utf-8", errors="replace")
    return Tensor(name=name, shape=tuple(row.Shape(side) for side in range(row.ShapeLength())))


def operator_versions(path: Path) -> dict[str, int]:
    """Return the highest version of each operator that a model uses, by operator name.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BundleError, MissingPackageError
        As `read_operators`.
    """
    versions: dict[str, int] = {}
    for operator in read_operators(path):
        versions[operator.name] = max(versions.get(operator.name, 1), operator.version)
    return dict(sorted(versions.items()))


def count_flops(path: Path) -> int:
    """Return the floating-point operations of one prediction: two per multiply-add.

    Parameters
    ----------
    path : Path
        A .tflite file with fixed shapes.

    Raises
    ------
    BundleError, MissingPackageError
        As `read_operators`.
    """
    return sum(operator.flops for operator in read_operators(path))
