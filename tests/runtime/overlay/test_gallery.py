"""The gallery shows every cell at one scale, by verdict and probability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from alledge.errors import UsageError
from alledge.runtime.cells.results import CellResult
from alledge.runtime.data.inputs import find_images
from alledge.runtime.overlay.gallery import CELLS_A_SHEET, Galleries, draw_gallery
from alledge.runtime.overlay.picture_folder import OVERLAYS, PictureFolder
from support.cell_results import cell, draw_nuclei, field_result, grid

SIZE = (1000, 750)
# A colour for each nucleus, to find its tile.
COLOURS = [
    (200, 30, 30),
    (30, 170, 40),
    (40, 60, 220),
    (220, 190, 20),
    (150, 40, 170),
    (20, 20, 20),
]


def coloured_field(cells: list[CellResult]) -> Image.Image:
    field = draw_nuclei(SIZE, cells)
    pen = ImageDraw.Draw(field)
    for own, colour in zip(cells, COLOURS, strict=True):
        x, y, r = own.x, own.y, own.radius
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    return field


def blobs(sheet: Image.Image, count: int) -> list[NDArray[np.bool_]]:
    """Return where the sheet has the colour of each nucleus, without text and frames."""
    pixels = np.asarray(sheet).astype(int)
    masks = []
    for colour in COLOURS[:count]:
        mask = abs(pixels - colour).max(axis=2) < 10
        inner = mask.copy()
        for axis in (0, 1):
            for step in (-4, 4):
                inner &= np.roll(mask, step, axis)
        masks.append(inner)
    return masks


def test_cells_are_sorted_by_verdict_and_probability() -> None:
    cells = [
        cell(100, 100, label="other", p=0.99),
        cell(300, 100, label="healthy", p=0.4),
        cell(500, 100, p=0.7),
        cell(700, 100, label="healthy", p=0.05),
        cell(100, 400, p=0.99),
        cell(300, 400, p=1.0, flags="smudge"),
    ]
    (sheet,) = draw_gallery(coloured_field(cells), field_result(cells))
    places = [np.argwhere(mask).mean(axis=0) for mask in blobs(sheet, 6)]
    order = sorted(range(6), key=lambda i: (round(places[i][0] / 20), places[i][1]))
    assert order == [4, 2, 1, 3, 0, 5]


def test_all_tiles_have_the_same_scale() -> None:
    cells = [cell(100, 100), cell(300, 100, p=0.8), cell(500, 300, radius=40, p=0.7)]
    cells += [cell(100 + 200 * n, 500, p=0.1 * n, label="healthy") for n in range(3)]
    (sheet,) = draw_gallery(coloured_field(cells), field_result(cells))
    sizes = [np.sqrt(np.ptp(np.argwhere(m), axis=0).prod()) + 8 for m in blobs(sheet, 6)]
    assert sizes[0] == pytest.approx(sizes[1], abs=2)
    assert sizes[2] == pytest.approx(2 * sizes[0], rel=0.05)


@pytest.mark.parametrize(("count", "sheets"), [(0, 1), (1, 1), (3, 1), (40, 1), (200, 1), (410, 3)])
def test_any_number_of_cells_is_shown_on_legible_sheets(count: int, sheets: int) -> None:
    cells = grid(count, step=45, columns=22, radius=10)
    drawn = list(draw_gallery(draw_nuclei(SIZE, cells), field_result(cells)))
    assert len(drawn) == sheets
    assert all(800 <= sheet.width <= 1600 for sheet in drawn)
    assert all(sheet.height < 3200 for sheet in drawn)
    assert count <= sheets * CELLS_A_SHEET


@pytest.mark.parametrize(("x", "y"), [(0, 0), (999, 749), (-5, 300), (1003, 755)])
def test_a_cell_at_the_edge_has_a_whole_tile(x: float, y: float) -> None:
    cells = [cell(x, y), cell(400, 300, p=0.2, label="healthy")]
    drawn = list(draw_gallery(draw_nuclei(SIZE, cells), field_result(cells)))
    inside = [cell(300, 300), cells[1]]
    other = list(draw_gallery(draw_nuclei(SIZE, inside), field_result(inside)))
    assert [sheet.size for sheet in drawn] == [sheet.size for sheet in other]


def test_a_nucleus_as_large_as_the_field_is_shown() -> None:
    cells = [cell(500, 375, radius=370)]
    (sheet,) = draw_gallery(draw_nuclei(SIZE, cells), field_result(cells))
    assert sheet.width == 800


def test_a_result_without_cells_has_no_gallery() -> None:
    with pytest.raises(ValueError, match="no gallery"):
        list(draw_gallery(Image.new("RGB", SIZE), field_result(None)))


def test_an_image_that_cannot_be_read_any_more_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no gallery can be drawn"):
        list(draw_gallery(tmp_path / "none.jpg", field_result([])))


def test_galleries_are_written_beside_each_other_and_never_replaced(tmp_path: Path) -> None:
    cells = grid(230, step=45, columns=22, radius=10)
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        draw_nuclei(SIZE, cells).save(folder / "field.png")
    images = [str(folder / "field.png") for folder in folders]
    out = tmp_path / "out"
    galleries = Galleries(out, images)
    written = [
        path.name for image in images for path in galleries.write(image, field_result(cells, image))
    ]
    assert written == [
        "field.cells.jpg", "field.sheet-2.cells.jpg",
        "field-2.cells.jpg", "field-2.sheet-2.cells.jpg",
    ]  # fmt: skip
    assert sorted(written) == sorted(path.name for path in out.iterdir())
    with pytest.raises(UsageError, match=r"field\.cells\.jpg exists already"):
        Galleries(out, images)
    again = Galleries(out, images, force=True).write(images[0], field_result(cells, images[0]))
    assert again[0] == out / "field.cells.jpg"


def write_gallery(out: Path, count: int, image: str = "field.png", *, force: bool = False) -> None:
    """Write the gallery of a field with so many cells."""
    cells = grid(count, step=40, columns=25, radius=8)
    field = draw_nuclei(SIZE, cells)
    Galleries(out, [image], force=force).write(field, field_result(cells, image))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_no_sheet_of_an_earlier_gallery_stays_beside_the_new_one(tmp_path: Path) -> None:
    write_gallery(tmp_path, 410)
    write_gallery(tmp_path, 410, "other.png")
    (tmp_path / "field.sheet-2.cells.jpg").unlink()
    (tmp_path / "field.sheet-2.png").touch()
    write_gallery(tmp_path, 3, force=True)
    assert names(tmp_path) == [
        "field.cells.jpg", "field.sheet-2.png",
        "other.cells.jpg", "other.sheet-2.cells.jpg", "other.sheet-3.cells.jpg",
    ]  # fmt: skip
    write_gallery(tmp_path, 3, "other.png", force=True)
    write_gallery(tmp_path, 230, "other.png", force=True)
    assert names(tmp_path)[2:] == ["other.cells.jpg", "other.sheet-2.cells.jpg"]


def test_a_sheet_of_an_earlier_gallery_is_never_removed_without_force(tmp_path: Path) -> None:
    write_gallery(tmp_path, 230)
    (tmp_path / "field.cells.jpg").unlink()
    with pytest.raises(UsageError, match=r"field\.sheet-2\.cells\.jpg exists already"):
        write_gallery(tmp_path, 3)
    later = Galleries(tmp_path)  # it does not know yet which images will come
    with pytest.raises(UsageError, match=r"field\.sheet-2\.cells\.jpg exists already"):
        later.write(draw_nuclei(SIZE, []), field_result([], "field.png"))
    assert names(tmp_path) == ["field.sheet-2.cells.jpg"]


def test_a_gallery_with_the_name_of_a_sheet_stays(tmp_path: Path) -> None:
    images = ["field.png", "field.sheet-2.png"]
    field = draw_nuclei(SIZE, [])
    for force in (False, True):
        galleries = Galleries(tmp_path, images, force=force)
        for image in reversed(images):
            galleries.write(field, field_result([], image))
        assert names(tmp_path) == ["field.cells.jpg", "field.sheet-2.cells.jpg"]


def test_overlays_have_no_sheets(tmp_path: Path) -> None:
    other = tmp_path / "field.sheet-2.overlay.jpg"
    other.touch()
    for force in (False, True):
        PictureFolder(tmp_path, OVERLAYS, ["field.png"], force=force).save(
            "field.png", Image.new("RGB", (8, 8))
        )
    assert other.stat().st_size == 0


def test_a_folder_with_the_name_of_a_sheet_is_not_removed(tmp_path: Path) -> None:
    write_gallery(tmp_path, 3)
    (tmp_path / "field.sheet-2.cells.jpg").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        write_gallery(tmp_path, 3, force=True)


def test_pixels_get_names_that_are_free(tmp_path: Path) -> None:
    field = draw_nuclei(SIZE, [])
    for name in ("image.cells.jpg", "image-2.cells.jpg"):
        (path,) = Galleries(tmp_path).write(field, field_result([], None))
        assert path.name == name


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no galleries can be written"):
        Galleries(tmp_path / "file")


def test_galleries_are_no_images_of_a_folder(tmp_path: Path) -> None:
    field = draw_nuclei(SIZE, [])
    field.save(tmp_path / "field.png")
    Galleries(tmp_path).write(field, field_result([], str(tmp_path / "field.png")))
    search = find_images([tmp_path])
    assert list(search) == [str(tmp_path / "field.png")]
    assert search.left_out.counts == {"gallery of alledge": 1}
