"""The one cell of an image: in its centre, at the scale of the cells of fields."""

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from alledge.runtime.cells import single_cell as module
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.crops import WHITE
from alledge.runtime.cells.detection import detect_cells
from alledge.runtime.cells.field_cells import FieldCells, find_cells
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.cells.single_cell import (
    FALLBACK_RADIUS,
    NUCLEUS_DIAMETER,
    find_single_cell,
    single_cell,
)
from alledge.runtime.cells.types import Cell, Detection
from alledge.runtime.imaging import Header

SETTINGS = CellSettings(crop=CropSettings(size=48))
BACKGROUND, NUCLEUS, CYTOPLASM = (228, 222, 226), (92, 48, 130), (170, 160, 215)


def draw(background: tuple[int, int, int], side: int = 257) -> np.ndarray:
    """Return a cell in the centre of a square."""
    image = Image.new("RGB", (side, side), background)
    pen = ImageDraw.Draw(image)
    for radius, colour in ((70, CYTOPLASM), (48, NUCLEUS)):
        centre = side // 2
        pen.ellipse((centre - radius, centre - radius, centre + radius, centre + radius), colour)
    return np.asarray(image)


def found(rgb: np.ndarray, *cells: Cell) -> FieldCells:
    detection = Detection(cells, 60.0, "erythrocytes", tuple(map(float, BACKGROUND)))
    crops = np.zeros((len(cells), 48, 48, 3), np.uint8)
    return FieldCells(rgb, Header(*rgb.shape[1::-1], "unknown"), 1.0, detection, crops)


def test_the_cell_nearest_to_the_centre_is_taken() -> None:
    cells = Cell(20, 30, 25), Cell(140, 120, 40), Cell(90, 128, 30)
    single = single_cell(found(draw(BACKGROUND), *cells), SETTINGS)
    assert single.cells == (cells[1],)
    assert single.crops.shape == (1, 48, 48, 3)
    assert single.detection.unit == 60.0


def test_without_a_cell_near_the_centre_the_centre_is_taken() -> None:
    single = single_cell(found(draw(BACKGROUND), Cell(5, 5, 9)), SETTINGS)
    assert single.cells == (Cell(128, 128, FALLBACK_RADIUS * 257),)
    assert not single.has_nucleus


def test_a_cell_on_black_is_put_on_an_empty_background() -> None:
    single = single_cell(find_cells(draw((0, 0, 0)), SETTINGS), SETTINGS)
    (cell,) = single.cells
    assert single.detection.background == (WHITE, WHITE, WHITE)
    assert single.detection.unit == pytest.approx(2 * cell.radius / NUCLEUS_DIAMETER)
    assert single.crops[0].reshape(-1, 3).max(axis=1).min() > 60  # nothing is black
    assert (single.crops[0, 0, 0] == WHITE).all()


@pytest.mark.parametrize("background", [BACKGROUND, (0, 0, 0)])
def test_an_image_that_is_known_to_show_one_cell_is_searched_once(
    background: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb = draw(background)
    wanted = single_cell(find_cells(rgb, SETTINGS), SETTINGS)
    searches: list[Detection] = []

    def count_search(*searched: Any) -> Detection:
        searches.append(detect_cells(*searched))
        return searches[-1]

    monkeypatch.setattr(module, "detect_cells", count_search)
    single = find_single_cell(rgb, SETTINGS)
    assert len(searches) == 1
    assert (single.header, single.scale) == (wanted.header, wanted.scale)
    assert single.detection == wanted.detection
    assert (single.rgb == wanted.rgb).all()
    assert (single.crops == wanted.crops).all()


@pytest.mark.parametrize("turn", range(4))
def test_a_turned_cell_gives_a_turned_crop(turn: int) -> None:
    rgb = draw(BACKGROUND)
    upright = single_cell(found(rgb, Cell(120, 128, 48)), SETTINGS).crops[0]
    where = [(120, 128), (128, 136), (136, 128), (128, 120)][turn]
    turned = np.ascontiguousarray(np.rot90(rgb, turn))
    crop = single_cell(found(turned, Cell(*where, 48)), SETTINGS).crops[0]
    assert np.abs(np.rot90(upright, turn).astype(int) - crop.astype(int)).max() <= 2
