"""Matches detected cells with the positions that a data set gives; numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .types import Cell

# A position belongs to a cell if it is at most this many nucleus radii away from its centre. Of the
# 510 centroids of ALL-IDB1, 508 are within 1 and all are within 1.25 of a cell (docs/datasets.md).
REACH = 1.25


def match_cells(
    cells: Sequence[Cell], points: Sequence[tuple[float, float]], reach: float = REACH
) -> dict[int, int]:
    """Return the cell of each point, one to one; the nearest pairs are matched first.

    Parameters
    ----------
    cells : sequence of Cell
    points : sequence of (float, float)
        Positions (x, y), in pixels of the same image as the cells.
    reach : float
        Greatest distance between a point and the centre of its cell, in nucleus radii, > 0.

    Returns
    -------
    dict of int to int
        Index of a cell -> index of its point. Cells without a point are left out.

    Examples
    --------
    >>> match_cells([Cell(10, 10, 5), Cell(40, 10, 5)], [(41, 12)])
    {1: 0}
    """
    if not cells or not points:
        return {}
    centres = np.array([(cell.x, cell.y) for cell in cells])
    radii = np.array([cell.radius for cell in cells])
    offsets = centres[:, None] - np.array(points, dtype=np.float64)[None]
    distances = np.hypot(offsets[..., 0], offsets[..., 1]) / radii[:, None]
    near = np.argwhere(distances <= reach)
    nearest_first = np.argsort(distances[near[:, 0], near[:, 1]], kind="stable")
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for cell, point in near[nearest_first].tolist():
        if cell not in matches and point not in taken:
            matches[cell] = point
            taken.add(point)
    return dict(sorted(matches.items()))
