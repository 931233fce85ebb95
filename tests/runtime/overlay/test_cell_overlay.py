"""The overlay of a field shows every cell, and leaves the nuclei as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alledge.errors import UsageError
from alledge.runtime.cells.field_rule import CellCounts
from alledge.runtime.cells.results import CellResult
from alledge.runtime.classifier import Classifier
from alledge.runtime.overlay.cell_caption import caption_lines, count_parts, field_heading
from alledge.runtime.overlay.cell_marks import STYLES, flag_signs, percent, verdict_of
from alledge.runtime.overlay.cell_overlay import LEAST_PIXELS, LONGEST_PIXELS, draw_cells
from alledge.runtime.overlay.overlay import Overlays
from support.cell_results import POSITIVE, cell, draw_nuclei, field_result, grid

SIZE = (1000, 750)
KINDS = [
    cell(200, 200),
    cell(500, 200, label="healthy", p=0.1),
    cell(800, 200, label="other", p=0.1),
    cell(200, 500, label="healthy", p=0.1, flags="smudge"),
]
Pixels = NDArray[np.int64]


def pixels_of(picture: Image.Image, mode: str = "RGB") -> Pixels:
    return np.asarray(picture.convert(mode)).astype(np.int64)


def changes(cells: list[CellResult], mode: str = "RGB") -> Pixels:
    """Return how much the marks change a white field, at each of its pixels."""
    drawn = draw_cells(Image.new("RGB", SIZE, "white"), field_result(cells))
    field = pixels_of(drawn, mode)[: SIZE[1]]
    change = abs(255 - field)
    return change.max(axis=2) if mode == "RGB" else change


def on_ring(change: Pixels, own: CellResult, radii: tuple[float, float]) -> Pixels:
    """Return the largest change in each of 360 directions, between two distances."""
    turns = np.deg2rad(np.arange(360))
    steps = np.arange(*radii)
    x = np.rint(own.x + np.outer(steps, np.cos(turns))).astype(int)
    y = np.rint(own.y + np.outer(steps, np.sin(turns))).astype(int)
    return change[y, x].max(axis=0)


def test_the_outlines_of_the_verdicts_differ_in_grey() -> None:
    change = changes(KINDS, "L")
    # without the direction of the label, up and to the right
    shares = [
        float((np.roll(on_ring(change, own, (22, 31)), 90)[90:-45] > 60).mean())
        for own in KINDS[:3]
    ]
    blast, healthy, other = shares
    assert blast == 1
    assert 0.4 < healthy < 0.85
    assert 0.1 < other < healthy - 0.1
    corner = change[500 - 33 : 500 - 18, 200 - 33 : 200 - 18]  # of the square of a smudge cell
    assert corner.max() > 60
    assert change[200 + 22 : 200 + 33, 500 + 22 : 500 + 33].max() < 20  # a circle has none


def test_no_mark_covers_a_nucleus() -> None:
    touching = [cell(400 + 30 * n, 300 + 12 * (n % 3), radius=18) for n in range(8)]
    edge = [cell(2, 2), cell(999, 300), cell(500, 749), cell(995, 745)]
    cells = [*touching, *edge, cell(200, 550, radius=150), *KINDS[:3]]
    change = changes(cells)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    for own in cells:
        assert change[np.hypot(x - own.x, y - own.y) <= own.radius].max() == 0
        nearby = np.hypot(x - own.x, y - own.y) <= 2 * own.radius + 8
        assert change[nearby].max() > 60


@pytest.mark.parametrize("orientation", range(1, 9))
def test_cells_are_in_pixels_of_the_upright_image(tmp_path: Path, orientation: int) -> None:
    cells = [cell(700, 100), cell(300, 500, label="healthy", p=0.1)]
    upright = draw_nuclei(SIZE, cells)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "turned.png", exif=exif)
    turned = draw_cells(tmp_path / "turned.png", field_result(cells))
    assert np.array_equal(pixels_of(turned), pixels_of(draw_cells(upright, field_result(cells))))


@pytest.mark.parametrize(("size", "scale"), [((257, 257), 800 / 257), ((5000, 4000), 0.32)])
def test_small_and_large_fields_are_drawn_at_a_legible_size(
    size: tuple[int, int], scale: float
) -> None:
    x, y = size[0] * 0.4, size[1] * 0.6
    own = cell(x, y, radius=0.05 * size[0])
    drawn = draw_cells(Image.new("RGB", size, "white"), field_result([own]))
    assert LEAST_PIXELS <= drawn.width <= LONGEST_PIXELS
    height = round(size[1] * scale)
    field = pixels_of(drawn)[:height].min(axis=2)
    place = replace(own, x=x * scale, y=y * scale)
    radius = own.radius * scale
    ring = on_ring(255 - field, place, (1.2 * radius, 1.45 * radius))
    assert (ring > 60).all()


def test_a_field_without_a_cell_is_the_plain_picture_and_says_so() -> None:
    field = draw_nuclei(SIZE, [])
    result = field_result([])
    drawn = draw_cells(field, result)
    assert np.array_equal(pixels_of(drawn)[: SIZE[1]], pixels_of(field))
    assert field_heading(result, POSITIVE) == "no leucocyte found"
    instead = "no leucocyte found, only smudge cells and cells called other"
    assert field_heading(field_result([KINDS[2], KINDS[3]]), POSITIVE) == instead


def test_the_heading_has_the_probability_that_the_terminal_prints() -> None:
    """Of a healthy field too, it is that of a blast."""
    result = replace(field_result(KINDS), label="healthy", probability=0.254)
    assert field_heading(result, POSITIVE) == "healthy  25.4% probability of blast"


def test_labels_without_room_are_counted_in_the_caption(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    module = "alledge.runtime.overlay.cell_overlay"
    monkeypatch.setattr(f"{module}.record_lines", lambda result, own: notes.extend(own) or ())
    draw_cells(Image.new("RGB", SIZE, "white"), field_result(grid(100, radius=20)))
    assert notes == []
    crowd = grid(1200, step=25, columns=40, radius=10)
    draw_cells(Image.new("RGB", SIZE, "white"), field_result(crowd))
    (note,) = notes
    missing, _, total, *_ = note.split()
    assert 0 < int(missing) <= int(total) == 1200
    assert note.endswith("cells have no room for a label")


def test_the_caption_says_counts_interval_and_what_is_missing() -> None:
    counts = CellCounts(23, 9, more=4)
    assert count_parts(counts) == (
        "9 blasts of 23 leucocytes",
        "39.1% (95% interval 22.2 to 59.2%)",
        "4 more fields like this for 100 leucocytes",
        "4 further cells not judged",
    )
    assert count_parts(CellCounts(1, 1))[0] == "1 blast of 1 leucocyte"
    assert count_parts(CellCounts(150, 0))[2] == ""
    assert count_parts(CellCounts(0, 0)) == ("",)


def test_the_legend_names_the_verdicts_labels_and_flags_of_the_field() -> None:
    cells = [*KINDS, cell(9, 9, label="lymphocyte", p=0.4, flags="clipped indeterminate")]
    legend = caption_lines(field_result(cells), POSITIVE)[1].parts
    texts = [part if isinstance(part, str) else part.text for part in legend]
    assert texts == [
        "blast 1", "healthy 1, lymphocyte 1", "other 1 (not counted)",
        "smudge cell 1 (not counted)", "%: probability of blast", "?: indeterminate",
        "c: clipped by the edge",
    ]  # fmt: skip


def test_verdicts_percentages_and_signs_of_cells() -> None:
    assert [verdict_of(own) for own in KINDS] == list(STYLES)
    assert verdict_of(cell(1, 1, label="L1"), ("L1", "L2")) == "positive"
    assert [percent(p) for p in (0, 0.001, 0.5, 0.994, 0.9999, 1)] == [
        "0%", "<1%", "50%", "99%", ">99%", "100%",
    ]  # fmt: skip
    assert flag_signs(cell(1, 1, flags="unfamiliar clipped indeterminate")) == " ?!c"
    assert flag_signs(cell(1, 1, flags="smudge")) == ""


def test_hostile_names_and_labels_are_drawn() -> None:
    cells = [cell(200, 200, label=f"{'x' * 300}\n\x1b[2J{n}", p=0.1) for n in range(9)]
    result = field_result(cells, image="a" * 250 + "\n.jpg")
    drawn = draw_cells(Image.new("RGB", SIZE), result)
    assert drawn.height < 2 * SIZE[1]


def test_a_result_without_cells_has_no_picture_of_cells() -> None:
    with pytest.raises(ValueError, match="without cells"):
        draw_cells(Image.new("RGB", SIZE), field_result(None))


def test_an_image_that_cannot_be_read_any_more_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no overlay can be drawn"):
        draw_cells(tmp_path / "none.jpg", field_result([]))


class NoScores:
    """Must not be asked: the cells carry the label."""

    def scores(self, rgb: object) -> NDArray[np.float64]:
        raise AssertionError


@pytest.mark.parametrize("cells", [[], KINDS])
def test_overlays_of_fields_show_their_cells(tmp_path: Path, cells: list[CellResult]) -> None:
    draw_nuclei(SIZE, cells).save(tmp_path / "field.png")
    overlays = Overlays(tmp_path / "out", images=[tmp_path / "field.png"])
    result = field_result(cells, image=str(tmp_path / "field.png"))
    path = overlays.write(NoScores(), tmp_path / "field.png", None, result)
    assert path == tmp_path / "out" / "field.overlay.jpg"
    with Image.open(path) as drawn, Image.open(tmp_path / "field.png") as field:
        assert drawn.width == SIZE[0]
        assert abs(pixels_of(drawn)[5, 5] - pixels_of(field)[5, 5]).max() < 6


def test_an_error_record_is_refused(tmp_path: Path) -> None:
    result = replace(field_result(None), status="error", scores=None, label=None)
    with pytest.raises(ValueError, match="error record"):
        Overlays(tmp_path).write(NoScores(), "x", None, result)


def test_a_cell_bundle_draws_fields_without_a_cell_and_images_of_one_cell(
    cell_bundle: Path, tmp_path: Path
) -> None:
    empty, single = tmp_path / "empty.png", tmp_path / "single.png"
    Image.new("RGB", (500, 400), (240, 240, 240)).save(empty)
    draw_nuclei((96, 96), [cell(48, 48, radius=30)]).save(single)
    with Classifier.load(cell_bundle) as classifier:
        field = classifier.classify(empty, tmp_path / "out", taken_as="field")
        one = classifier.classify(single, tmp_path / "out", taken_as="cell")
    assert (field.overlay_error, one.overlay_error) == (None, None)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["empty.overlay.jpg", "single.overlay.jpg"]
