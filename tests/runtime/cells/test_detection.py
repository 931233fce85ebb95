"""Cell detection on generated fields, in which every cell is known."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from alledge.runtime.cells.detection import detect_cells
from alledge.runtime.cells.detection_settings import DetectionSettings
from alledge.runtime.cells.nuclei import find_nuclei
from alledge.runtime.cells.types import Detection
from support.generated_cells import RGB, Places, draw_smear, grid_places

KINDS = ["blast", "lymphocyte", "neutrophil"] * 3
PLACES = grid_places(KINDS, 3)
UNIT = 7.4 * 8  # pixels of an erythrocyte in fields of `draw_smear`


def centres(detection: Detection) -> list[tuple[float, float]]:
    return [(cell.x, cell.y) for cell in detection.cells if "smudge" not in cell.flags]


def assert_same_places(found: list[tuple[float, float]], truth: Places, scale: float = 1) -> None:
    """Assert that every cell was found once, within half an erythrocyte, and nothing else."""
    assert len(found) == len(truth)
    for _, x, y in truth:
        nearest = min(np.hypot(a / scale - x, b / scale - y) for a, b in found)
        assert nearest < 0.6 * UNIT, (x, y)


@pytest.fixture(scope="module")
def field() -> RGB:
    return draw_smear(PLACES, platelets=12)


def resized(rgb: RGB, scale: float) -> RGB:
    size = [round(side * scale) for side in rgb.shape[1::-1]]
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))


@pytest.mark.parametrize("seed", range(4))
def test_every_leucocyte_is_found_once_among_platelets(seed: int) -> None:
    detection = detect_cells(draw_smear(PLACES, seed=seed, platelets=15))
    assert_same_places(centres(detection), PLACES)
    assert detection.unit_source == "erythrocytes"
    assert detection.more == 0


@pytest.mark.parametrize("scale", [0.4, 0.5, 1, 1.5, 2])
def test_the_same_field_at_any_scale_has_the_same_cells_and_unit(field: RGB, scale: float) -> None:
    detection = detect_cells(resized(field, scale))
    assert_same_places(centres(detection), PLACES, scale)
    assert detection.unit == pytest.approx(UNIT * scale, rel=0.1)


CLUSTER = [("blast", 210.0 + 100 * x, 190.0 + 100 * y) for x, y in ((0, 0), (1, 0), (0, 1), (1, 1))]


@pytest.mark.parametrize("blur", [0, 3, 5])
@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_touching_nuclei_and_poor_focus_do_not_hide_the_erythrocytes(
    blur: float, scale: float
) -> None:
    picture = draw_smear(CLUSTER, width=640, height=480, px_per_um=13, erythrocytes=0.45)
    enlarged = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(blur))
    detection = detect_cells(resized(np.asarray(enlarged), scale))
    assert detection.unit_source == "erythrocytes"
    assert detection.unit == pytest.approx(13 * 7.4 * scale, rel=0.15)


@pytest.mark.parametrize(
    ("radius", "gap", "count"), [(0.5, 1.1, 1), (0.3, 0.8, 1), (0.62, 1.25, 2), (0.42, 1.5, 2)]
)
def test_lobes_that_are_near_each_other_are_one_nucleus(
    radius: float, gap: float, count: int
) -> None:
    unit = 16.0
    y, x = np.mgrid[:80, :100]
    distance = np.minimum(np.hypot(x - 40, y - 40), np.hypot(x - 40 - gap * unit, y - 40))
    stain = np.where(distance < radius * unit, 3.0, 0.0).astype(np.float32)
    assert find_nuclei(stain, unit, min_stain=1.6).count == count


@pytest.mark.parametrize("turn", list(Image.Transpose))
def test_turned_and_mirrored_fields_have_the_same_cells(field: RGB, turn: Image.Transpose) -> None:
    detection = detect_cells(np.asarray(Image.fromarray(field).transpose(turn)))
    marks = Image.new("L", field.shape[1::-1])
    for number, (_, x, y) in enumerate(PLACES):
        marks.putpixel((round(x), round(y)), number + 1)
    turned = np.asarray(marks.transpose(turn))
    rows, columns = np.nonzero(turned)
    truth = [("", float(x), float(y)) for x, y in zip(columns, rows, strict=True)]
    assert_same_places(centres(detection), truth)


@pytest.mark.parametrize(
    "tint", [(1, 0.93, 0.62), (0.75, 0.9, 1.1), (0.45, 0.45, 0.45), (1.05, 0.9, 0.95)]
)
def test_colour_casts_and_dim_light_change_nothing(
    field: RGB, tint: tuple[float, float, float]
) -> None:
    cast = np.clip(field * np.array(tint), 0, 255).astype(np.uint8)
    assert_same_places(centres(detect_cells(cast)), PLACES)


def test_touching_nuclei_are_parted() -> None:
    pair = [("blast", 380.0, 350.0), ("blast", 490.0, 350.0), ("lymphocyte", 435.0, 435.0)]
    assert_same_places(centres(detect_cells(draw_smear(pair))), pair)


def test_touching_nuclei_without_erythrocytes_are_parted() -> None:
    places = [
        ("blast", 86.0 + 116 * column + row % 2 * 10, 86.0 + 116 * row)
        for row in range(3)
        for column in range(4)
    ]
    detection = detect_cells(draw_smear(places, width=524, height=408, erythrocytes=0.1))
    assert detection.unit_source == "nuclei"
    assert_same_places(centres(detection), places)


def test_many_leucocytes_without_erythrocytes_are_not_taken_for_these() -> None:
    places = grid_places(["blast"] * 60, 10, 1600, 1200)
    detection = detect_cells(draw_smear(places, width=1600, height=1200, erythrocytes=0))
    assert detection.unit_source == "nuclei"
    assert_same_places(centres(detection), places)


def test_a_field_of_erythrocytes_and_platelets_has_no_cell() -> None:
    detection = detect_cells(draw_smear([], platelets=30))
    assert detection.cells == ()
    assert detection.unit == pytest.approx(UNIT, rel=0.1)


@pytest.mark.parametrize("level", [0, 20, 128, 230, 255])
def test_an_empty_picture_has_no_cell_and_no_scale(level: int) -> None:
    detection = detect_cells(np.full((300, 400, 3), level, np.uint8))
    assert detection.cells == ()
    assert detection.unit_source == "none"
    assert detection.unit == 20


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (300, 2, 3), (5, 5, 3)])
def test_pictures_of_a_few_pixels_have_no_cell(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    assert detect_cells(rng.integers(0, 256, shape, dtype=np.uint8)).cells == ()


def test_arrows_scale_bars_and_text_are_not_cells(field: RGB) -> None:
    image = Image.fromarray(field)
    draw = ImageDraw.Draw(image)
    draw.polygon([(160, 230), (190, 200), (220, 230), (200, 230), (200, 290), (180, 290)], "orange")
    draw.polygon([(700, 230), (730, 200), (760, 230), (740, 230), (740, 290), (720, 290)], "black")
    draw.rectangle([20, 660, 180, 672], fill="black")
    draw.text((25, 640), "20 um", fill="black", font_size=18)
    assert_same_places(centres(detect_cells(np.asarray(image))), PLACES)


def test_cells_are_in_reading_order_with_the_radius_of_their_nucleus(field: RGB) -> None:
    cells = detect_cells(field).cells
    assert [cell.y for cell in cells] == sorted(cell.y for cell in cells)
    for _, x, y in (place for place in PLACES if place[0] == "blast"):
        cell = min(cells, key=lambda cell: np.hypot(cell.x - x, cell.y - y))
        expected = 0.5 * 15.5 * 8 * 0.84**0.5  # diameter, and share of the nucleus, of a blast
        assert cell.radius == pytest.approx(expected, rel=0.12)


def test_a_cell_at_the_edge_is_flagged() -> None:
    cells = detect_cells(draw_smear([("blast", 5.0, 350.0), ("blast", 450.0, 350.0)])).cells
    assert [cell.flags for cell in sorted(cells, key=lambda cell: cell.x)] == [("clipped",), ()]


def test_a_crop_of_one_cell_has_one_cell(field: RGB) -> None:
    _, x, y = PLACES[4]
    for side in (120, 257, 360):
        half = 100
        crop = Image.fromarray(field).crop((x - half, y - half, x + half, y + half))
        detection = detect_cells(np.asarray(crop.resize((side, side))))
        assert len(detection.cells) == 1
        assert np.hypot(detection.cells[0].x - side / 2, detection.cells[0].y - side / 2) < side / 8


def test_one_giant_cell_is_found() -> None:
    crop = draw_smear([("blast", 300.0, 300.0)], width=600, height=600, px_per_um=30)
    detection = detect_cells(crop)
    assert len(detection.cells) == 1
    assert detection.unit_source == "nuclei"


def test_five_thousand_cells_are_bounded_and_counted() -> None:
    tile = draw_smear([("lymphocyte", 80.0, 80.0)], width=160, height=160, erythrocytes=0.3)
    tile = resized(tile, 0.25)
    detection = detect_cells(np.tile(tile, (50, 100, 1)))
    assert len(detection.cells) == DetectionSettings().max_cells
    assert 3500 < detection.more < 4500


def test_cells_above_the_limit_are_counted(field: RGB) -> None:
    detection = detect_cells(field, DetectionSettings(max_cells=4))
    assert len(detection.cells) == 4
    assert detection.more == 5
