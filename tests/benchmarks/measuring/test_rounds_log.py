"""A damaged log of rounds continues, or is refused with the line and the key."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from alledge.benchmarks.measuring.configurations import Configuration
from alledge.benchmarks.measuring.rounds_log import CONDITIONS, ROUNDS, RoundsLog
from alledge.benchmarks.reporting.text_tables import terminal
from alledge.benchmarks.result_file import build_result
from alledge.errors import AlledgeError, DataError, UsageError
from alledge.runtime.bundle.bundle import Bundle
from support.changed_documents import sample

Json = dict[str, Any]
Run = Callable[..., Result]


@pytest.fixture
def folder(measured: Path, tmp_path: Path) -> Path:
    """A copy of the folder of a measurement."""
    return Path(shutil.copytree(measured, tmp_path / "measured"))


@pytest.fixture
def conditions(folder: Path) -> Json:
    """The conditions of that measurement."""
    content: Json = json.loads((folder / CONDITIONS).read_text(encoding="utf-8"))
    return content


def records(folder: Path) -> list[Json]:
    lines = (folder / ROUNDS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write(folder: Path, lines: list[Any], end: bytes = b"\n") -> None:
    content = b"\n".join(json.dumps(line).encode() for line in lines) + end
    (folder / ROUNDS).write_bytes(content)


def test_a_damaged_last_line_is_dropped_with_a_note(folder: Path, conditions: Json) -> None:
    before = (folder / ROUNDS).read_bytes()
    (folder / ROUNDS).write_bytes(before + b'{"work": "round", "key": "cut sh')
    log = RoundsLog(folder, conditions)
    assert "is incomplete and was dropped" in (log.note or "")
    assert (folder / ROUNDS).read_bytes() == before
    assert RoundsLog(folder, conditions).note is None


def test_a_last_line_without_its_end_is_completed(folder: Path, conditions: Json) -> None:
    before = records(folder)
    write(folder, before, end=b"")
    log = RoundsLog(folder, conditions)
    log.add(next(record for rounds in log.rounds.values() for record in rounds))
    assert len(records(folder)) == len(before) + 1
    assert log.note is None


def test_a_damaged_line_in_the_middle_is_refused_by_its_number(
    run: Run, bundle: Path, folder: Path, conditions: Json
) -> None:
    lines = (folder / ROUNDS).read_bytes().splitlines(keepends=True)
    (folder / ROUNDS).write_bytes(lines[0] + lines[1][:40] + b"\n" + lines[2])
    with pytest.raises(DataError, match=r"line 2 of .*rounds\.jsonl is damaged: column") as error:
        RoundsLog(folder, conditions)
    assert "delete the damaged line" in str(error.value)


def test_a_line_that_is_no_record_is_refused_by_its_key(folder: Path, conditions: Json) -> None:
    lines = records(folder)
    number = next(at for at, line in enumerate(lines) if line["work"] == "round")
    lines[number]["found"]["samples_ms"] = [-1.0]
    write(folder, lines)
    message = rf"line {number + 1} of .* is no record: found.samples_ms\[0\]: -1.0 is not above 0"
    with pytest.raises(DataError, match=message):
        RoundsLog(folder, conditions)


@pytest.mark.parametrize("work", ["round", "accuracy"])
def test_no_changed_record_ends_in_a_traceback(
    bundle: Path, folder: Path, conditions: Json, work: str
) -> None:
    lines = records(folder)
    number = next(at for at, line in enumerate(lines) if line["work"] == work)
    configurations = [
        Configuration(Bundle.open(bundle), name, 1) for name in ("tflite", "onnx", "openvino")
    ]
    settings = {**conditions["settings"], "min_rounds": 2, "max_rounds": 2, "width": 0.05}
    for _, changed in sample(lines[number], 60):
        write(folder, [*lines[:number], changed, *lines[number + 1 :]])
        with contextlib.suppress(AlledgeError):
            log = RoundsLog(folder, conditions)
            whole: Any = {**conditions, "settings": settings}
            result = build_result(log, configurations, whole, True)
            json.dumps(result, allow_nan=False)
            terminal(result)


def test_changed_conditions_are_refused_and_never_a_traceback(
    folder: Path, conditions: Json
) -> None:
    for name, changed in sample(conditions, 200):
        (folder / CONDITIONS).write_text(json.dumps(changed), encoding="utf-8")
        if changed == conditions:
            continue
        with pytest.raises(UsageError) as error:
            RoundsLog(folder, conditions)
        assert "--out ANOTHER-FOLDER" in str(error.value), name


def test_conditions_of_another_version_are_refused(folder: Path, conditions: Json) -> None:
    for stored in ({**conditions, "new": 1}, {k: v for k, v in conditions.items() if k != "data"}):
        (folder / CONDITIONS).write_text(json.dumps(stored), encoding="utf-8")
        with pytest.raises(UsageError, match="was not the same"):
            RoundsLog(folder, conditions)


def test_a_file_in_place_of_the_folder_is_wrong_usage(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        answer = run("benchmark", bundle, "--out", out)
        assert answer.exit_code == 2
        assert "a file is in its place" in answer.output
