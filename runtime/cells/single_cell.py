"""Finds the cells of an image that is a field or shows one cell, and cuts them out.

The cell of an image of one cell is cut out at the scale of the cells of fields.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..imaging import Header, load_field
from ..imaging.sources import resolve_source
from .crops import WHITE, crop_cells
from .detection import NUCLEUS_DIAMETER, detect_cells
from .field_cells import FieldCells, with_resolved_cells
from .one_cell import is_about_square, is_on_black, is_one_cell, searched_pixels
from .settings import CellSettings
from .types import Cell, Detection, TakenAs

if TYPE_CHECKING:
    from ..types import RGB, ImageSource

Kind = Literal["field", "cell"]

MAX_OFFSET = 0.25  # of the cell from the centre of the image, over the shorter side
# Radius of the nucleus over the shorter side of the image, where no nucleus is found near the
# centre. The median is 0.20 in ALL-IDB2 and 0.13 in PBC.
FALLBACK_RADIUS = 0.15


def find_image_cells(
    source: ImageSource, settings: CellSettings, taken_as: TakenAs = "auto"
) -> tuple[Kind, FieldCells]:
    """Find and cut out the cells of an image that is a field, or shows one cell.

    Parameters
    ----------
    source : as of `load_rgb`
    settings : CellSettings
    taken_as : {"auto", "field", "cell"}
        As of `image_cells`.

    Returns
    -------
    As `image_cells`.

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    source = resolve_source(source)
    kind, found = image_cells(*load_field(source, settings.field_pixels), settings, taken_as)
    return kind, with_resolved_cells(found, source, settings) if kind == "field" else found


def image_cells(
    rgb: RGB, header: Header, scale: float, settings: CellSettings, taken_as: TakenAs = "auto"
) -> tuple[Kind, FieldCells]:
    """Find and cut out the cells of a loaded image, one way for training and the device.

    A field that was reduced too much for its cells is searched again by `with_resolved_cells`.

    Only a field that is black along its edges, and for which `is_one_cell` has to decide, is
    searched twice: with the black replaced as for one cell, its scale would be wrong.

    Parameters
    ----------
    rgb, header, scale
        As `load_field` returns them.
    settings : CellSettings
    taken_as : {"auto", "field", "cell"}
        ``auto``: `is_one_cell` decides.

    Returns
    -------
    kind : {"field", "cell"}
        What the image was taken as.
    FieldCells
        Those of `find_cells` for a field, as `single_cell` for one cell. `rgb` is the given one.
    """
    searched = rgb
    if taken_as == "cell" or (taken_as == "auto" and is_about_square(rgb)):
        searched = searched_pixels(rgb)
    detection = detect_cells(searched, settings.detection)
    if taken_as == "cell" or (taken_as == "auto" and is_one_cell(rgb, detection)):
        return "cell", single_cell(rgb, header, scale, detection, settings)
    if searched is not rgb:
        detection = detect_cells(rgb, settings.detection)
    crops = crop_cells(rgb, detection, settings.crop)
    return "field", FieldCells(rgb, header, scale, detection, crops)


def single_cell(
    rgb: RGB, header: Header, scale: float, detection: Detection, settings: CellSettings
) -> FieldCells:
    """Return the one cell in the centre of an image, and its square.

    On black there are no erythrocytes, so the unit follows from the nucleus.

    Parameters
    ----------
    rgb, header, scale
        As `load_field` returns them.
    detection : Detection
        Of `searched_pixels` of the image.
    settings : CellSettings

    Returns
    -------
    FieldCells
        With exactly one cell. Without a nucleus near the centre, it lies in the centre, and
        `has_nucleus` is False. On black the nucleus may lie anywhere.
    """
    on_black = is_on_black(rgb)
    nucleus = _central_nucleus(rgb, detection, np.inf if on_black else MAX_OFFSET)
    cell = _centre(rgb) if nucleus is None else nucleus
    detection = replace(detection, cells=(cell,), more=0)
    if on_black:
        detection = replace(
            detection,
            unit=2 * cell.radius / NUCLEUS_DIAMETER,
            unit_source="nuclei",
            background=(WHITE, WHITE, WHITE),
        )
    crops = crop_cells(searched_pixels(rgb), detection, settings.crop)
    return FieldCells(rgb, header, scale, detection, crops, nucleus is not None)


def _central_nucleus(rgb: RGB, detection: Detection, most: float) -> Cell | None:
    """Return the cell nearest to the centre; None if it is further away than `most`."""
    height, width = rgb.shape[:2]
    shorter, x, y = min(height, width), (width - 1) / 2, (height - 1) / 2
    near = [
        (offset, index)
        for index, cell in enumerate(detection.cells)
        if (offset := float(np.hypot(cell.x - x, cell.y - y))) <= most * shorter
    ]
    return detection.cells[min(near)[1]] if near else None


def _centre(rgb: RGB) -> Cell:
    """Return the centre of an image as its cell."""
    height, width = rgb.shape[:2]
    return Cell((width - 1) / 2, (height - 1) / 2, FALLBACK_RADIUS * min(height, width))
