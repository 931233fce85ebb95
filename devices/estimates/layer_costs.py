"""What a model's layers compute and move, read from the exported graph; no engine is needed.

An operation is a multiplication or an addition; only layers with weights, pooling, additions and
concatenations are counted: the rest is fused into them by every engine.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BundleError
from ...runtime.bundle.bundle import Bundle
from ..tflite_file import Operator, read_operators

DENSE, DEPTHWISE, MOVING = "dense", "depthwise", "moving"
TFLITE_MOVING = {"ADD", "AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION", "MEAN", "MUL"}
IR_MOVING = {"Add", "AvgPool", "MaxPool", "Concat", "ReduceMean"}


@dataclass(frozen=True)
class Layer:
    """A layer of a graph.

    Parameters
    ----------
    kind : {"dense", "depthwise", "moving"}
    ops : int
        Multiplications and additions.
    weights : int
        Elements read from the model.
    activations : int
        Elements read and written.
    """

    kind: str
    ops: int
    weights: int
    activations: int


def read_layers(bundle: Bundle) -> list[Layer]:
    """Return the layers of a bundle's model, from its OpenVINO graph or else its TFLite one.

    Parameters
    ----------
    bundle : Bundle

    Raises
    ------
    BundleError
        If it has neither, or the graph cannot be read.
    """
    if "openvino" in bundle.formats:
        return ir_layers(bundle.path / bundle.formats["openvino"].file)
    if "tflite" in bundle.formats:
        return tflite_layers(bundle.path / bundle.formats["tflite"].file)
    raise BundleError(
        f"{bundle.path} has no graph that is read for estimates",
        allowed="openvino or tflite",
        fix="export with --format tflite,onnx,openvino",
    )


def tflite_layers(path: Path) -> list[Layer]:
    """Return the layers of a .tflite file.

    Parameters
    ----------
    path : Path
    """
    return [layer for operator in read_operators(path) for layer in _tflite_layer(operator)]


def _tflite_layer(operator: Operator) -> list[Layer]:
    shapes = [tensor.shape for tensor in operator.inputs]
    out = math.prod(operator.outputs[0].shape)
    if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        weights = math.prod(shapes[1])
        moved = math.prod(shapes[0]) + out
        if operator.name == "FULLY_CONNECTED":
            return [Layer(DENSE, 2 * weights, weights, moved)]
        if operator.name == "DEPTHWISE_CONV_2D":
            return [Layer(DEPTHWISE, 2 * out * math.prod(shapes[1][1:3]), weights, moved)]
        return [Layer(DENSE, 2 * out * math.prod(shapes[1][1:]), weights, moved)]
    if operator.name in TFLITE_MOVING and out > 1:
        moved = out + sum(math.prod(shape) for shape in shapes)
        return [Layer(MOVING, out, 0, moved)]
    return []


def ir_layers(path: Path) -> list[Layer]:
    """Return the layers of an OpenVINO graph (``.xml``).

    Parameters
    ----------
    path : Path

    Raises
    ------
    BundleError
        If it cannot be read.
    """
    try:
        root = ElementTree.parse(path).getroot()
        constant = _constants(root)
        return [
            layer
            for node in root.iterfind("layers/layer")
            for layer in _ir_layer(node, constant.get(node.get("id", ""), set()))
        ]
    except (OSError, ElementTree.ParseError, ValueError, IndexError, StopIteration) as error:
        raise BundleError(
            f"{path} is not an OpenVINO graph: {error}", fix="copy the bundle again, whole"
        ) from None


def _constants(root: ElementTree.Element) -> dict[str, set[int]]:
    """Return, for each layer, which of its inputs come from constants alone."""
    fixed = {
        node.get("id") for node in root.iterfind("layers/layer") if node.get("type") == "Const"
    }
    edges = [
        (edge.get("from-layer"), edge.get("to-layer", ""), edge.get("to-port", ""))
        for edge in root.iterfind("edges/edge")
    ]
    sources: dict[str, set[str | None]] = {}
    for source, target, _ in edges:
        sources.setdefault(target, set()).add(source)
    for node in root.iterfind("layers/layer"):  # they stand in the order they are computed
        name = node.get("id", "")
        if name in sources and sources[name] <= fixed:
            fixed.add(name)
    ports: dict[str, list[tuple[int, bool]]] = {}
    for source, target, port in edges:
        ports.setdefault(target, []).append((int(port), source in fixed))
    return {
        target: {place for place, (_, is_fixed) in enumerate(sorted(rows)) if is_fixed}
        for target, rows in ports.items()
    }


def _ir_layer(node: ElementTree.Element, constant: set[int]) -> list[Layer]:
    kind = node.get("type")
    if kind not in {"Convolution", "GroupConvolution", "MatMul", *IR_MOVING}:
        return []
    inputs = [_dims(port) for port in node.iterfind("input/port")]
    if len(constant) == len(inputs):
        return []  # folded before anything runs
    out = math.prod(_dims(next(node.iterfind("output/port"))))
    if kind in IR_MOVING:
        if kind == "Add" and constant:
            return []  # a bias
        live = [math.prod(dims) for place, dims in enumerate(inputs) if place not in constant]
        return [Layer(MOVING, out, 0, out + sum(live))]
    weights = math.prod(inputs[1])
    moved = math.prod(inputs[0]) + out
    if kind == "MatMul":
        return [Layer(DENSE, 2 * weights, weights, moved)]
    if kind == "GroupConvolution":
        return [Layer(DEPTHWISE, 2 * out * math.prod(inputs[1][2:]), weights, moved)]
    return [Layer(DENSE, 2 * out * math.prod(inputs[1][1:]), weights, moved)]


def _dims(port: ElementTree.Element) -> tuple[int, ...]:
    return tuple(int(dim.text or "") for dim in port.iterfind("dim"))


def summed(layers: list[Layer]) -> list[list[Any]]:
    """Return equal layers once, with how many there are: ``[kind, ops, weights, activations, n]``.

    Parameters
    ----------
    layers : list of Layer
    """
    counts: dict[Layer, int] = {}
    for layer in layers:
        counts[layer] = counts.get(layer, 0) + 1
    return [[one.kind, one.ops, one.weights, one.activations, n] for one, n in counts.items()]
