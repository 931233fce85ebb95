"""Finds the nucleated cells of a field; numpy and Pillow only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from .detection_settings import DetectionSettings
from .types import Cell, Detection

if TYPE_CHECKING:
    from ..types import RGB

SIDE = 400


def detect_cells(rgb: RGB, settings: DetectionSettings | None = None) -> Detection:
    """Return the nucleated cells of a field.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    settings : DetectionSettings, optional

    Returns
    -------
    Detection
        In pixels of the array.
    """
    settings = settings or DetectionSettings()
    scale = max(rgb.shape[:2]) / SIDE
    size = (round(rgb.shape[1] / scale), round(rgb.shape[0] / scale))
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX), np.float32)
    background = np.percentile(small.reshape(-1, 3), 90, axis=0)
    density = -np.log(np.clip(small / background, 1 / 255, 1))
    purple = density[..., 0] > 0.35
    radius = SIDE * 0.02
    mask = Image.fromarray((purple * 255).astype(np.uint8))
    smooth = mask.filter(ImageFilter.GaussianBlur(radius / 2))
    window = 2 * round(radius) + 1
    values = np.asarray(smooth)
    peaks = (values == np.asarray(smooth.filter(ImageFilter.MaxFilter(window)))) & (values > 100)
    cells, taken = [], np.zeros(values.shape, bool)
    for y, x in np.argwhere(peaks):
        if not taken[y, x]:
            taken[max(y - 9, 0) : y + 9, max(x - 9, 0) : x + 9] = True
            cells.append(Cell(float(x * scale), float(y * scale), float(radius * scale)))
    kept = tuple(cells[: settings.max_cells])
    red, green, blue = map(float, background)
    return Detection(
        kept, float(2 * radius * scale), "nuclei", (red, green, blue), len(cells) - len(kept)
    )
