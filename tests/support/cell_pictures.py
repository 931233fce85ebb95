"""Draws images of one cell, for the tests of cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def one_cell(side: int = 200, radius: int = 40, black: bool = False) -> NDArray[np.uint8]:
    """Return the pixels of one round nucleus in the middle, (side, side, 3)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    distance = np.hypot(x, y)
    rgb = np.full((side, side, 3), 0 if black else 235, np.uint8)
    rgb[distance <= 1.6 * radius] = (200, 170, 215)
    rgb[distance <= radius] = (90, 40, 130)
    return rgb
