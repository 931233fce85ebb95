"""The diameter of a field's erythrocytes, from the votes of their edges.

Every edge pixel of an erythrocyte votes for a centre, one radius inwards. At the true radius the
votes of a cell meet in one place. This works for cells that touch, overlap, have a pale centre or
are cut by the image's edge. It is a Hough transform for circles that uses the gradient's direction.

References
----------
Kimme, Ballard, Sklansky, "Finding circles by an array of accumulators", CACM 18(2), 1975.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

MIN_RADIUS = 3.0  # pixels
MAX_RADIUS_SHARE = 0.2  # of the image's shorter side
STEP = 1.12  # ratio of neighbouring radii
MIN_EDGE = 0.12  # least gradient of an edge, in erythrocyte densities a pixel
MAX_EDGES = 5000  # further ones make it slower and not better
MIN_EDGES = 600  # a picture of one cell and a few parts of others has fewer
BINS, MIN_BIN = 4, 1.25  # of the votes: number a radius, least side in pixels
MIN_PROMINENCE = 0.3  # of a score; cells that are perfect circles reach about 6
# In a field that is enlarged or out of focus, an edge is wider than the gradient sees. There the
# circles of a reduced copy are clearer, which happens by chance too, so that more is asked of them.
MIN_REDUCED, CLEAR = 0.5, 2.0  # least prominence in a reduced copy; prominence that is enough
SMALLEST_COPY = 100  # pixels on its shorter side
REACH = 2.2  # ratio of the radii whose scores are compared


@dataclass(frozen=True)
class Edges:
    """Edge pixels: their position, the unit vector into the cell, and the share that was kept."""

    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    share: float


def erythrocyte_diameter(
    density: Floats,
    nuclei: NDArray[np.bool_],
    erythrocyte_density: float,
    least: float = MIN_PROMINENCE,
) -> float | None:
    """Return the diameter of a field's erythrocytes.

    Parameters
    ----------
    density : (H, W) ndarray of float32
        Optical density in green.
    nuclei : (H, W) ndarray of bool
        What is not an erythrocyte.
    erythrocyte_density : float
        Typical density of an erythrocyte, > 0.
    least : float
        Least prominence of the circles.

    Returns
    -------
    float or None
        In pixels. None where there are no circles of one size.
    """
    best, reduction, clearest = None, 1, 0.0
    while reduction == 1 or min(density.shape) >= SMALLEST_COPY:
        diameter, prominence = _clearest_diameter(density, nuclei, erythrocyte_density)
        if prominence >= max(clearest, least, 0 if reduction == 1 else MIN_REDUCED):
            best, clearest = diameter * reduction, prominence
        if clearest >= CLEAR:
            break
        density, nuclei = _half(density), _half(nuclei.astype(np.float32)) > 0
        reduction *= 2
    return best


def clear_diameter(
    density: Floats, nuclei: NDArray[np.bool_], erythrocyte_density: float
) -> float | None:
    """Return the diameter of erythrocytes that are sharp, and clear without doubt.

    The parameters and the result are those of `erythrocyte_diameter`; there is no search in reduced
    copies.
    """
    diameter, prominence = _clearest_diameter(density, nuclei, erythrocyte_density)
    return diameter if prominence >= CLEAR else None


def _half(plane: Floats) -> Floats:
    return np.asarray(Image.fromarray(plane).reduce(2))


def _clearest_diameter(
    density: Floats, nuclei: NDArray[np.bool_], level: float
) -> tuple[float, float]:
    """Return the diameter in pixels at which most votes meet, and its prominence; 0 if none."""
    edges = _find_edges(density, nuclei, level)
    if len(edges.x) < MIN_EDGES:
        return 0.0, 0.0
    height, width = density.shape
    largest = max(2 * MIN_RADIUS, min(height, width) * MAX_RADIUS_SHARE)
    radii = MIN_RADIUS * STEP ** np.arange(int(np.log(largest / MIN_RADIUS) / np.log(STEP)) + 1)
    scores = np.array([_meeting(edges, float(radius), width, height) for radius in radii])
    prominences = _prominences(scores)
    best = int(np.argmax(prominences))
    return float(2 * radii[best] * STEP ** _parabola_top(scores, best)), float(prominences[best])


def _prominences(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each score stands above the lowest ones of its two sides.

    Small radii score well by themselves, because the votes of neighbouring edge pixels meet.
    """
    reach = int(np.log(REACH) / np.log(STEP))
    return np.array(
        [
            score - max(scores[max(0, i - reach) : i + 1].min(), scores[i : i + reach + 1].min())
            for i, score in enumerate(scores)
        ]
    )


def _find_edges(density: Floats, nuclei: NDArray[np.bool_], level: float) -> Edges:
    """Return the edge pixels of what is stained, without those of nuclei."""
    plane = mean_of_nine(np.clip(density, 0, level))
    gy, gx = np.gradient(plane)
    magnitude = np.sqrt(gx * gx + gy * gy)
    places = np.flatnonzero((magnitude > MIN_EDGE * level) & ~nuclei)
    count = len(places)
    if count > MAX_EDGES:
        places = places[np.linspace(0, len(places) - 1, MAX_EDGES).astype(int)]
    y, x = np.divmod(places, density.shape[1])
    length = magnitude.ravel()[places]
    return Edges(
        x.astype(np.float32),
        y.astype(np.float32),
        gx.ravel()[places] / length,
        gy.ravel()[places] / length,
        len(places) / max(count, 1),
    )


def _meeting(edges: Edges, radius: float, width: int, height: int) -> float:
    """Return how well the votes at a radius meet; 0 for votes at random."""
    x, y = edges.x + radius * edges.dx, edges.y + radius * edges.dy
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    side = max(radius / BINS, MIN_BIN)
    columns, rows = int(width / side) + 2, int(height / side) + 2
    x, y = (x[inside] / side).astype(np.int64), (y[inside] / side).astype(np.int64)
    counts = np.bincount(y * columns + x, minlength=rows * columns)
    grid = counts.astype(np.float32).reshape(rows, columns)
    # windows of two by two bins, so that no border parts the votes of one cell
    grid = grid[:-1] + grid[1:]
    votes = (grid[:, :-1] + grid[:, 1:]).ravel()
    total = float(votes.sum())
    random = total**2 / votes.size
    return (float(votes @ votes) - random) / max(total, 1) / radius / edges.share


def _parabola_top(values: NDArray[np.float64], best: int) -> float:
    """Return the offset of the top of the parabola through a maximum and its neighbours."""
    if not 0 < best < len(values) - 1:
        return 0.0
    left, middle, right = values[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -1, 1)) if bend < 0 else 0.0


def mean_of_nine(plane: Floats) -> Floats:
    """Return the mean of 3 x 3 pixels; the image's edge is continued."""
    p = np.pad(plane, 1, "edge")
    p = p[:-2] + p[1:-1] + p[2:]
    return np.asarray((p[:, :-2] + p[:, 1:-1] + p[:, 2:]) * np.float32(1 / 9))
