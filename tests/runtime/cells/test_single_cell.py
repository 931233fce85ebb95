"""Images of one cell: how they are told from fields, and the cell at the scale of fields."""

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from alledge.runtime.cells import single_cell as module
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.crops import WHITE
from alledge.runtime.cells.detection import NUCLEUS_DIAMETER, detect_cells
from alledge.runtime.cells.field_cells import FieldCells, find_cells
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.cells.single_cell import (
    FALLBACK_RADIUS,
    find_image_cells,
    single_cell,
)
from alledge.runtime.cells.types import Cell, Detection, TakenAs
from alledge.runtime.imaging import Header
from support.generated_cells import cut_out_on_black, draw_smear, grid_places

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


def cut_out(rgb: np.ndarray, *cells: Cell) -> FieldCells:
    """Return the single cell of an image in which these were found."""
    detection = Detection(cells, 60.0, "erythrocytes", tuple(map(float, BACKGROUND)))
    return single_cell(rgb, Header(*rgb.shape[1::-1], "unknown"), 1.0, detection, SETTINGS)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Detection]:
    """The searches for cells of a test, in order."""
    results: list[Detection] = []

    def search(*arguments: Any) -> Detection:
        results.append(detect_cells(*arguments))
        return results[-1]

    monkeypatch.setattr(module, "detect_cells", search)
    return results


def test_the_cell_nearest_to_the_centre_is_taken() -> None:
    cells = Cell(20, 30, 25), Cell(140, 120, 40), Cell(90, 128, 30)
    single = cut_out(draw(BACKGROUND), *cells)
    assert single.cells == (cells[1],)
    assert single.crops.shape == (1, 48, 48, 3)
    assert single.detection.unit == 60.0


def test_without_a_cell_near_the_centre_the_centre_is_taken() -> None:
    single = cut_out(draw(BACKGROUND), Cell(5, 5, 9))
    assert single.cells == (Cell(128, 128, FALLBACK_RADIUS * 257),)
    assert not single.has_nucleus


def test_a_cell_on_black_is_put_on_an_empty_background() -> None:
    rgb = draw((0, 0, 0))
    _, single = find_image_cells(rgb, SETTINGS, "cell")
    (cell,) = single.cells
    assert single.detection.background == (WHITE, WHITE, WHITE)
    assert single.detection.unit == pytest.approx(2 * cell.radius / NUCLEUS_DIAMETER)
    assert single.crops[0].reshape(-1, 3).max(axis=1).min() > 60  # nothing is black
    assert (single.crops[0, 0, 0] == WHITE).all()
    assert (single.rgb == rgb).all()


@pytest.mark.parametrize("background", [BACKGROUND, (0, 0, 0)])
def test_an_image_of_one_cell_is_searched_once_whether_it_is_known_as_one_or_not(
    background: tuple[int, int, int], searches: list[Detection]
) -> None:
    rgb = draw(background)
    (kind, single), (named, wanted) = (
        find_image_cells(rgb, SETTINGS, taken_as) for taken_as in ("auto", "cell")
    )
    assert kind == named == "cell"
    assert len(searches) == 2
    assert (single.header, single.scale) == (wanted.header, wanted.scale)
    assert single.detection == wanted.detection
    assert (single.crops == wanted.crops).all()


@pytest.mark.parametrize(
    ("cell", "seed"), [("blast", 1), ("lymphocyte", 1), ("neutrophil", 0), ("neutrophil", 2)]
)
def test_a_cell_that_was_cut_out_closely_on_black_is_one_cell(cell: str, seed: int) -> None:
    rgb = draw_smear([(cell, 128, 128)], seed=seed, width=257, height=257)
    radius = max(cell.radius for cell in detect_cells(rgb).cells)
    kind, single = find_image_cells(cut_out_on_black(rgb, 1.15 * radius), SETTINGS)
    assert kind == "cell"
    assert single.cells[0].radius == pytest.approx(radius, rel=0.2)


@pytest.mark.parametrize("leucocytes", [0, 1, 4])
def test_a_field_in_a_black_frame_is_the_field_that_it_is_by_name(
    leucocytes: int, searches: list[Detection]
) -> None:
    places = grid_places(["lymphocyte"] * leucocytes, 2, 400, 400)
    smear = [(kind, x + 200, y + 200) for kind, x, y in places]
    rgb = cut_out_on_black(draw_smear(smear, width=800, height=800), 0.49 * 800)
    kind, field = find_image_cells(rgb, SETTINGS)
    assert kind == "field"
    assert len(searches) == 2
    assert len(field.cells) == leucocytes
    by_name = find_cells(rgb, SETTINGS)
    assert field.detection == by_name.detection
    assert (field.crops == by_name.crops).all()


@pytest.mark.parametrize("taken_as", ["auto", "cell"])
def test_a_cell_on_black_may_lie_beside_the_centre(taken_as: TakenAs) -> None:
    rgb = np.zeros((450, 450, 3), np.uint8)
    rgb[10:267, :257] = draw((0, 0, 0))
    kind, image = find_image_cells(rgb, SETTINGS, taken_as)
    (cell,) = image.cells
    assert (kind, image.has_nucleus) == ("cell", True)
    assert np.hypot(cell.x - 128, cell.y - 138) < 4


@pytest.mark.parametrize("turn", range(4))
def test_a_turned_cell_gives_a_turned_crop(turn: int) -> None:
    rgb = draw(BACKGROUND)
    upright = cut_out(rgb, Cell(120, 128, 48)).crops[0]
    where = [(120, 128), (128, 136), (136, 128), (128, 120)][turn]
    turned = np.ascontiguousarray(np.rot90(rgb, turn))
    crop = cut_out(turned, Cell(*where, 48)).crops[0]
    assert np.abs(np.rot90(upright, turn).astype(int) - crop.astype(int)).max() <= 2
