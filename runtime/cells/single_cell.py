"""Cuts the cell out of an image that shows one cell, at the scale of the cells of fields."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..imaging import Header, load_field
from .crops import WHITE, crop_cells
from .detection import NUCLEUS_DIAMETER, detect_cells
from .field_cells import FieldCells
from .one_cell import BLACK_LEVEL, is_on_black
from .settings import CellSettings
from .types import Cell, Detection

if TYPE_CHECKING:
    from ..types import RGB, ImageSource

MAX_OFFSET = 0.25  # of the cell from the centre of the image, over the shorter side
# Radius of the nucleus over the shorter side of the image, where no nucleus is found near the
# centre. The median is 0.20 in ALL-IDB2 and 0.13 in PBC.
FALLBACK_RADIUS = 0.15


def find_single_cell(source: ImageSource, settings: CellSettings) -> FieldCells:
    """Return the one cell of an image that is known to show one, and its square.

    It is what `single_cell` returns of `find_cells`, but one on black is searched only once.

    Parameters
    ----------
    source : as of `load_rgb`
    settings : CellSettings

    Returns
    -------
    FieldCells
        As `single_cell`.

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    rgb, header, scale = load_field(source, settings.field_pixels)
    return _single_cell(rgb, header, scale, None, settings)


def single_cell(found: FieldCells, settings: CellSettings) -> FieldCells:
    """Return the one cell in the centre of an image, and its square.

    A cell that was cut out on black is put on an empty background, and searched there. There are
    no erythrocytes then, so the unit follows from the nucleus.

    Parameters
    ----------
    found : FieldCells
        What `find_cells` returned for the image.
    settings : CellSettings
        The same as of `find_cells`.

    Returns
    -------
    FieldCells
        With exactly one cell. Without a nucleus near the centre, it lies in the centre, and
        `has_nucleus` is False.
    """
    return _single_cell(found.rgb, found.header, found.scale, found.detection, settings)


def _single_cell(
    rgb: RGB, header: Header, scale: float, detection: Detection | None, settings: CellSettings
) -> FieldCells:
    """Return the one cell of an image; `detection` is None if it was not searched."""
    on_black = is_on_black(rgb)
    if on_black:
        rgb, detection = _on_empty_background(rgb), None
    if detection is None:
        detection = detect_cells(rgb, settings.detection)
    nucleus = _central_nucleus(rgb, detection)
    cell = _centre(rgb) if nucleus is None else nucleus
    detection = replace(detection, cells=(cell,), more=0)
    if on_black:
        detection = replace(
            detection,
            unit=2 * cell.radius / NUCLEUS_DIAMETER,
            unit_source="nuclei",
            background=(WHITE, WHITE, WHITE),
        )
    crops = crop_cells(rgb, detection, settings.crop)
    return FieldCells(rgb, header, scale, detection, crops, nucleus is not None)


def _central_nucleus(rgb: RGB, detection: Detection) -> Cell | None:
    """Return the cell nearest to the centre; None if none is near."""
    height, width = rgb.shape[:2]
    shorter, x, y = min(height, width), (width - 1) / 2, (height - 1) / 2
    near = [
        (offset, index)
        for index, cell in enumerate(detection.cells)
        if (offset := float(np.hypot(cell.x - x, cell.y - y))) <= MAX_OFFSET * shorter
    ]
    return detection.cells[min(near)[1]] if near else None


def _centre(rgb: RGB) -> Cell:
    """Return the centre of an image as its cell."""
    height, width = rgb.shape[:2]
    return Cell((width - 1) / 2, (height - 1) / 2, FALLBACK_RADIUS * min(height, width))


def _on_empty_background(rgb: RGB) -> RGB:
    """Return an image whose black pixels have the colour of an empty background."""
    filled: RGB = rgb.copy()
    filled[rgb.max(axis=2) <= BLACK_LEVEL] = round(WHITE)
    return filled
