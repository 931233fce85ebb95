"""Reads the cells of image files that the user named: fields, or images of one cell each."""

from __future__ import annotations

from pathlib import Path

from ...runtime.cells.settings import CellSettings
from ...runtime.cells.single_cell import find_image_cells
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
        How an image of one cell is loaded. `find_image_cells` decides, as on the device.

    Returns
    -------
    crops : (N, S, S, 3) ndarray of uint8
    camera : str

    Raises
    ------
    ImageError
        If the image cannot be read.
    """
    kind, image = find_image_cells(path, cells)
    crops = image.crops if kind == "field" else load_rgb(path, one_cell)[None]
    return crops, image.header.camera
