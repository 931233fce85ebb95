"""Reference images and test picture of a cell model, from the cells of generated smears."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import DataError
from ...runtime.cells.field_cells import find_cells
from ...runtime.cells.settings import CellSettings
from ...runtime.data.class_folders import smear_images
from ...train.phantom.optics import CAMERAS
from ...train.phantom.smears import draw_field
from ..convert.cell_files import read_cell_file
from ..types import FieldPicture, Images
from .reference_images import (
    FIELD_PX,
    MAX_PICTURE_PX,
    PICTURE_QUALITY,
    POOL_SEED,
    REFERENCES,
    blend,
    perturb,
)

FIELDS, POOL = 32, 256
CHANGES = 3  # blended, perturbed, or both
TILES = 2  # the test picture is a mosaic of so many fields on each side, so that it has more cells
MAX_PICTURE_CELLS = 32  # of the test picture that a bundle stores


def generate_cell_pool(settings: CellSettings) -> Images:
    """Return crops of generated cells, (256, S, S, 3) uint8.

    First come the cells as they are found in generated fields, with and without blasts. The
    others are blends of two cells, and cells in other lights and stains or out of focus.

    Parameters
    ----------
    settings : CellSettings
    """
    cells: list[Images] = []
    for index in range(FIELDS):
        field = np.asarray(draw_field(POOL_SEED, index, index % 2 == 1, size=FIELD_PX)[0])
        cells += list(find_cells(field, settings).crops)
    if not cells:
        raise DataError(
            "no cell is found in the generated smears",
            fix="--reference DIR with fields that may be shipped",
        )
    pool = cells[:POOL]
    for number in range(len(pool), POOL):
        rng = np.random.default_rng([POOL_SEED, number])
        cell, change = cells[number % len(cells)], number % CHANGES
        if change != 1:
            cell = blend(cell, cells[int(rng.integers(len(cells)))], float(rng.uniform(0.2, 0.8)))
        if change != 0:
            cell = perturb(cell, rng)
        pool.append(cell)
    return np.stack(pool)


def load_reference_cells(folder: Path, settings: CellSettings) -> Images:
    """Return the cells of the images in a folder, which the user allows to be shipped.

    Parameters
    ----------
    folder : Path
    settings : CellSettings

    Returns
    -------
    (N, S, S, 3) ndarray of uint8

    Raises
    ------
    DataError
        If there are fewer than the references needed.
    ImageError
        If an image cannot be read.
    """
    files = (read_cell_file(path, settings) for path in smear_images(folder))
    cells = [crop for crops, _ in files for crop in crops]
    if len(cells) < REFERENCES:
        raise DataError(
            f"{len(cells)} cells are found in the images of {folder} to choose references from",
            allowed=f"{REFERENCES} or more, of every label",
            fix="leave --reference out to use generated smears",
        )
    return np.stack(cells)


def draw_cell_picture(settings: CellSettings) -> FieldPicture:
    """Return a generated field from which `alledge verify` tests how a machine finds cells.

    It is not square, and so large that it is reduced before its cells are searched for.

    Parameters
    ----------
    settings : CellSettings

    Returns
    -------
    FieldPicture
        With at most 32 of its cells.
    """
    camera = CAMERAS[0]
    ratio = min(camera.width, camera.height)
    size = min(math.ceil(2 * settings.field_pixels / ratio), MAX_PICTURE_PX) // TILES
    tiles = [
        draw_field(POOL_SEED, FIELDS + tile, tile % 2 == 1, camera=camera, size=size)[0]
        for tile in range(TILES * TILES)
    ]
    width, height = tiles[0].size
    mosaic = Image.new("RGB", (width * TILES, height * TILES))
    for number, tile in enumerate(tiles):
        mosaic.paste(tile, (number % TILES * width, number // TILES * height))
    file = io.BytesIO()
    mosaic.save(file, "JPEG", quality=PICTURE_QUALITY)
    found = find_cells(file.getvalue(), settings)
    cells = found.cells[:MAX_PICTURE_CELLS]
    return FieldPicture(
        jpeg=file.getvalue(),
        cells=np.array([(c.x, c.y, c.radius) for c in cells], dtype=np.float64).reshape(-1, 3),
        crops=found.crops[: len(cells)],
        count=len(found.cells),
    )
