"""``alledge archive``: what is classified, what the rows hold, and that nothing is done twice."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import jsonschema
import pyarrow as pa
import pytest
from pyarrow import parquet

from alledge.runtime.archive.results.schema import SCHEMA
from alledge.runtime.classifier import Classifier
from support.archives import archive, rows, write_fields
from support.bundles import edit

SCHEMAS = Path(__file__).resolve().parents[3] / "runtime" / "schemas"


def validate(path: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    kind = str(document["schema"]).removeprefix("alledge/")
    jsonschema.validate(document, json.loads((SCHEMAS / f"{kind}.json").read_text("utf-8")))
    return document


def test_a_folder_gives_the_rows_that_classify_gives(tmp_path: Path, bundle: Path) -> None:
    write_fields(tmp_path / "fields" / "north", 3)
    write_fields(tmp_path / "fields" / "south" / "2024", 2, first=3, red=True)
    result = archive(tmp_path / "fields", "--out", tmp_path / "out", "--bundle", bundle)
    assert result.exit_code == 0, result.output
    found = rows(tmp_path / "out")
    with Classifier.load(bundle) as classifier:
        for row in found:
            expected = classifier.classify(row["path"])
            assert isinstance(expected.probability, float)
            assert row["label"] == expected.label
            assert row["probability"] == pytest.approx(expected.probability, abs=1e-5)
            assert dict(row["scores"]).keys() == set(classifier.bundle.labels)
            assert (row["digest"], row["status"]) == (expected.digest, expected.status)
    assert [row["site"] for row in found] == ["north"] * 3 + ["south"] * 2
    assert {row["month"] for row in found} == {"2024-03"}
    assert {(row["width"], row["height"]) for row in found} == {(96, 72)}
    assert all(row["measures"]["light"] > 0 for row in found)
    assert "5 fields written" in result.stdout


def test_a_cell_bundle_gives_cells_and_counts(tmp_path: Path, cell_bundle: Path) -> None:
    path = shutil.copy(cell_bundle / "reference" / "picture.jpg", tmp_path / "field.jpg")
    with Classifier.load(cell_bundle) as classifier:
        record = classifier.classify(path).to_json()
    result = archive(path, "--out", tmp_path / "out", "--bundle", cell_bundle)
    assert result.exit_code == 0, result.output
    [row] = rows(tmp_path / "out")
    assert row["cells"] == record["cells"]
    assert row["kind"] == record["as"]
    assert row["counts"]["leucocytes"] == record["counts"]["leucocytes"]


def test_parts_have_the_documented_schema_and_documents_keep_to_theirs(
    tmp_path: Path, bundle: Path
) -> None:
    write_fields(tmp_path / "fields", 5)
    archive(tmp_path / "fields", "--out", tmp_path / "out", "--bundle", bundle, "--part-rows", "2")
    [partition] = (tmp_path / "out").glob("model=*")
    parts = sorted(partition.glob("*.parquet"))
    assert parquet.read_schema(parts[0]).equals(SCHEMA)
    validate(tmp_path / "out" / "_archive.json")
    validate(tmp_path / "out" / "_driver.json")
    assert validate(partition / "_partition.json")["bundle"] == "tiny-float32"


def test_what_is_done_is_not_done_again(tmp_path: Path, bundle: Path) -> None:
    fields = tmp_path / "fields"
    first, *_ = write_fields(fields, 4)
    words = (fields, fields / "field-0001.png", "--out", tmp_path / "out", "--bundle", bundle)
    assert "4 fields written" in archive(*words).stdout
    assert "0 fields written" in archive(*words).stdout
    write_fields(fields, 1, first=7)
    assert "1 fields written, 0 of them errors; 5 were there already" in archive(*words).stdout
    os.utime(first)  # the file changed
    assert "1 fields written" in archive(*words).stdout
    assert len(rows(tmp_path / "out")) == 6


def test_another_bundle_begins_a_partition_beside_the_old(
    tmp_path: Path, bundle: Path, own_bundle: Path
) -> None:
    write_fields(tmp_path / "fields", 2)
    edit(own_bundle, name="changed")
    for each in (bundle, own_bundle):
        archive(tmp_path / "fields", "--out", tmp_path / "out", "--bundle", each)
    assert len(list((tmp_path / "out").glob("model=*"))) == 2
    assert [row["bundle"] for row in rows(tmp_path / "out")].count("changed") == 2


def test_a_field_that_cannot_be_read_is_a_row(tmp_path: Path, bundle: Path) -> None:
    write_fields(tmp_path / "fields", 1)
    (tmp_path / "fields" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "fields" / "notes.txt").write_text("left out", encoding="utf-8")
    words = (tmp_path / "fields", "--out", tmp_path / "out", "--bundle", bundle)
    result = archive(*words)
    assert result.exit_code == 0
    assert "2 fields written, 1 of them errors" in result.stdout
    assert "1 × text file (notes.txt)" in result.stderr
    broken, good = rows(tmp_path / "out")
    assert (broken["status"], broken["label"]) == ("error", None)
    assert "broken.jpg" in broken["error"]
    assert good["status"] != "error"
    assert "0 fields written" in archive(*words).stdout
    assert "1 fields written, 1 of them" in archive(*words, "--retry-errors").stdout


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_manifest_gives_paths_sites_and_times(tmp_path: Path, bundle: Path, suffix: str) -> None:
    first, second = write_fields(tmp_path / "fields", 2)
    columns = {
        "path": [str(first), f"fields/{second.name}", "fields/missing.png"],
        "site": ["north", "south", None],
        "microscope": ["BX43", None, None],
        "taken": ["2021-05-17", "2022-11-02T09:00:00", None],
    }
    manifest = tmp_path / f"manifest{suffix}"
    if suffix == ".csv":
        with manifest.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
    else:
        parquet.write_table(pa.table(columns), manifest)
    result = archive(manifest, "--out", tmp_path / "out", "--bundle", bundle)
    assert "3 fields written, 1 of them errors" in result.stdout, result.output
    known = [(row["site"], row["microscope"], row["month"]) for row in rows(tmp_path / "out")]
    assert known == [("north", "BX43", "2021-05"), ("south", None, "2022-11"), (None, None, None)]


def test_a_missing_field_that_comes_later_is_classified(tmp_path: Path, bundle: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path\nfields/field-0000.png\n", encoding="utf-8")
    words = (manifest, "--out", tmp_path / "out", "--bundle", bundle)
    assert "1 of them errors" in archive(*words).stdout
    write_fields(tmp_path / "fields", 1)
    assert "1 fields written, 0 of them errors" in archive(*words).stdout


def test_urls_of_fsspec_and_of_this_machine_are_read(tmp_path: Path, bundle: Path) -> None:
    import fsspec

    [path] = write_fields(tmp_path / "fields", 1)
    memory = fsspec.filesystem("memory")
    memory.pipe("/share/south/a.png", path.read_bytes())
    memory.pipe("/share/south/notes.txt", b"left out")
    sources = (f"file://{path.as_posix()}", "memory://share")
    out = "memory://results"
    result = archive(*sources, "--out", out, "--bundle", bundle)
    assert "2 fields written, 0 of them errors" in result.stdout, result.output
    assert "0 fields written" in archive(*sources, "--out", out, "--bundle", bundle).stdout
    memory.rm("/share", recursive=True)
    memory.rm("/results", recursive=True)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["nothing-there"], "there is no file or folder nothing-there"),
        (["s3://user:secret@bucket/x"], "holds a password"),
        (["odd://bucket"], "nothing here opens odd://"),
        (["other.csv"], "has no column 'path'"),
        (["no-table.parquet"], "cannot be read as a table"),
    ],
)
def test_a_source_that_cannot_be_used_is_one_error(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.csv").write_text("file,site\na.png,north\n", encoding="utf-8")
    Path("no-table.parquet").write_bytes(b"no table")
    result = archive(*words, "--out", "out", "--bundle", bundle)
    assert result.exit_code in (1, 2)
    assert part in result.stderr
    assert "secret" not in result.output
    assert not list(tmp_path.glob("out/model=*"))


def test_a_folder_with_other_files_is_not_taken_for_results(tmp_path: Path, bundle: Path) -> None:
    write_fields(tmp_path / "fields", 1)
    result = archive(tmp_path / "fields", "--out", tmp_path / "fields", "--bundle", bundle)
    assert result.exit_code == 2
    assert "not empty" in result.stderr


def test_a_damaged_part_is_named(tmp_path: Path, bundle: Path) -> None:
    write_fields(tmp_path / "fields", 1)
    words = (tmp_path / "fields", "--out", tmp_path / "out", "--bundle", bundle)
    archive(*words)
    [part] = (tmp_path / "out").glob("model=*/*.parquet")
    part.write_bytes(part.read_bytes()[:-20])
    result = archive(*words)
    assert result.exit_code == 1
    assert part.name in result.stderr
    part.unlink()
    assert "1 fields written" in archive(*words).stdout


def test_run_is_the_default_command(tmp_path: Path, bundle: Path) -> None:
    write_fields(tmp_path / "fields", 1)
    result = archive("run", tmp_path / "fields", "--out", tmp_path / "out", "--bundle", bundle)
    assert result.exit_code == 0
