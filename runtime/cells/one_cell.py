"""Whether an image is a field or one cell: the rule of ``--as auto``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..types import RGB
    from .types import Detection

MAX_ASPECT = 1.25  # cut-outs of one cell are about square, fields of cameras are not
MIN_NUCLEUS = 0.15  # diameter of the nucleus over the shorter side of the image
GIANT_NUCLEUS = 0.5  # so wide, the nucleus may be cut by the edge
MAX_OFFSET = 0.15  # of the nucleus from the centre of the image, over the shorter side
BLACK_LEVEL, BLACK_FRAME = 12, 0.98  # grey level, and share of the pixels along the edges


def is_one_cell(rgb: RGB, detection: Detection) -> bool:
    """Return whether an image shows one cell, as those of C-NMC, ALL-IDB2 and PBC.

    It does if it is about square, and has one nucleus that is wide and near the centre, beside
    nuclei that the edge cuts; or if it is black along its edges.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    detection : Detection
        Of this image.
    """
    height, width = rgb.shape[:2]
    shorter = min(height, width)
    if max(height, width) > MAX_ASPECT * shorter:
        return False
    whole = [
        cell
        for cell in detection.cells
        if "clipped" not in cell.flags or 2 * cell.radius >= GIANT_NUCLEUS * shorter
    ]
    if len(whole) <= 1 and is_on_black(rgb):
        return True
    if len(whole) != 1:
        return False
    cell = whole[0]
    offset = max(abs(cell.x - (width - 1) / 2), abs(cell.y - (height - 1) / 2))
    return bool(2 * cell.radius >= MIN_NUCLEUS * shorter and offset <= MAX_OFFSET * shorter)


def is_on_black(rgb: RGB) -> bool:
    """Return whether the pixels along the edges are black."""
    edges = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    return float((edges.max(axis=1) <= BLACK_LEVEL).mean()) >= BLACK_FRAME
