"""Parts a mask into basins: the pixels that lead uphill to the same maximum; numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

STEPS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


@dataclass(frozen=True)
class Basins:
    """The basins of a mask.

    Parameters
    ----------
    rows, columns, basin : (P,) ndarray of int
        Position and basin, 0 to B - 1, of every pixel of the mask.
    peak_row, peak_column : (B,) ndarray of int
        Position of the highest pixel of each basin.
    first, second : (S,) ndarray of int
        Basins that touch.
    saddle : (S,) ndarray of float
        Height of the highest pass between them.
    """

    rows: Integers
    columns: Integers
    basin: Integers
    peak_row: Integers
    peak_column: Integers
    first: Integers
    second: Integers
    saddle: Floats


def find_basins(height: Floats, mask: NDArray[np.bool_]) -> Basins:
    """Return the basins of a mask on a surface.

    Parameters
    ----------
    height : (H, W) ndarray of float32
        The surface, without large plateaus.
    mask : (H, W) ndarray of bool
    """
    rows, columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    number = np.full((mask.shape[0] + 2, mask.shape[1] + 2), -1)
    number[rows + 1, columns + 1] = np.arange(len(rows))
    value = height[rows, columns]
    uphill, steepest = np.arange(len(rows)), value.copy()
    neighbours = []
    for dy, dx in STEPS:
        other = number[rows + 1 + dy, columns + 1 + dx]
        here = np.flatnonzero(other >= 0)
        there = other[here]
        neighbours.append((here, there))
        # of equal neighbours the later one, so that a plateau has one top and no circle
        better = (value[there] > steepest[here]) | (
            (value[there] == steepest[here]) & (there > uphill[here])
        )
        uphill[here[better]], steepest[here[better]] = there[better], value[there[better]]
    while True:
        jumped = uphill[uphill]
        if np.array_equal(jumped, uphill):
            break
        uphill = jumped
    tops, basin = np.unique(uphill, return_inverse=True)
    first, second, saddle = _saddles(basin, value, neighbours, len(tops))
    return Basins(rows, columns, basin, rows[tops], columns[tops], first, second, saddle)


def _saddles(
    basin: Integers, value: Floats, neighbours: list[tuple[Integers, Integers]], count: int
) -> tuple[Integers, Integers, Floats]:
    """Return the pairs of basins that touch, and the highest pass between them."""
    keys, heights = [], []
    for here, there in neighbours[: len(neighbours) // 2]:  # each pair of pixels once
        border = basin[here] != basin[there]
        one, other = basin[here[border]], basin[there[border]]
        keys.append(np.minimum(one, other) * count + np.maximum(one, other))
        heights.append(np.minimum(value[here[border]], value[there[border]]))
    pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
    saddle = np.zeros(len(pairs), np.float32)
    np.maximum.at(saddle, place, np.concatenate(heights))
    return pairs // count, pairs % count, saddle
