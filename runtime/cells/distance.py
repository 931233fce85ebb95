"""Euclidean distance transform of a mask, by separable passes; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def distance_transform(mask: NDArray[np.bool_], limit: int = 64) -> NDArray[np.float32]:
    """Return every pixel's distance to the nearest pixel outside the mask.

    The outside of the image counts as part of the mask: a nucleus that the edge cuts is not taken
    for narrow there.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
    limit : int
        Greatest distance that is told apart, in pixels. It bounds the time.

    Returns
    -------
    (H, W) ndarray of float32
        In pixels, 0 outside the mask, at most `limit`.
    """
    width = mask.shape[1]
    squared = _column_distance(mask, limit).astype(np.int64) ** 2
    rows, columns = np.nonzero(mask)
    nearest = squared[rows, columns]
    offset = 1
    while offset < min(width, limit):
        open_ = np.flatnonzero(nearest > offset * offset)
        if not len(open_):
            break
        for step in (-offset, offset):
            column = columns[open_] + step
            inside = (column >= 0) & (column < width)
            pixel = open_[inside]
            candidate = squared[rows[pixel], column[inside]] + offset * offset
            nearest[pixel] = np.minimum(nearest[pixel], candidate)
        offset += 1
    distance = np.zeros(mask.shape, np.float32)
    distance[rows, columns] = np.sqrt(nearest)
    return distance


def _column_distance(mask: NDArray[np.bool_], limit: int) -> NDArray[np.int32]:
    """Return the distance to the nearest pixel outside the mask in the same column."""
    height = mask.shape[0]
    row = np.arange(height, dtype=np.int32)[:, None]
    above = np.maximum.accumulate(np.where(mask, -limit, row), axis=0)
    below = np.minimum.accumulate(np.where(mask, height + limit, row)[::-1], axis=0)[::-1]
    return np.minimum(np.minimum(row - above, below - row), limit).astype(np.int32)
