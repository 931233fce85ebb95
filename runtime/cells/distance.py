"""Euclidean distance transform of a mask; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

FAR = 2**30


def distance_transform(mask: Mask, limit: int) -> NDArray[np.float32]:
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
    along = np.minimum(_column_distances(mask), limit)
    # columns outside the image are part of the mask, so as far from its outside as can be
    squared = np.full((mask.shape[0], mask.shape[1] + 2 * limit), limit * limit, np.int32)
    inner = squared[:, limit : limit + mask.shape[1]]
    inner[...] = 0
    inner[rows, columns] = along * along
    in_column, place = squared.ravel(), rows * squared.shape[1] + columns + limit
    nearest = in_column[place]
    open_ = np.arange(len(place))
    for offset in range(1, limit):
        open_ = open_[nearest[open_] > offset * offset]
        if not len(open_):
            break
        here = place[open_]
        beside = np.minimum(in_column[here - offset], in_column[here + offset])
        nearest[open_] = np.minimum(nearest[open_], beside + offset * offset)
    distance = np.zeros(mask.shape, np.float32)
    distance[rows, columns] = np.sqrt(nearest)
    return distance


def _column_distances(mask: Mask) -> NDArray[np.int32]:
    """Return the distance of each of the mask's pixels to the nearest one outside in its column.

    It is `FAR` in a column that has none.
    """
    height = mask.shape[0]
    place = np.flatnonzero(mask.T)  # a run of pixels in a column has places one after the other
    first = np.flatnonzero((np.diff(place, prepend=-2) > 1) | (place % height == 0))
    length = np.diff(first, append=len(place))
    begin, end = place[first], place[first] + length
    before = np.where(begin % height == 0, -FAR, begin - 1)
    after = np.where(end % height == 0, FAR, end)
    nearest = np.minimum(place - np.repeat(before, length), np.repeat(after, length) - place)
    by_column = np.zeros(mask.size, np.int32)
    by_column[place] = np.minimum(nearest, FAR)
    return np.asarray(by_column.reshape(mask.T.shape).T[mask])
