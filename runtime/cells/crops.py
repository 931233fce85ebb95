"""Cuts cells out of their field: the squares that a cell model sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .crop_settings import CropSettings
from .types import Cell, Detection

if TYPE_CHECKING:
    from ..types import RGB

WHITE = 240.0  # of the background after white balance: bright, and below saturation
MAX_GAIN = 4.0  # of a channel; a darker background is no empty background


def crop_cells(rgb: RGB, detection: Detection, settings: CropSettings) -> NDArray[np.uint8]:
    """Return the squares of all cells of a field.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
        The field that was searched.
    detection : Detection
        Of this field.
    settings : CropSettings

    Returns
    -------
    (N, S, S, 3) ndarray of uint8
        In the order of the cells. Outside of the field, a square has the colour of the background.
    """
    crops = np.empty((len(detection.cells), settings.size, settings.size, 3), dtype=np.uint8)
    for index, cell in enumerate(detection.cells):
        crops[index] = crop_cell(rgb, cell, detection, settings)
    return crops


def crop_cell(rgb: RGB, cell: Cell, detection: Detection, settings: CropSettings) -> RGB:
    """Return the square of one cell, (S, S, 3); as `crop_cells`."""
    side = settings.width * (
        detection.unit if settings.unit == "erythrocyte" else 2.0 * cell.radius
    )
    # the centre of pixel 0 is 0, and its left edge is 0 for Pillow
    left, top = cell.x + 0.5 - side / 2, cell.y + 0.5 - side / 2
    first_x, first_y = math.floor(left) - 1, math.floor(top) - 1
    pixels = math.ceil(side) + 3
    canvas = np.empty((pixels, pixels, 3), dtype=np.uint8)
    canvas[:] = np.rint(np.clip(detection.background, 0, 255)).astype(np.uint8)
    height, width = rgb.shape[:2]
    x0, x1 = max(first_x, 0), min(first_x + pixels, width)
    y0, y1 = max(first_y, 0), min(first_y + pixels, height)
    if x0 < x1 and y0 < y1:
        canvas[y0 - first_y : y1 - first_y, x0 - first_x : x1 - first_x] = rgb[y0:y1, x0:x1]
    box = (left - first_x, top - first_y, left - first_x + side, top - first_y + side)
    square = Image.fromarray(canvas).resize(
        (settings.size, settings.size), Image.Resampling.BILINEAR, box=box
    )
    crop = np.asarray(square, dtype=np.uint8)
    return white_balanced(crop, detection.background) if settings.white_balance else crop


def white_balanced(rgb: RGB, background: tuple[float, float, float]) -> RGB:
    """Return pixels in which the background has the value `WHITE` in all three channels.

    Parameters
    ----------
    rgb : (..., 3) ndarray of uint8
    background : tuple of float
        Red, green and blue, in [0, 255]. A channel below ``WHITE / MAX_GAIN`` counts as that.
    """
    levels = np.arange(256, dtype=np.float64)
    balanced = np.empty_like(rgb)
    for channel in range(3):
        gain = WHITE / max(background[channel], WHITE / MAX_GAIN)
        table = np.rint(np.clip(levels * gain, 0, 255)).astype(np.uint8)
        balanced[..., channel] = table[rgb[..., channel]]
    return balanced
