"""Matches detected cells with those that a data set names; numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.cell_truth import TrueCell
from .types import Cell

# A position belongs to a cell if it is at most this many nucleus radii away from its centre. 508 of
# the 510 centroids of ALL-IDB1 match a detected nucleus by this rule (docs/cells.md).
REACH = 1.25


def match_cells(
    cells: Sequence[Cell], truth: Sequence[TrueCell], reach: float = REACH
) -> dict[int, int]:
    """Return the true cell of each detected one, one to one; the nearest pairs are matched first.

    A pair can match if the centre of the detected cell lies in the box of the true one, or if the
    centre of the true one lies within `reach`.

    Parameters
    ----------
    cells : sequence of Cell
        In pixels of the upright original.
    truth : sequence of TrueCell
    reach : float
        Greatest distance from the centre of a detected cell, in its nucleus radii, > 0.

    Returns
    -------
    dict of int to int
        Index of a detected cell -> index of its true cell. The others are left out.

    Examples
    --------
    >>> match_cells([Cell(10, 10, 5), Cell(40, 10, 5)], [TrueCell("blast", 41, 12)])
    {1: 0}
    """
    if not cells or not truth:
        return {}
    detected = np.array([(cell.x, cell.y, cell.radius) for cell in cells])
    x, y, width, height = np.array([cell[1:] for cell in truth], dtype=np.float64).T
    across = np.abs(detected[:, :1] - x)
    down = np.abs(detected[:, 1:2] - y)
    distances = np.hypot(across, down) / detected[:, 2:]
    near = np.argwhere((distances <= reach) | ((2 * across < width) & (2 * down < height)))
    nearest_first = np.argsort(distances[near[:, 0], near[:, 1]], kind="stable")
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for cell, other in near[nearest_first].tolist():
        if cell not in matches and other not in taken:
            matches[cell] = other
            taken.add(other)
    return dict(sorted(matches.items()))
