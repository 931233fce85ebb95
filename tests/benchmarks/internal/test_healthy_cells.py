"""`healthy_cells`: the cells of each kind, how many are found, and how many are called blasts.

The tiny network finds red in the square of a cell: a red rim makes a blast, a green one does not.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.benchmarks.internal.healthy_cells import main
from alledge.runtime.metrics.intervals import wilson
from support.boxed_fields import BOXED, write_bccd
from support.cell_pictures import one_cell

SCHEMA = Path(__file__).resolve().parents[3] / "runtime" / "schemas" / "healthy-cells.json"
RIM, GREEN = (200, 170, 215), (150, 220, 215)


def write_cell(path: Path, *, is_red: bool) -> None:
    rgb = one_cell()
    if not is_red:
        rgb[(rgb == RIM).all(axis=2)] = GREEN
    Image.fromarray(rgb).save(path)


def rows(bundle: Path, *options: object) -> list[list[str]]:
    """Return the rows of the table below its head."""
    words = [str(bundle), "--backend", "onnx", *map(str, options)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    lines = result.stdout.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def interval(blasts: int, answered: int) -> str:
    return "{:.1%} to {:.1%}".format(*wilson(blasts, answered))


def test_each_folder_is_a_kind(cell_bundle: Path, tmp_path: Path) -> None:
    for kind, reds in (("lymphocyte", (True, True, True)), ("neutrophil", (False, True))):
        (tmp_path / kind).mkdir()
        for number, is_red in enumerate(reds):
            write_cell(tmp_path / kind / f"{number}.png", is_red=is_red)
    empty = Image.fromarray(np.full((200, 200, 3), 235, np.uint8))
    empty.save(tmp_path / "neutrophil" / "empty.png")
    assert rows(cell_bundle, "--folders", "PBC", tmp_path) == [
        ["PBC", "lymphocyte", "3", "3", "3 (100.0%)", interval(3, 3), "0", "0"],
        # one cell of three was not found; a green one is nearly at the threshold
        ["PBC", "neutrophil", "3", "2", "1 (50.0%)", interval(1, 2), "0", "1"],
    ]


def test_a_table_gives_the_kind_of_each_image(cell_bundle: Path, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_cell(tmp_path / f"{number:03}.bmp", is_red=number == 1)
    table = tmp_path / "classes.csv"
    table.write_text("image,class\n1,5\n2,5\n3,6\n", encoding="utf-8")  # there is no kind 6
    assert rows(cell_bundle, "--table", "JTSC", tmp_path, table) == [
        ["JTSC", "basophil", "2", "2", "1 (50.0%)", interval(1, 2), "0", "1"],
    ]


def test_the_figures_are_written_as_a_document(cell_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "PBC" / "lymphocyte").mkdir(parents=True)
    write_cell(tmp_path / "PBC" / "lymphocyte" / "0.png", is_red=True)
    rows(cell_bundle, "--folders", "PBC", tmp_path / "PBC", "--json", tmp_path / "figures.json")
    document = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    (row,) = document["rows"]
    assert (row["set"], row["kind"], row["answered"], row["blasts"]) == ("PBC", "lymphocyte", 1, 1)


def test_only_the_leucocytes_with_a_box_count(cell_bundle: Path, tmp_path: Path) -> None:
    write_bccd(tmp_path)
    [row] = rows(cell_bundle, "--boxes", "BCCD", tmp_path)
    assert row[:4] == ["BCCD", "leucocyte", str(BOXED), str(BOXED)]


def test_a_kind_without_an_answer_has_no_share(cell_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "monocyte").mkdir()
    Image.new("RGB", (200, 200), (235, 235, 235)).save(tmp_path / "monocyte" / "empty.png")
    [row] = rows(cell_bundle, "--folders", "PBC", tmp_path)
    assert row[2:6] == ["1", "0", "0 (0.0%)", "0.0% to 100.0%"]


@pytest.mark.parametrize("is_red", [True, False])
def test_of_a_field_without_boxes_the_largest_nucleus_counts(
    cell_bundle: Path, tmp_path: Path, is_red: bool
) -> None:
    (tmp_path / "monocyte").mkdir()
    rgb = np.concatenate([one_cell(radius=30), one_cell(radius=44)], axis=1)
    left, right = rgb[:, :200], rgb[:, 200:]
    (left if is_red else right)[((left if is_red else right) == RIM).all(axis=2)] = GREEN
    Image.fromarray(rgb).save(tmp_path / "monocyte" / "pair.png")
    [row] = rows(cell_bundle, "--folders", "PBC", tmp_path)
    assert row[2:5] == ["1", "1", "1 (100.0%)" if is_red else "0 (0.0%)"]
