"""`alledge classify` with a cell bundle, as it is typed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from alledge import runtime
from alledge.cli import main
from alledge.runtime.csv_cells import read_csv

SCHEMAS = Path(runtime.__file__).parent / "schemas"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def images(fields: list[Path], tmp_path: Path) -> list[Path]:
    """Three fields, one of them without a cell, and a file that is no image."""
    empty, bad = tmp_path / "=empty.png", tmp_path / "bad.png"
    Image.new("RGB", (500, 400), (240, 240, 240)).save(empty)
    bad.write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    return [*fields[:2], empty, bad]


def test_json_is_a_valid_record_for_every_field_and_the_smear(
    images: list[Path], cell_bundle: Path
) -> None:
    result = run("classify", *images, "--bundle", cell_bundle, "--smear", "--json")
    assert result.exit_code == 1, result.output
    records = lines(result)
    schema = json.loads((SCHEMAS / "classify.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    for record in records:
        validator.validate(record)
    assert [record["as"] for record in records] == ["field", "field", "field", None, "smear"]
    assert [record["image"] for record in records] == [*map(str, images), None]
    assert records[2]["label"] is None
    assert records[2]["flags"][-1] == "too_few_cells"
    smear = records[-1]
    assert smear["cells"] is None
    assert smear["counts"]["fields"] == 3
    for key in ("leucocytes", "blasts"):
        assert smear["counts"][key] == sum(record["counts"][key] for record in records[:3])
    whole = {**records[2], "label": "healthy"}
    assert not validator.is_valid(whole)


@pytest.mark.parametrize("name", ["pictures", "pictures/0.overlay.jpg", "pictures/0.CELLS.jpg"])
def test_the_file_of_cells_has_no_name_of_a_picture(
    name: str, fields: list[Path], cell_bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    options = ("--overlay", folder / "inside", "--cells", folder, "--cells-csv", tmp_path / name)
    result = run("classify", fields[1], "--bundle", cell_bundle, *options, "--force")
    assert result.exit_code == 2
    assert "has the name of a" in result.stderr
    assert not folder.exists()


def test_the_file_of_cells_replaces_no_file_of_the_bundle(
    fields: list[Path], own_cell_bundle: Path
) -> None:
    record = own_cell_bundle / "bundle.json"
    before = record.read_bytes()
    options = ("--bundle", own_cell_bundle, "--cells-csv", record, "--force")
    result = run("classify", fields[1], *options)
    assert result.exit_code == 2
    assert "never replaces" in result.stderr
    assert record.read_bytes() == before


def test_a_field_that_is_named_twice_is_counted_once(fields: list[Path], cell_bundle: Path) -> None:
    result = run("classify", fields[1], fields[1], "--bundle", cell_bundle, "--smear", "--json")
    field, again, smear = lines(result)
    assert {**field, "ms": 0} == {**again, "ms": 0}
    assert smear["counts"] == field["counts"]
    assert "1 field is the same as others: the smear counts each once" in result.stderr


def test_csv_has_the_counts_and_a_second_file_the_cells(
    images: list[Path], cell_bundle: Path, tmp_path: Path
) -> None:
    table = tmp_path / "cells.csv"
    options = ("--bundle", cell_bundle, "--smear", "--csv", "--cells-csv", table)
    result = run("classify", *images, *options)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["as"] for row in rows] == ["field", "field", "field", "", "smear"]
    assert rows[3]["counts.leucocytes"] == ""
    with table.open(encoding="utf-8", newline="") as stream:
        cells = list(read_csv(stream))
    records = lines(run("classify", *images[:2], "--bundle", cell_bundle, "--json"))
    assert [(cell["image"], int(cell["number"])) for cell in cells] == [
        (record["image"], number)
        for record in records
        for number in range(1, len(record["cells"]) + 1)
    ]
    assert sum(int(row["counts.leucocytes"]) for row in rows[:3]) <= len(cells)
    for cell, wanted in zip(cells, [c for r in records for c in r["cells"]], strict=True):
        assert int(cell["x"]) == wanted["x"]
        assert float(cell["probability"]) == wanted["probability"]


def test_the_file_of_cells_is_replaced_only_when_forced(
    images: list[Path], cell_bundle: Path, tmp_path: Path
) -> None:
    table = tmp_path / "cells.csv"
    table.write_text("of the user", encoding="utf-8")
    options = ("--bundle", cell_bundle, "--json", "--cells-csv")
    refused = run("classify", images[0], *options, table)
    assert refused.exit_code == 2
    assert "cells.csv exists already" in refused.stderr
    assert refused.stdout == ""
    assert table.read_text(encoding="utf-8") == "of the user"
    assert run("classify", images[0], *options, table, "--force").exit_code == 0
    assert table.read_text(encoding="utf-8").startswith("image,number,x,y,radius")
    itself = run("classify", images[0], *options, images[0], "--force")
    assert itself.exit_code == 2
    assert "is an input" in itself.stderr


def test_text_says_counts_and_how_many_fields_are_missing(
    images: list[Path], cell_bundle: Path
) -> None:
    result = run("classify", *images, "--bundle", cell_bundle, "--smear")
    header, legend, *rows, smear, footer = result.stdout.splitlines()
    assert "tiny-cell-float32" in header
    assert "the probability that the field has a blast" in legend
    assert all("leucocyte" in row for row in rows[:3])
    assert "no leucocyte found" in rows[2]
    assert "review: " in rows[2]
    assert "error" in rows[3]
    assert smear.startswith("smear, fields: 3")
    assert "for 100 leucocytes" in smear
    assert footer.startswith("4 images: ")


def test_an_image_of_one_cell_says_what_it_was_taken_as(
    fields: list[Path], cell_bundle: Path
) -> None:
    for kind in ("field", "cell"):
        result = run("classify", fields[0], "--bundle", cell_bundle, "--as", kind, "--json")
        assert lines(result)[0]["as"] == kind
    text = run("classify", fields[0], "--bundle", cell_bundle, "--as", "cell").stdout
    assert "one cell" in text


@pytest.mark.parametrize(
    "option",
    [("--smear",), ("--as", "cell"), ("--cells-csv", "cells.csv"), ("--cells", "pictures")],
    ids=lambda option: option[0],
)
def test_options_of_cells_need_a_bundle_of_cells(
    fields: list[Path],
    bundle: Path,
    option: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("classify", fields[0], "--bundle", bundle, *option)
    assert result.exit_code == 2
    assert "judges whole fields" in result.stderr
    assert "fix: " in result.stderr
    assert not any(tmp_path.iterdir())


def test_overlays_and_galleries_show_the_cells_of_fields(
    images: list[Path], cell_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--bundle", cell_bundle, "--json", "--overlay", out, "--cells", out)
    result = run("classify", *images, *options)
    records = lines(result)
    schema = json.loads((SCHEMAS / "classify.json").read_text(encoding="utf-8"))
    for record in records:
        jsonschema.Draft202012Validator(schema).validate(record)
    for record in records[:3]:
        stem = Path(record["image"]).stem
        for file in (record["overlay"], *record["gallery"]):
            assert Path(file).name.startswith(stem.replace("=", "_"))
            with Image.open(file) as picture:
                assert picture.width >= 400
    assert "overlay" not in records[3]
    again = run("classify", *images, *options)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    one = run("classify", images[0], *options, "--force", "--as", "cell")
    assert Path(lines(one)[0]["overlay"]).is_file()
    assert len(lines(one)[0]["gallery"]) == 1


def test_a_record_of_a_bundle_of_fields_has_no_key_of_cells(
    fields: list[Path], bundle: Path
) -> None:
    record = lines(run("classify", fields[0], "--bundle", bundle, "--json"))[0]
    assert not {"as", "site", "cells", "counts"} & set(record)
