"""From an image file to the squares of its cells, one way for training and the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..imaging import Header, load_field
from ..imaging.sources import resolve_source
from .crops import crop_cells
from .detection import detect_cells
from .settings import MAX_FIELD_PIXELS, CellSettings
from .types import Cell, Detection

if TYPE_CHECKING:
    from ..types import RGB, ImageSource

# Pixels of an erythrocyte in a reduced field. Below about 12 a few leucocytes are missed that the
# same field shows at twice the size.
LEAST_UNIT = 12.0


@dataclass(frozen=True)
class FieldCells:
    """A field, its cells and their squares.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
        The upright field, reduced by `scale`.
    header : Header
    scale : float
        Pixels of the upright original per pixel of `rgb`, at least 1.
    detection : Detection
        In pixels of `rgb`.
    crops : (N, S, S, 3) ndarray of uint8
        What the model sees of each cell.
    has_nucleus : bool
        False for an image that was taken as one cell, without a nucleus near its centre: its
        cell is the centre.
    """

    rgb: RGB
    header: Header
    scale: float
    detection: Detection
    crops: NDArray[np.uint8]
    has_nucleus: bool = True

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells in pixels of the upright original."""
        # the centre of the first pixel is (0, 0) in both
        half = (self.scale - 1) / 2
        return tuple(
            replace(
                cell,
                x=cell.x * self.scale + half,
                y=cell.y * self.scale + half,
                radius=cell.radius * self.scale,
            )
            for cell in self.detection.cells
        )


def find_cells(source: ImageSource, settings: CellSettings) -> FieldCells:
    """Find and cut out the cells of a field.

    Parameters
    ----------
    source : as of `load_rgb`
    settings : CellSettings

    Returns
    -------
    FieldCells

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    source = resolve_source(source)
    field = _cells_of(*load_field(source, settings.field_pixels), settings)
    return with_resolved_cells(field, source, settings)


def with_resolved_cells(
    field: FieldCells, source: ImageSource, settings: CellSettings
) -> FieldCells:
    """Return the cells of a field, searched again if it was reduced too much.

    It was if its erythrocytes are smaller than the search needs, or nothing tells their size. The
    field is then searched at its own size; one of more than 12 million pixels is still reduced, by
    a power of two, below that number. It is a second search at most.

    Parameters
    ----------
    field : FieldCells
        Of the reduced field.
    source : as of `load_rgb`
        No stream that can be read only once.
    settings : CellSettings

    Returns
    -------
    FieldCells
        `field` itself if it was not reduced too much, or its own size tells no more.

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    detection = field.detection
    if field.scale == 1 or (detection.unit_source != "none" and detection.unit >= LEAST_UNIT):
        return field
    rgb, header, scale = load_field(source, MAX_FIELD_PIXELS)
    if scale >= field.scale:
        return field
    finer = _cells_of(rgb, header, scale, settings)
    return field if finer.detection.unit_source == "none" else finer


def _cells_of(rgb: RGB, header: Header, scale: float, settings: CellSettings) -> FieldCells:
    """Return the cells of a loaded field."""
    detection = detect_cells(rgb, settings.detection)
    return FieldCells(rgb, header, scale, detection, crop_cells(rgb, detection, settings.crop))
