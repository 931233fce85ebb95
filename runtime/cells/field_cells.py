"""From an image file to the squares of its cells, one way for training and the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..imaging import Header, load_field
from .crops import crop_cells
from .detection import detect_cells
from .settings import CellSettings
from .types import Cell, Detection

if TYPE_CHECKING:
    from ..types import RGB, ImageSource


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
    rgb, header, scale = load_field(source, settings.field_pixels)
    detection = detect_cells(rgb, settings.detection)
    return FieldCells(rgb, header, scale, detection, crop_cells(rgb, detection, settings.crop))
