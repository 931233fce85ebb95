"""The scale of a field: the diameter of its erythrocytes, found by the votes of their edges.

Every edge pixel of an erythrocyte votes for a centre, at one radius inwards. At the true radius
the votes of a cell meet in one place. It works for cells that touch, overlap, have a pale centre,
or are cut by the image's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

STEP = 1.05  # ratio of neighbouring radii
MIN_RADIUS, MAX_SHARE = 2.5, 0.3  # px; share of the image's shorter side
MAX_EDGES = 30_000
BINS = 4  # a radius


@dataclass(frozen=True)
class Edges:
    """Edge pixels: position and the direction into the cell."""

    x: Floats
    y: Floats
    dx: Floats
    dy: Floats


def erythrocyte_edges(density: Floats, nucleus: NDArray[np.bool_], level: float) -> Edges:
    """Return the edge pixels of what is stained, nuclei left out."""
    plane = np.clip(density, 0, level)
    plane = _smooth(plane)
    gy, gx = np.gradient(plane)
    magnitude = np.hypot(gx, gy)
    strong = magnitude > 0.12 * level
    # the ridge of the gradient only
    y, x = np.nonzero(strong & ~nucleus)
    if len(y) > MAX_EDGES:
        keep = np.linspace(0, len(y) - 1, MAX_EDGES).astype(int)
        y, x = y[keep], x[keep]
    m = magnitude[y, x]
    return Edges(x.astype(np.float32), y.astype(np.float32), gx[y, x] / m, gy[y, x] / m)


def _smooth(plane: Floats) -> Floats:
    """Return the mean of 3 x 3 pixels."""
    p = np.pad(plane, 1, "edge")
    p = p[:-2] + p[1:-1] + p[2:]
    return (p[:, :-2] + p[:, 1:-1] + p[:, 2:]) / 9


def vote_spectrum(edges: Edges, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return radii and how well the votes meet at each, 0 to about 1."""
    height, width = shape
    top = max(MIN_RADIUS * 2, min(shape) * MAX_SHARE)
    radii = MIN_RADIUS * STEP ** np.arange(int(np.log(top / MIN_RADIUS) / np.log(STEP)) + 1)
    scores = []
    for r in radii:
        x, y = edges.x + r * edges.dx, edges.y + r * edges.dy
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        size = r / BINS
        columns, rows = int(width / size) + 2, int(height / size) + 2
        bins = (y[inside] / size).astype(np.int32) * columns + (x[inside] / size).astype(np.int32)
        n = np.bincount(bins, minlength=rows * columns).reshape(rows, columns).astype(np.float32)
        n = n[:-1, :-1] + n[1:, :-1] + n[:-1, 1:] + n[1:, 1:]
        total = n.sum() / 4
        scores.append(((n * n).sum() / 4 - total**2 * 4/ n.size) / max(total, 1) / 4 / r)
    return radii.astype(np.float32), np.array(scores, np.float32)
