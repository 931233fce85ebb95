"""`cell_detection` and its sets: which detections are right, which are false, and the figures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.benchmarks.internal.cell_detection import agreement, main, summary, tally
from alledge.benchmarks.internal.cell_sets import Truth, all_idb1, bccd, pig, segmented
from alledge.runtime.cells.detection import detect_cells
from alledge.runtime.cells.types import Cell, Detection
from alledge.runtime.metrics.intervals import wilson
from support.boxed_fields import SIDE, write_bccd
from support.generated_cells import draw_smear, grid_places

FIELD = Path("field.jpg")


def detection(*cells: Cell) -> Detection:
    return Detection(cells, 20.0, "erythrocytes", (230.0, 230.0, 230.0))


def test_a_detection_within_its_radius_of_a_centre_is_right() -> None:
    truth = Truth(
        FIELD, "a", points=np.array([[50.0, 50], [150, 50]]), leucocytes=np.array([[90.0, 90]])
    )
    answer = detection(
        Cell(53, 54, 6),  # 5 pixels away
        Cell(150, 57, 6),  # 7 pixels away
        Cell(90, 91, 6),  # the other leucocyte
        Cell(10, 10, 6, ("smudge",)),
    )
    assert tally(truth, 1.0, answer) == Counter(
        fields=1, cells=2, found=1, leucocytes=1, leucocytes_found=1, false=1, false_flagged=1,
        found_flagged=0,
    )  # fmt: skip


def test_the_truth_is_scaled_to_the_field_that_was_searched() -> None:
    truth = Truth(FIELD, "a", points=np.array([[100.0, 100.0]]))
    assert tally(truth, 0.5, detection(Cell(50, 50, 5)))["found"] == 1
    assert tally(truth, 1.0, detection(Cell(50, 50, 5)))["found"] == 0


def test_the_second_detection_in_a_box_is_false() -> None:
    truth = Truth(FIELD, "a", boxes=np.array([[0.0, 0, 40, 40], [60, 0, 100, 40]]))
    counts = tally(truth, 1.0, detection(Cell(20, 20, 9, ("smudge",)), Cell(30, 20, 9)))
    assert (counts["cells"], counts["found"], counts["found_flagged"]) == (2, 1, 1)
    assert counts["false"] == 1


def test_the_cell_of_a_mask_is_found_once(tmp_path: Path) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:50] = 128
    Image.fromarray(mask).save(tmp_path / "a.png")
    truth = Truth(FIELD, "a", mask=tmp_path / "a.png")
    counts = tally(truth, 1.0, detection(Cell(40, 30, 9), Cell(42, 30, 9), Cell(10, 10, 9)))
    assert (counts["cells"], counts["found"], counts["false"]) == (1, 1, 2)


def test_the_row_of_a_group_has_the_figures_of_its_counts() -> None:
    counts = Counter(fields=4, cells=10, found=9, found_flagged=1, false=2, scaled=40, agree=30)
    row = summary("a", counts, is_complete=True)
    assert row["recall"] == 0.9
    assert row["recall_interval"] == pytest.approx(wilson(9, 10), abs=1e-4)
    assert row["false_per_field"] == 0.5
    assert row["precision"] == 0.8  # 8 of 10 detections without the flag
    assert row["agreement"] == 0.75
    assert "precision" not in summary("a", counts, is_complete=False)
    assert "recall" not in summary("a", Counter(fields=1), is_complete=True)


def test_a_generated_field_has_its_cells_at_every_scale() -> None:
    rgb = draw_smear(grid_places(("blast", "lymphocyte"), 2))
    counts = agreement(rgb, detect_cells(rgb))
    assert counts == {"scaled": 8, "agree": 8}  # two cells, and two at each of two scales


def test_the_boxes_of_bccd_are_those_of_leucocytes_that_have_an_area(tmp_path: Path) -> None:
    places = write_bccd(tmp_path / "BCCD")
    [truth] = bccd(tmp_path)
    expected = [[x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2] for x, y in places]
    assert truth.boxes.tolist() == expected
    assert truth.image == tmp_path / "BCCD" / "JPEGImages" / "field.jpg"


def test_the_command_measures_a_generated_field(tmp_path: Path) -> None:
    write_bccd(tmp_path / "BCCD")
    result = CliRunner().invoke(main, ["bccd", str(tmp_path)], catch_exceptions=False)
    row, times = map(json.loads, result.stdout.splitlines())
    assert (row["group"], row["fields"], row["cells"], row["found"]) == ("BCCD", 1, 3, 3)
    assert (row["false"], row["precision"]) == (1, 0.75)  # the leucocyte without a box
    assert row["unit from erythrocytes"] == 1
    assert set(times["cpu_ms"]) == {"decode", "detect"}


def test_all_idb1_has_the_blasts_of_its_files_and_the_leucocytes_of_the_table(
    tmp_path: Path,
) -> None:
    for folder in ("im", "xyc"):
        (tmp_path / folder).mkdir()
    for name, width, text in (("Im001_1", 1712, "10 20\n30 40\n"), ("Im900_0", 2592, "")):
        Image.new("RGB", (width, 100)).save(tmp_path / "im" / f"{name}.jpg")
        (tmp_path / "xyc" / f"{name}.xyc").write_text(text, encoding="utf-8")
    blasts, healthy = all_idb1(tmp_path)
    assert (blasts.group, healthy.group) == ("Olympus, blasts", "Canon, healthy")
    assert blasts.points.tolist() == [[10, 20], [30, 40]]
    assert healthy.points.shape == (0, 2)
    assert healthy.leucocytes.size == 0  # the table has no such image


def test_a_pig_smear_has_boxes_in_pixels(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / "train" / folder).mkdir(parents=True)
    Image.new("RGB", (200, 100)).save(tmp_path / "train" / "images" / "a.jpg")
    label = tmp_path / "train" / "labels" / "a.txt"
    label.write_text("0 0.5 0.5 0.1 0.4\n", encoding="utf-8")
    [truth] = pig(tmp_path)
    assert truth.boxes == pytest.approx(np.array([[90, 30, 110, 70]]))


def test_the_crops_of_two_data_sets_have_a_mask_each(tmp_path: Path) -> None:
    for folder in ("Dataset 1", "Dataset 2"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "001.bmp")
    assert [(truth.group, truth.mask) for truth in segmented(tmp_path)] == [
        ("JTSC", tmp_path / "Dataset 1" / "001.png"),
        ("CellaVision", tmp_path / "Dataset 2" / "001.png"),
    ]
