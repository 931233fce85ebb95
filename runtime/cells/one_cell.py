"""Whether an image is a field or one cell: the rule of ``--as auto``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .crops import WHITE

if TYPE_CHECKING:
    from ..types import RGB
    from .types import Detection

MAX_ASPECT = 1.25  # cut-outs of one cell are about square, fields of cameras are not
MIN_NUCLEUS = 0.15  # diameter of the nucleus over the shorter side of the image
# Area of the nucleus over the area that is not black. It is 0.28 or more in cells of ALL-IDB2 that
# are masked at 1.6 radii of the nucleus, at most 0.12 in fields of ALL-IDB1 in a round frame.
MIN_NUCLEUS_SHARE = 0.15
GIANT_NUCLEUS = 0.5  # so wide, the nucleus may be cut by the edge
MAX_OFFSET = 0.15  # of the nucleus from the centre of the image, over the shorter side
BLACK_LEVEL, BLACK_FRAME = 12, 0.98  # grey level, and share of the pixels along the edges


def is_one_cell(rgb: RGB, detection: Detection) -> bool:
    """Return whether an image shows one cell, as those of C-NMC, ALL-IDB2 and PBC.

    It does if it is about square, and has one nucleus that is wide and near the centre, beside
    nuclei that the edge cuts. If it is black along its edges, the nucleus must be a large part of
    what is not black, and may lie anywhere.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    detection : Detection
        Of `searched_pixels` of this image.
    """
    if not is_about_square(rgb):
        return False
    height, width = rgb.shape[:2]
    side = min(height, width)
    whole = [
        cell
        for cell in detection.cells
        if "clipped" not in cell.flags or 2 * cell.radius >= GIANT_NUCLEUS * side
    ]
    if len(whole) != 1:
        return False
    cell = whole[0]
    if is_on_black(rgb):
        visible = np.count_nonzero(rgb.max(axis=2) > BLACK_LEVEL)
        return bool(np.pi * cell.radius**2 >= MIN_NUCLEUS_SHARE * visible)
    offset = max(abs(cell.x - (width - 1) / 2), abs(cell.y - (height - 1) / 2))
    return bool(2 * cell.radius >= MIN_NUCLEUS * side and offset <= MAX_OFFSET * side)


def is_about_square(rgb: RGB) -> bool:
    """Return whether an image is as square as those of one cell are."""
    height, width = rgb.shape[:2]
    return bool(max(height, width) <= MAX_ASPECT * min(height, width))


def is_on_black(rgb: RGB) -> bool:
    """Return whether the pixels along the edges are black."""
    edges = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    return float((edges.max(axis=1) <= BLACK_LEVEL).mean()) >= BLACK_FRAME


def searched_pixels(rgb: RGB) -> RGB:
    """Return the pixels in which the cell of an image of one cell is searched.

    Around a cell that was cut out on black, they have the colour of an empty background.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8

    Returns
    -------
    (H, W, 3) ndarray of uint8
        `rgb` itself if its edges are not black.
    """
    if not is_on_black(rgb):
        return rgb
    filled: RGB = rgb.copy()
    filled[rgb.max(axis=2) <= BLACK_LEVEL] = round(WHITE)
    return filled
