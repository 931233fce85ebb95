"""Connected components of a mask, from the runs of its rows; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def label_components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Return the 8-connected components of a mask.

    Parameters
    ----------
    mask : (H, W) ndarray of bool

    Returns
    -------
    labels : (H, W) ndarray of int32
        0 outside the mask, else 1 to `count`, numbered from top to bottom by the first pixel.
    count : int
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.int8)  # a run ends before the next row begins
    padded[:, 1:-1] = mask
    steps = np.diff(padded.ravel(), prepend=np.int8(0))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    roots = _roots(len(starts), *_touching_runs(starts, ends, width + 2))
    numbers, of_run = np.unique(roots, return_inverse=True)
    changes = np.zeros(padded.size + 1, np.int32)
    changes[starts] = of_run + 1
    changes[ends] -= (of_run + 1).astype(np.int32)
    labels = np.cumsum(changes[:-1], dtype=np.int32).reshape(padded.shape)
    return np.ascontiguousarray(labels[:, 1:-1]), len(numbers)


def _touching_runs(
    starts: NDArray[np.int64], ends: NDArray[np.int64], row: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of runs of neighbouring rows that touch, diagonals included.

    `starts` and `ends` are flat positions in rows of `row` pixels, of which one on each side is
    empty. The diagonal is met by widening a run by one pixel.
    """
    first = np.searchsorted(ends, starts + row - 1, "right")
    last = np.searchsorted(starts, ends + row + 1, "left")
    count = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return upper, np.repeat(first, count) + offset


def _roots(count: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the smallest member of each one's set, where pairs are in the same set."""
    parent = np.arange(count)
    while True:
        one, other = parent[first], parent[second]
        differ = one != other
        if not differ.any():
            return parent
        one, other = one[differ], other[differ]
        np.minimum.at(parent, np.maximum(one, other), np.minimum(one, other))
        while True:  # each points to its root again
            jumped = parent[parent]
            if np.array_equal(jumped, parent):
                break
            parent = jumped
