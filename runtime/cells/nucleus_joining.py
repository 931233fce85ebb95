"""Joins the parts of one nucleus: pieces of a compact nucleus, and lobes of a granulocyte's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .basins import Basins

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

# Lengths are in erythrocyte diameters.
LOBE, LARGEST_LOBE = 0.46, 0.56  # inscribed radii of a lobe and of the largest beside it
LOBE_REACH = 1.20  # distance of the centres of two lobes of one nucleus
LOBED_RADIUS = 0.95  # radius of the circle with the area of a lobed nucleus
NECK = 0.75  # least saddle between two parts of one nucleus, relative to the smaller part
# Largest radius by area over inscribed radius of a compact nucleus, where its parts meet at the
# narrowest neck and where they meet without a neck.
COMPACT = (1.2, 1.6)
SLIVER = 0.28  # inscribed radius of a part that is too small for a nucleus


class _Parts:
    """The parts of nuclei, joined step by step: a union-find with areas and inscribed radii."""

    def __init__(self, basins: Basins, inscribed: Floats, unit: float) -> None:
        self.parent = list(range(len(inscribed)))
        pixels = np.bincount(basins.basin, minlength=len(inscribed))
        self.area = (pixels / unit**2).tolist()
        self.inscribed = (inscribed / unit).tolist()

    def root(self, i: int) -> int:
        """Return the part that stands for all that are joined to a part."""
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def radius_of_both(self, i: int, j: int) -> float:
        """Return the radius of the circle with the area of two parts."""
        return float(((self.area[i] + self.area[j]) / np.pi) ** 0.5)

    def join(self, i: int, j: int) -> None:
        """Join two parts that stand for themselves."""
        self.parent[j] = i
        self.area[i] += self.area[j]
        self.inscribed[i] = max(self.inscribed[i], self.inscribed[j])


def join_parts(basins: Basins, inscribed: Floats, unit: float) -> Integers:
    """Return the nucleus of each basin.

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
        One of the basins of the same nucleus.
    """
    parts = _Parts(basins, inscribed, unit)
    _join_compact(parts, basins, inscribed)
    _join_lobes(parts, basins, unit)
    return np.array([parts.root(i) for i in range(len(inscribed))])


def _join_compact(parts: _Parts, basins: Basins, inscribed: Floats) -> None:
    """Join parts that meet without a neck, where they are compact together."""
    smaller = np.minimum(inscribed[basins.first], inscribed[basins.second])
    neck = basins.saddle / np.maximum(smaller, 1e-6)
    for k in np.argsort(-neck, kind="stable").tolist():
        if neck[k] < NECK:
            break
        i, j = parts.root(int(basins.first[k])), parts.root(int(basins.second[k]))
        if i == j:
            continue
        small, large = sorted((parts.inscribed[i], parts.inscribed[j]))
        compact = np.interp(neck[k], (NECK, 1), COMPACT)
        if small < SLIVER or parts.radius_of_both(i, j) <= compact * large:
            parts.join(i, j)


def _join_lobes(parts: _Parts, basins: Basins, unit: float) -> None:
    """Join small parts that are near each other, the nearest first."""
    x, y = basins.peak_column / unit, basins.peak_row / unit
    first, second = near_pairs(x, y, LOBE_REACH)
    gap = np.hypot(x[first] - x[second], y[first] - y[second])
    for k in np.argsort(gap, kind="stable").tolist():
        i, j = parts.root(int(first[k])), parts.root(int(second[k]))
        if i == j:
            continue
        small, large = sorted((parts.inscribed[i], parts.inscribed[j]))
        is_lobed = small < LOBE and large < LARGEST_LOBE
        if is_lobed and parts.radius_of_both(i, j) <= LOBED_RADIUS:
            parts.join(i, j)


def near_pairs(
    x: NDArray[np.float64], y: NDArray[np.float64], reach: float
) -> tuple[Integers, Integers]:
    """Return the pairs of points that are at most `reach` apart, each once."""
    order = np.argsort(x, kind="stable")
    last = np.searchsorted(x[order], x[order] + reach, "right")
    count = last - np.arange(len(x)) - 1
    first = np.repeat(np.arange(len(x)), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    first, second = order[first], order[first + 1 + offset]
    near = np.hypot(x[first] - x[second], y[first] - y[second]) <= reach
    return first[near], second[near]
