"""Connected components of a mask, from the runs of its rows; numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Runs:
    """The runs of pixels in the rows of a mask, and the 8-connected component of each.

    Parameters
    ----------
    shape : (int, int)
        Of the mask.
    rows, starts, ends : (R,) ndarray of int
        The run covers columns `starts` up to below `ends` of its row.
    component : (R,) ndarray of int
        0 to `count` - 1, numbered from top to bottom by the first pixel.
    count : int
    """

    shape: tuple[int, int]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    component: NDArray[np.int64]
    count: int

    def sizes(self) -> NDArray[np.int64]:
        """Return the number of pixels of each component, (count,)."""
        pixels = np.bincount(self.component, self.ends - self.starts, minlength=self.count)
        return pixels.astype(np.int64)

    def labels(self, numbers: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return an image with the number of its component at every pixel, 0 elsewhere, (H, W)."""
        height, width = self.shape
        changes = np.zeros((height, width + 1), np.int32)  # a run may end behind the last pixel
        of_run = numbers[self.component].astype(np.int32)
        changes[self.rows, self.starts] = of_run
        changes[self.rows, self.ends] -= of_run
        return np.cumsum(changes[:, :-1], axis=1, dtype=np.int32)


def connected_runs(mask: NDArray[np.bool_]) -> Runs:
    """Return the runs and the 8-connected components of a mask, (H, W)."""
    height, width = mask.shape
    padded = np.zeros((height, width + 2), bool)  # a run ends before the next row begins
    padded[:, 1:-1] = mask
    flat = padded.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = changes[::2], changes[1::2]
    roots = _roots(len(starts), *_touching_runs(starts, ends, width + 2))
    numbers, component = np.unique(roots, return_inverse=True)
    rows, first = np.divmod(starts, width + 2)
    return Runs(
        (height, width), rows, first - 1, first - 1 + ends - starts, component, len(numbers)
    )


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
    runs = connected_runs(mask)
    return runs.labels(np.arange(1, runs.count + 1)), runs.count


def fill_holes(mask: NDArray[np.bool_], area: float) -> NDArray[np.bool_]:
    """Return a mask with its holes filled: the 8-connected components of the rest below an area.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
    area : float
        In pixels.
    """
    runs = connected_runs(~mask)
    small = runs.sizes() < area
    return mask | (runs.labels(small.astype(np.int64)) > 0)


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
