"""Finds the layer of a quantized graph that a statistic of tensorflow's debugger belongs to."""

from __future__ import annotations

from collections.abc import Set

from ...errors import ExportError


def match_layer(name: str, layers: Set[str]) -> str | None:
    """Return the layer that a statistic belongs to, or None if it belongs to no layer.

    The debugger removes a digit from the end of a tensor's name.

    Parameters
    ----------
    name : str
        Name in the debugger's table.
    layers : set of str
        Names of the graph's layers.

    Raises
    ------
    ExportError
        If several layers have this name without their last digit.

    Examples
    --------
    >>> match_layer("block/Relu", {"block/Relu6", "head/MatMul"})
    'block/Relu6'
    """
    if name in layers:
        return name
    matches = sorted(layer for layer in layers if layer[:-1] == name and layer[-1].isdigit())
    if len(matches) > 1:
        raise ExportError(
            f"a quantization statistic of {name!r} may belong to any of these layers: "
            f"{', '.join(matches)}",
            fix="give the layers names that differ in more than their last digit, "
            "or export without --int8",
        )
    return matches[0] if matches else None
