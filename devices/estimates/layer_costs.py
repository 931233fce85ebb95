"""Operations and memory traffic of each layer of a model, counted on its TFLite graph.

Counts the layers that have weights, pooling, additions, multiplications and concatenations.
Engines fuse every other operator into one of these.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ...errors import BundleError
from ...runtime.bundle.bundle import Bundle
from ...runtime.tflite_graph import Operator, read_operators
from ..types import CountedLayer

KINDS = {"CONV_2D": "dense", "FULLY_CONNECTED": "dense", "DEPTHWISE_CONV_2D": "depthwise"}
WITHOUT_WEIGHTS = {"ADD", "AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION", "MEAN", "MUL"}
MOVING = "moving"


@dataclass(frozen=True)
class Layer:
    """The cost of one layer.

    Parameters
    ----------
    kind : {"dense", "depthwise", "moving"}
        ``"moving"`` has no weights: it moves memory and computes little.
    ops : int
        Multiplications and additions.
    weights : int
        Elements that are read from the model.
    activations : int
        Elements that are read and written.
    """

    kind: str
    ops: int
    weights: int
    activations: int


def read_layers(bundle: Bundle) -> list[Layer]:
    """Return the layers of a bundle's TFLite model.

    Raises
    ------
    BundleError
        If the bundle has no TFLite model, or the model cannot be read.
    MissingPackageError
        If ai-edge-litert is not installed.
    """
    if "tflite" not in bundle.formats:
        raise BundleError(
            f"{bundle.path} has no TFLite model, on which layers are counted",
            allowed="tflite",
            fix="export with --format tflite,onnx,openvino",
        )
    return layers_of_graph(bundle.path / bundle.formats["tflite"].file)


def layers_of_graph(path: Path) -> list[Layer]:
    """Return the layers of a .tflite file, in the order in which they run.

    Raises
    ------
    BundleError, MissingPackageError
        As `read_operators`.
    """
    costs = (_layer(operator) for operator in read_operators(path))
    return [layer for layer in costs if layer is not None]


def _layer(operator: Operator) -> Layer | None:
    """Return the cost of an operator, None where it is fused into another."""
    sizes = [math.prod(tensor.shape) for tensor in operator.inputs]
    outputs = math.prod(operator.outputs[0].shape)
    if operator.name in KINDS:
        return Layer(
            kind=KINDS[operator.name],
            ops=operator.flops,
            weights=sizes[1],
            activations=sizes[0] + outputs,
        )
    if operator.name in WITHOUT_WEIGHTS and outputs > 1:
        return Layer(kind=MOVING, ops=outputs, weights=0, activations=outputs + sum(sizes))
    return None


def count_equal_layers(layers: list[Layer]) -> list[CountedLayer]:
    """Return each distinct layer once, with the number of layers that are equal to it.

    Returns
    -------
    list of CountedLayer
        Kind, operations, weights, activations, number of equal layers.

    Examples
    --------
    >>> layer = Layer("dense", ops=10, weights=5, activations=6)
    >>> count_equal_layers([layer, layer])
    [('dense', 10, 5, 6, 2)]
    """
    return [
        (layer.kind, layer.ops, layer.weights, layer.activations, number)
        for layer, number in Counter(layers).items()
    ]
