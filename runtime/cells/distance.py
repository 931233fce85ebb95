"""Euclidean distance transform of a mask; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def distance_transform(mask: NDArray[np.bool_], limit: int) -> NDArray[np.float32]:
    """Return every pixel's distance to the nearest pixel outside the mask.

    The outside of the image counts as part of the mask: a nucleus that the edge cuts is not taken
    for narrow there. The time grows with the number of pixels of the mask and with the width of
    its parts, which are both small in a field.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
    limit : int
        Distances beyond it are cut to it, > 0. It bounds the time.

    Returns
    -------
    (H, W) ndarray of float32
        In pixels, 0 outside the mask.
    """
    rows, columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    along = _column_distances(mask, rows, columns, limit)
    squared = np.zeros(mask.shape, np.int32)
    squared[rows, columns] = along**2
    nearest = squared[rows, columns]
    offset, open_ = 1, np.arange(len(rows))
    while offset < limit:
        open_ = open_[nearest[open_] > offset * offset]
        if not len(open_):
            break
        for step in (-offset, offset):
            column = columns[open_] + step
            inside = (column >= 0) & (column < mask.shape[1])
            pixel = open_[inside]
            candidate = squared[rows[pixel], column[inside]] + offset * offset
            nearest[pixel] = np.minimum(nearest[pixel], candidate)
        offset += 1
    distance = np.zeros(mask.shape, np.float32)
    distance[rows, columns] = np.sqrt(nearest)
    return distance


def _column_distances(
    mask: NDArray[np.bool_], rows: Integers, columns: Integers, limit: int
) -> Integers:
    """Return each pixel's distance to the nearest one outside the mask in its column."""
    nearest = np.full(len(rows), limit)
    padded = np.pad(mask, ((limit, limit), (0, 0)), constant_values=True)
    open_ = np.arange(len(rows))
    for offset in range(1, limit):
        row, column = rows[open_] + limit, columns[open_]
        closed = ~(padded[row - offset, column] & padded[row + offset, column])
        nearest[open_[closed]] = offset
        open_ = open_[~closed]
        if not len(open_):
            break
    return nearest
