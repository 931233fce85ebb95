"""Boxes of cells: their positions in pixels of the upright image, and what is refused."""

from pathlib import Path

import pytest
from PIL import Image

from alledge.errors import DataError
from alledge.runtime.data.cell_truth import TrueCell
from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.runtime.data.layout_types import CELL, ReadOptions

CELLS = ReadOptions(task=CELL)


def voc_file(objects: str, size: tuple[int, int] = (200, 100)) -> str:
    width, height = size
    sides = f"<size><width>{width}</width><height>{height}</height></size>"
    return f"<annotation>{sides}{objects}</annotation>"


def voc_box(label: str, *sides: float) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{name}>{side}</{name}>" for name, side in zip(names, sides, strict=True))
    return f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"


def read_voc(root: Path, text: str, size: tuple[int, int] = (200, 100)) -> Dataset:
    Image.new("RGB", size, "white").save(root / "a.png")
    (root / "a.xml").write_text(text, encoding="utf-8")
    return read_dataset(root, CELLS)


def test_voc_boxes_become_cells_in_pixels(tmp_path: Path) -> None:
    boxes = voc_box("WBC", 20, 10, 60, 40) + voc_box("RBC", 100, 50, 140, 90)
    dataset = read_voc(tmp_path, voc_file(boxes))
    (sample,) = dataset.samples
    assert sample.cells == (
        TrueCell("WBC", 39.5, 24.5, 40, 30),
        TrueCell("RBC", 119.5, 69.5, 40, 40),
    )
    assert sample.label == "healthy"
    assert dataset.positive == ("blast",)


def test_yolo_boxes_and_polygons_become_cells_in_pixels(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100), "white").save(tmp_path / "a.png")
    lines = "0 0.2 0.25 0.2 0.3\n1 0.5 0.5 0.7 0.5 0.7 0.9 0.5 0.9\n"
    (tmp_path / "a.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "classes.txt").write_text("blast\nlymphocyte\n", encoding="utf-8")
    (sample,) = read_dataset(tmp_path, CELLS).samples
    assert sample.cells is not None
    assert [cell.label for cell in sample.cells] == ["blast", "lymphocyte"]
    assert sample.cells[0][1:] == pytest.approx((39.5, 24.5, 40, 30))
    assert sample.cells[1][1:] == pytest.approx((119.5, 69.5, 40, 40))
    assert sample.label == "blast"


def test_a_box_one_pixel_wide_is_left_out_and_counted(tmp_path: Path) -> None:
    boxes = voc_box("WBC", 20, 10, 60, 40) + voc_box("WBC", 90, 10, 91, 40)
    dataset = read_voc(tmp_path, voc_file(boxes))
    assert [len(sample.cells or ()) for sample in dataset.samples] == [1]
    assert "1 boxes narrower than 2 pixels are left out" in dataset.notes


def test_boxes_of_a_turned_image_are_refused(tmp_path: Path) -> None:
    text = voc_file(voc_box("WBC", 20, 10, 60, 40), size=(100, 200))
    with pytest.raises(DataError, match="100 × 200 pixels") as error:
        read_voc(tmp_path, text)
    assert "EXIF" in str(error.value.fix)


def test_a_box_that_is_there_twice_is_one_cell(tmp_path: Path) -> None:
    boxes = voc_box("WBC", 20, 10, 60, 40) * 2 + voc_box("wbc", 21, 10, 62, 41)
    boxes += voc_box("WBC", 30, 10, 70, 40)  # common to 60 %: a neighbour
    dataset = read_voc(tmp_path, voc_file(boxes))
    (sample,) = dataset.samples
    assert sample.cells is not None
    assert [(cell.label, cell.x) for cell in sample.cells] == [("WBC", 39.5), ("WBC", 49.5)]
    assert not any("narrower" in note for note in dataset.notes)


@pytest.mark.parametrize("sides", [(20, 10, 60, 40), (22, 12, 60, 42)])
def test_two_classes_of_one_cell_are_refused(tmp_path: Path, sides: tuple[float, ...]) -> None:
    boxes = voc_box("blast", 20, 10, 60, 40) + voc_box("lymphocyte", *sides)
    with pytest.raises(DataError, match=r"two classes .* 'blast' and 'lymphocyte'") as error:
        read_voc(tmp_path, voc_file(boxes))
    assert "a.png" in error.value.what


def test_two_classes_of_one_yolo_box_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100), "white").save(tmp_path / "a.png")
    lines = "0 0.2 0.25 0.2 0.3\n1 0.2 0.25 0.2 0.3\n"
    (tmp_path / "a.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "classes.txt").write_text("blast\nlymphocyte\n", encoding="utf-8")
    with pytest.raises(DataError, match="two classes"):
        read_dataset(tmp_path, CELLS)


def test_boxes_that_overlap_in_part_are_two_cells(tmp_path: Path) -> None:
    boxes = voc_box("WBC", 20, 10, 60, 40) + voc_box("Platelets", 25, 15, 40, 30)
    (sample,) = read_voc(tmp_path, voc_file(boxes)).samples
    assert sample.cells is not None
    assert len(sample.cells) == 2


def test_a_box_outside_its_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="outside its 200 × 100 pixels"):
        read_voc(tmp_path, voc_file(voc_box("WBC", 320, 10, 360, 40)))


def test_a_box_without_a_position_is_refused(tmp_path: Path) -> None:
    text = voc_file("<object><name>WBC</name></object>")
    with pytest.raises(DataError, match="no position"):
        read_voc(tmp_path, text)


def test_whole_fields_need_no_positions(tmp_path: Path) -> None:
    for name, label in (("a", "blast"), ("b", "normal")):
        Image.new("RGB", (50, 50), "white").save(tmp_path / f"{name}.png")
        text = f"<annotation><object><name>{label}</name></object></annotation>"
        (tmp_path / f"{name}.xml").write_text(text, encoding="utf-8")
    dataset = read_dataset(tmp_path)
    assert [sample.label for sample in dataset.samples] == ["blast", "healthy"]
    assert {sample.cells for sample in dataset.samples} == {None}
