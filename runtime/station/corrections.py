"""The verdicts of people in the history, as checked cells and images for ``alledge adopt``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import DataError
from ..digests import file_digest
from ..sites.checked import CheckedRow
from .history.entries import Entry, PersonVerdict
from .history.queries import verdict_rows
from .history.store import History


def checked_rows(
    home: Path, notice: Callable[[str], object] = lambda text: None
) -> list[CheckedRow]:
    """Return what people said of cells and images whose files still are what was classified.

    Each image is a group of its own. A verdict that agrees with the machine counts like one that
    corrects it.

    Parameters
    ----------
    home : Path
        Folder of the workstation.
    notice : callable
        Called with a line of text for people if verdicts are left out.

    Raises
    ------
    HistoryError
        If there is no history, or it cannot be read.
    DataError
        If no verdict can be used.
    """
    rows: dict[tuple[str | None, tuple[float, float] | None], CheckedRow] = {}
    lost = 0
    with History(home, must_exist=True) as history:
        with history.snapshot() as connection:
            verdicts = sorted(verdict_rows(connection), key=lambda row: row.number)
        files: dict[int, Path | None] = {}
        for verdict in verdicts:
            entry = history.entry(verdict.refers_to)
            if entry is None or verdict.label is None:
                continue
            if entry.number not in files:
                files[entry.number] = _same_file(entry)
            if (file := files[entry.number]) is None:
                lost += 1
            elif (row := _row(entry, verdict, file)) is not None:
                rows[entry.content, row.position] = row  # a later verdict takes its place
    if lost:
        notice(f"{lost} verdicts left out: the file was uploaded, is gone, or was changed")
    if not rows:
        raise DataError(
            "the history has no verdict of a person on a file that is still there",
            fix="correct or confirm cells on the page of `alledge serve FOLDER`",
        )
    return list(rows.values())


def _same_file(entry: Entry) -> Path | None:
    """Return the file of a result, if it still has the content that was classified."""
    if entry.name is None or entry.name.folder is None:
        return None
    path = Path(entry.name.folder, entry.name.name)
    try:
        return path if path.is_file() and f"sha256:{file_digest(path)}" == entry.content else None
    except OSError:
        return None


def _row(entry: Entry, verdict: PersonVerdict, file: Path) -> CheckedRow | None:
    record = entry.record or {}
    position = None
    if verdict.cell is not None:
        cell = record["cells"][verdict.cell]
        position = (float(cell["x"]), float(cell["y"]))
    elif record.get("as") == "field":  # says nothing of a single cell
        return None
    assert verdict.label is not None
    return CheckedRow(file, verdict.label, position, str(entry.content))
