"""The verdicts of people in the history, as checked cells and images for ``alledge adopt``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ..digests import file_digest
from ..sites.checked import CheckedRow
from .history.entries import Entry, PersonVerdict, SeenFile
from .history.queries import verdict_rows
from .history.store import History


@dataclass(frozen=True)
class CheckedVerdicts:
    """The verdicts of people from which a model can be adopted.

    Parameters
    ----------
    rows : list of CheckedRow
        One for each cell or image; each image is a group of its own.
    lost : int
        Verdicts that cannot be used: the file was uploaded, is gone, or was changed.
    """

    rows: list[CheckedRow]
    lost: int


def checked_rows(
    home: Path, notice: Callable[[str], object] = lambda text: None
) -> list[CheckedRow]:
    """Return what people said of cells and images whose files still are what was classified.

    A verdict that agrees with the machine counts like one that corrects it.

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
    with History(home, must_exist=True) as history:
        verdicts = checked_verdicts(history)
    if verdicts.lost:
        notice(f"{verdicts.lost} verdicts left out: the file was uploaded, is gone, or was changed")
    if not verdicts.rows:
        raise DataError(
            "the history has no verdict of a person on a file that is still there",
            fix="correct or confirm cells on the page of `alledge serve FOLDER`",
        )
    return verdicts.rows


def checked_verdicts(history: History, *, by_time: bool = False) -> CheckedVerdicts:
    """Return the verdicts that can be used.

    Parameters
    ----------
    history : History
    by_time : bool
        Take a file whose size and time are the same for the one that was classified. That is
        quick enough for a count; otherwise the files are read.
    """
    rows: dict[tuple[str | None, tuple[float, float] | None], CheckedRow] = {}
    lost = 0
    with history.snapshot() as connection:
        verdicts = sorted(verdict_rows(connection), key=lambda row: row.number)
    files: dict[int, tuple[Entry, Path | None]] = {}
    for verdict in verdicts:
        number = verdict.refers_to
        if verdict.label is None:
            continue
        if number not in files:
            entry = history.entry(number)
            if entry is None:
                continue
            files[number] = entry, _same_file(entry, history if by_time else None)
        entry, file = files[number]
        if verdict.cell is None and (entry.record or {}).get("as") == "field":
            continue  # it says nothing of a single cell
        if file is None:
            lost += 1
        else:
            row = _row(entry, verdict, file)
            rows[entry.content, row.position] = row  # a later verdict takes its place
    return CheckedVerdicts(list(rows.values()), lost)


def _same_file(entry: Entry, history: History | None) -> Path | None:
    """Return the file of a result, if it still has the content that was classified."""
    if entry.name is None or entry.name.folder is None:
        return None
    path = Path(entry.name.folder, entry.name.name)
    try:
        if not path.is_file():
            return None
        if history is not None:
            status = path.stat()
            seen = SeenFile(str(path), status.st_size, status.st_mtime_ns)
            if (content := history.content_of_file(seen)) is not None:
                return path if content == entry.content else None
        return path if f"sha256:{file_digest(path)}" == entry.content else None
    except OSError:
        return None


def _row(entry: Entry, verdict: PersonVerdict, file: Path) -> CheckedRow:
    position = None
    if verdict.cell is not None:
        cell = (entry.record or {})["cells"][verdict.cell]
        position = (float(cell["x"]), float(cell["y"]))
    assert verdict.label is not None
    return CheckedRow(file, verdict.label, position, str(entry.content))
