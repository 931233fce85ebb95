"""Joins the parts of one nucleus: pieces of a compact nucleus, and lobes of a granulocyte's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .basins import Basins

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

# Lengths are in erythrocyte diameters.
LOBE = 0.40  # inscribed radius below which a part may be a lobe
LOBE_REACH = 1.20  # distance of the centres of two lobes of one nucleus
LOBED_RADIUS = 0.95  # radius of the circle with the area of a lobed nucleus
NECK = 0.75  # saddle between two parts of one nucleus, relative to the smaller part
COMPACT = 1.30  # radius by area over inscribed radius of a compact nucleus


def join_parts(basins: Basins, inscribed: Floats, unit: float) -> Integers:
    """Return the number of the nucleus of each basin.

    Parameters
    ----------
    basins : Basins
    inscribed : (B,) ndarray of float
        Radius of the circle inscribed in each basin, in pixels.
    unit : float
        Diameter of an erythrocyte in pixels.

    Returns
    -------
    (B,) ndarray of int
        A basin of the same nucleus.
    """
    count = len(inscribed)
    parent = list(range(count))
    area = np.bincount(basins.basin, minlength=count).tolist()
    radius = (inscribed / unit).tolist()

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    smaller = np.minimum(inscribed[basins.first], inscribed[basins.second])
    neck = basins.saddle / np.maximum(smaller, 1e-6)
    for k in np.argsort(-neck, kind="stable").tolist():
        if neck[k] < NECK:
            break
        i, j = root(int(basins.first[k])), root(int(basins.second[k]))
        if i == j:
            continue
        whole = ((area[i] + area[j]) / np.pi) ** 0.5 / unit
        if whole <= COMPACT * max(radius[i], radius[j]) or min(radius[i], radius[j]) < 0.7 * LOBE:
            parent[j] = i
            area[i] += area[j]
            radius[i] = max(radius[i], radius[j])
    _join_lobes(basins, root, parent, area, radius, unit)
    return np.array([root(i) for i in range(count)])


def _join_lobes(basins, root, parent, area, radius, unit):
    count = len(parent)
    x, y = basins.peak_column / unit, basins.peak_row / unit
    first, second = near_pairs(x, y, LOBE_REACH)
    gap = np.hypot(x[first] - x[second], y[first] - y[second])
    for k in np.argsort(gap, kind="stable").tolist():
        i, j = root(int(first[k])), root(int(second[k]))
        if i == j:
            continue
        whole = ((area[i] + area[j]) / np.pi) ** 0.5 / unit
        small, large = sorted((radius[i], radius[j]))
        if small < LOBE and large < 1.25 * LOBE and whole <= LOBED_RADIUS:
            parent[j] = i
            area[i] += area[j]
            radius[i] = large


def near_pairs(x: NDArray[np.float64], y: NDArray[np.float64], reach: float) -> tuple[Integers, Integers]:
    """Return the pairs of points that are at most `reach` apart, each once."""
    order = np.argsort(x, kind="stable")
    last = np.searchsorted(x[order], x[order] + reach, "right")
    count = last - np.arange(len(x)) - 1
    first = np.repeat(np.arange(len(x)), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    first, second = order[first], order[first + 1 + offset]
    near = np.hypot(x[first] - x[second], y[first] - y[second]) <= reach
    return first[near], second[near]
