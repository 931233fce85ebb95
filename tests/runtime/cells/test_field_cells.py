"""The cells of fields of many pixels, whose erythrocytes are small."""

import io

import numpy as np
from PIL import Image

from alledge.benchmarks.internal.unusual_fields.drawing import GRID, many_megapixels
from alledge.runtime.cells.field_cells import find_cells
from alledge.runtime.cells.settings import CellSettings
from support.generated_cells import RGB, draw_smear, grid_places

UNIT = 16  # pixels of an erythrocyte
KINDS = ["blast", "lymphocyte", "neutrophil"] * 4
TURNS = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM)


def mosaic(columns: int, rows: int) -> RGB:
    """Return a field of 324 x 243 pixels and 12 leucocytes a part."""
    field = draw_smear(grid_places(KINDS, 4, 1200, 900), width=1200, height=900)
    scale = UNIT / (7.4 * 8)
    part = Image.fromarray(field).resize((round(1200 * scale), round(900 * scale)))
    parts = [np.asarray(part), *(np.asarray(part.transpose(turn)) for turn in TURNS)]
    choice = np.random.default_rng(0).integers(len(parts), size=(rows, columns))
    return np.concatenate([np.concatenate([parts[i] for i in row], axis=1) for row in choice])


def test_small_erythrocytes_in_a_field_of_many_pixels_hide_no_leucocyte() -> None:
    file = io.BytesIO()
    Image.fromarray(mosaic(12, 12)).save(file, "png")  # 3888 x 2916 pixels
    found = find_cells(file, CellSettings())
    assert found.detection.unit_source == "erythrocytes"
    assert abs(found.detection.unit * found.scale - UNIT) < 0.1 * UNIT
    assert found.scale == 1
    assert len(found.cells) + found.detection.more == 144 * len(KINDS)


def test_a_field_with_larger_erythrocytes_stays_reduced() -> None:
    enlarged = Image.fromarray(mosaic(3, 3)).resize((1944, 1640))
    found = find_cells(np.asarray(enlarged), CellSettings())
    assert found.scale == 2
    assert len(found.cells) == 9 * len(KINDS)


def test_an_empty_field_stays_reduced() -> None:
    found = find_cells(np.full((2000, 3000, 3), 230, np.uint8), CellSettings())
    assert found.scale == 2
    assert found.cells == ()


def test_a_field_of_60_megapixels_is_searched_reduced() -> None:
    file = io.BytesIO()
    many_megapixels().save(file, "jpeg")
    found = find_cells(file, CellSettings())
    assert found.scale == 4
    assert len(found.cells) == 12 * 8 * len(GRID)
