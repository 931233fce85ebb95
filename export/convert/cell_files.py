"""Reads the cells of image files that the user named: fields, or images of one cell each."""

from __future__ import annotations

from pathlib import Path

from ...runtime.cells.field_cells import find_cells
from ...runtime.cells.one_cell import is_one_cell
from ...runtime.cells.settings import CellSettings
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb
from ..types import Images


def read_cell_file(path: Path, cells: CellSettings, one_cell: ImageSettings) -> tuple[Images, str]:
    """Return the cells of an image, and its camera.

    Parameters
    ----------
    path : Path
    cells : CellSettings
    one_cell : ImageSettings
        How an image of one cell is loaded. `is_one_cell` decides, as on the device.

    Returns
    -------
    crops : (N, S, S, 3) ndarray of uint8
    camera : str

    Raises
    ------
    ImageError
        If the image cannot be read.
    """
    field = find_cells(path, cells)
    if is_one_cell(field.rgb, field.detection):
        return load_rgb(path, one_cell)[None], field.header.camera
    return field.crops, field.header.camera
