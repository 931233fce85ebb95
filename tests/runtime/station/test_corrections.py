"""Verdicts in the history become checked cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alledge.errors import DataError, HistoryError
from alledge.runtime.digests import file_digest
from alledge.runtime.station.corrections import checked_rows
from alledge.runtime.station.history.entries import FileName, NewEntry
from alledge.runtime.station.history.store import History
from support.histories import CELLS, new_result


def stored(folder: Path, index: int) -> NewEntry:
    """Return the result of a file that exists."""
    path = folder / f"{index}.jpg"
    path.write_bytes(b"picture %d" % index)
    digest = f"sha256:{file_digest(path)}"
    name = FileName(path.name, str(folder))
    return replace(new_result(index), content=digest, name=name)


def test_the_latest_verdict_on_each_cell_counts(home: Path, tmp_path: Path) -> None:
    with History(home) as history:
        number, _ = history.add(stored(tmp_path, 1))
        history.add(stored(tmp_path, 2))
        for cell, label in ((0, "healthy"), (1, "blast"), (1, "healthy"), (2, "other")):
            history.add_verdict(number, cell, label)
        history.add_verdict(number, 2, None)  # withdrawn
        history.add_verdict(number, None, "blast")  # of the field: no cell
    rows = checked_rows(home)
    places = [(cell["x"], cell["y"]) for cell in CELLS[:2]]
    assert [(row.label, row.position) for row in rows] == [
        ("healthy", places[0]),
        ("healthy", places[1]),
    ]
    assert {row.image for row in rows} == {tmp_path / "1.jpg"}
    assert len({row.group for row in rows}) == 1


def test_files_that_are_gone_changed_or_uploaded_are_left_out(home: Path, tmp_path: Path) -> None:
    texts: list[str] = []
    with History(home) as history:
        entries = [stored(tmp_path, index) for index in range(1, 5)]
        entries[2] = replace(entries[2], name=FileName("3.jpg"))
        for entry in entries:
            history.add_verdict(history.add(entry)[0], 0, "healthy")
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "2.jpg").write_bytes(b"a retake")
    assert [row.image.name for row in checked_rows(home, texts.append)] == ["4.jpg"]
    assert texts == ["3 verdicts left out: the file was uploaded, is gone, or was changed"]
    (tmp_path / "4.jpg").unlink()
    with pytest.raises(DataError, match="no verdict of a person"):
        checked_rows(home)


def test_without_a_history_there_is_an_error(home: Path) -> None:
    with pytest.raises(HistoryError):
        checked_rows(home)
