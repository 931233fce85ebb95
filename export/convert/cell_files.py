"""Reads the cells of image files that the user named: fields, or images of one cell each."""

from __future__ import annotations

from pathlib import Path

from ...runtime.cells.settings import CellSettings
from ...runtime.cells.single_cell import find_image_cells
from ..types import Images


def read_cell_file(path: Path, settings: CellSettings) -> tuple[Images, str]:
    """Return the cells of an image as the device cuts them out, and its camera.

    Parameters
    ----------
    path : Path
        Of a field, or of an image of one cell: `find_image_cells` decides.
    settings : CellSettings

    Returns
    -------
    crops : (N, S, S, 3) ndarray of uint8
    camera : str

    Raises
    ------
    ImageError
        If the image cannot be read.
    """
    _, image = find_image_cells(path, settings)
    return image.crops, image.header.camera
