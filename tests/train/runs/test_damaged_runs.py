"""A damaged file of a run is refused by its name, with what to do, and never by a traceback."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from alledge.errors import AlledgeError, ExportError, RunError
from alledge.export.source_run import read_run_images
from alledge.export.types import DecisionRule
from alledge.runtime.bundle.seen_images import TrainingImageHashes
from alledge.runtime.image_settings import ImageSettings
from alledge.train.networks.saved_network import load_network
from alledge.train.runs.run_folder import load_run
from support.changed_documents import run as run_command
from support.changed_documents import sample, traceback_of

CELLS = ("", "x", "nan", "inf", "-1", "1e309", "9" * 30, "0.5", "1 2", "é", "\0", "  ")


@pytest.fixture
def folder(tiny_run, tmp_path):
    """A copy of a finished run, without its networks."""
    without = shutil.ignore_patterns("*.keras")
    return Path(shutil.copytree(tiny_run.path, tmp_path / "run", ignore=without))


def read_all(folder):
    """Read everything of a run that evaluation and export read, but its networks and images."""
    run = load_run(folder)
    run.predictions().per_image()
    run.split()
    assert run.fold_numbers
    ImageSettings.from_json(run.record["image_path"])
    TrainingImageHashes(run.record["seen"])
    DecisionRule.from_run(run)
    assert run.record["data"]["root"] is not None
    assert run.record["split"]["folds"] > 0


def refusal(folder):
    """Return the error of a run, None if it can be read. Other exceptions fail the test."""
    try:
        read_all(folder)
    except AlledgeError as error:
        return error
    return None


def test_the_undamaged_run_is_read(folder):
    read_all(folder)


def test_no_changed_record_ends_in_a_traceback(folder):
    file = folder / "run.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    for name, changed in sample(record, 300):
        file.write_text(json.dumps(changed), encoding="utf-8")
        error = refusal(folder)
        assert error is None or str(folder) in str(error), name
        assert error is None or error.fix, name


def table(path):
    """Return the rows of a CSV file as lists of cells."""
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def write_table(path, rows):
    """Write rows of cells."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


@pytest.mark.parametrize("name", ["predictions.csv", "split.csv"])
def test_every_changed_cell_of_a_table_is_read_or_refused_by_its_file(folder, name):
    path = folder / name
    rows = table(path)
    for line in (0, 1, len(rows) - 1):
        for column in range(len(rows[0])):
            for cell in CELLS:
                changed = [list(row) for row in rows]
                changed[line][column] = cell
                write_table(path, changed)
                error = refusal(folder)
                assert error is None or str(path) in str(error), (line, column, cell)
                if cell in ("nan", "inf", "1e309") and rows[0][column].startswith("score"):
                    assert error is not None


@pytest.mark.parametrize("name", ["predictions.csv", "split.csv"])
@pytest.mark.parametrize(
    "damage",
    [
        "no column",
        "no row",
        "empty",
        "cut",
        "long row",
        "row twice",
        "latin-1",
        "NUL bytes",
        "folder",
        "missing",
        "same columns",
    ],
)
def test_a_damaged_table_is_refused_by_its_name(folder, name, damage):
    path = folder / name
    rows, content = table(path), path.read_bytes()
    if damage == "no column":
        write_table(path, [row[:1] + row[2:] for row in rows])
    elif damage == "no row":
        write_table(path, rows[:1])
    elif damage == "cut":
        path.write_bytes(content[: len(content) - len(content.splitlines()[-1]) // 2])
    elif damage == "long row":
        write_table(path, [*rows[:2], [*rows[2], "more"], *rows[3:]])
    elif damage == "row twice":
        write_table(path, [*rows, rows[1]])
    elif damage == "same columns":
        write_table(path, [[rows[0][0], rows[0][0], *rows[0][2:]], *rows[1:]])
    elif damage in ("folder", "missing"):
        path.unlink()
        if damage == "folder":
            path.mkdir()
    else:
        contents = {"empty": b"", "latin-1": b"\xe9" + content, "NUL bytes": b"\0" * 100}
        path.write_bytes(contents[damage])
    with pytest.raises(RunError) as error:
        read_all(folder)
    assert str(path) in str(error.value)
    assert "train again" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"band": [0.9, 0.1]}, "band: 0.9 is above 0.1"),
        ({"labels": ["blast", "blast"]}, "labels: two are the same"),
        ({"positive": ["other"]}, "positive: ['other'] are not some of the labels"),
        ({"positive": ["blast", "healthy"]}, "positive: "),
        ({"temperature": 0}, "temperature: 0 is not above 0"),
        ({"threshold": "high"}, 'threshold: it is "high" (string), not number'),
    ],
)
def test_a_contradiction_in_a_record_is_refused_by_its_key(folder, changes, part):
    file = folder / "run.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(record | changes), encoding="utf-8")
    with pytest.raises(RunError) as error:
        load_run(folder)
    assert part in str(error.value)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"PK\x03\x04" + b"\0" * 200])
def test_an_unreadable_network_is_refused_by_its_name(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"model\.keras cannot be read(.|\n)*train again"):
        load_network(path)
    with pytest.raises(RunError, match=r"there is no file .*model\.keras"):
        load_network(tmp_path / "none" / "model.keras")


@pytest.mark.parametrize("length", [0, 100, 5000])
def test_a_cut_network_is_refused_by_its_name(tiny_run, tmp_path, length):
    path = tmp_path / "model.keras"
    content = (tiny_run.path / "model.keras").read_bytes()
    path.write_bytes(content[:length])
    with pytest.raises(RunError, match=r"model\.keras cannot be read"):
        load_network(path)
    damaged = bytearray(content)
    damaged[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    path.write_bytes(damaged)
    with pytest.raises(RunError, match=r"model\.keras cannot be read"):
        load_network(path)


def test_the_commands_refuse_a_damaged_run_without_a_traceback(folder, tiny_run):
    data = tiny_run.record["data"]["root"]
    file = folder / "run.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    for _, changed in sample(record, 12, seed=3):
        file.write_text(json.dumps(changed), encoding="utf-8")
        for command in (
            ("evaluate", folder, "--data", data),
            ("export", "--run", folder, "--out", folder / "bundle", "--formats", "x"),
        ):
            result = run_command(*command)
            assert traceback_of(result) is None
            assert result.exit_code


@pytest.mark.skipif(os.name != "posix", reason="POSIX special files")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["run.json", "split.csv", "predictions.csv"])
def test_a_fifo_in_a_run_is_refused_at_once(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(RunError):
        read_all(folder)


def test_a_run_whose_tables_disagree_is_refused(folder):
    path = folder / "split.csv"
    write_table(path, table(path)[:-1])
    with pytest.raises((ExportError, RunError)):
        read_run_images(load_run(folder))


@pytest.mark.parametrize("cell", ["0.5", "1_0e-1", "\u0660"])
def test_scores_that_are_no_probabilities_of_one_image_are_refused(folder, cell):
    """One changed score would move the threshold, and every other check passes."""
    path = folder / "predictions.csv"
    rows = table(path)
    rows[1][rows[0].index("score_blast")] = cell
    rows[1][rows[0].index("score_healthy")] = "0.25"
    write_table(path, rows)
    with pytest.raises(RunError, match=r"predictions\.csv is damaged: line 2: .*score"):
        load_run(folder).predictions()


@pytest.mark.parametrize("damage", ["no row", "other fold"])
def test_predictions_that_are_not_those_of_the_split_are_refused(folder, damage):
    """The threshold would be chosen from fewer images than the record says."""
    path = folder / "predictions.csv"
    rows = table(path)
    read_run_images(load_run(folder))
    if damage == "no row":
        del rows[3]
    else:
        rows[3][rows[0].index("fold")] = "9"
    write_table(path, rows)
    with pytest.raises(ExportError, match=r"are not those of its split: see '.*', fold \d"):
        read_run_images(load_run(folder))
