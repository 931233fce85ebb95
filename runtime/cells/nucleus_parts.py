"""Parts touching nuclei and joins the lobes of one nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LOBE_RADIUS = 0.40  # inscribed radius below which a part may be a lobe
LOBE_REACH = 1.25  # distance of two lobes of one nucleus
NECK = 0.80  # inscribed radius between two parts of one nucleus, relative to the smaller part


@dataclass(frozen=True)
class Seeds:
    """Centres of inscribed circles, in pixels: candidates for nuclei."""

    x: Floats
    y: Floats
    radius: Floats


def find_seeds(distance: Floats, least: float) -> Seeds:
    """Return the local maxima of a distance transform with at least some radius."""
    smooth = _smooth(distance)
    p = np.pad(smooth, 1)
    around = p[1:-1, 1:-1]
    largest = np.maximum.reduce(
        [p[1 + dy : p.shape[0] - 1 + dy, 1 + dx : p.shape[1] - 1 + dx]
         for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    )
    y, x = np.nonzero((around >= largest) & (distance >= least))
    return Seeds(x.astype(np.float32), y.astype(np.float32), distance[y, x])


def _smooth(plane: Floats) -> Floats:
    p = np.pad(plane, 1, "edge")
    p = p[:-2] + p[1:-1] + p[2:]
    return (p[:, :-2] + p[:, 1:-1] + p[:, 2:]) / 9


def join_seeds(seeds: Seeds, distance: Floats, unit: float) -> NDArray[np.int64]:
    """Return the number of the nucleus of each seed of a neighbourhood."""
    count = len(seeds.x)
    group = np.arange(count)
    order = np.argsort(-seeds.radius, kind="stable")
    for place, i in enumerate(order):
        for j in order[:place]:
            if group[i] == group[j]:
                continue
            small = min(seeds.radius[i], seeds.radius[j])
            gap = float(np.hypot(seeds.x[i] - seeds.x[j], seeds.y[i] - seeds.y[j]))
            if gap < max(seeds.radius[i], seeds.radius[j]) or (
                _neck(seeds, distance, int(i), int(j)) >= NECK * small
            ) or (small < LOBE_RADIUS * unit and gap < LOBE_REACH * unit
                  and max(seeds.radius[i], seeds.radius[j]) < 1.3 * LOBE_RADIUS * unit):
                group[group == group[i]] = group[j]
    return group


def _neck(seeds: Seeds, distance: Floats, i: int, j: int) -> float:
    """Return the least distance to the outside on the line between two seeds."""
    along = np.linspace(0, 1, 12)
    x = np.rint(seeds.x[i] + along * (seeds.x[j] - seeds.x[i])).astype(int)
    y = np.rint(seeds.y[i] + along * (seeds.y[j] - seeds.y[i])).astype(int)
    return float(distance[y, x].min())
