"""What is written into a row: texts, searchable copies, and the check of a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....errors import UsageError
from ...cells.field_rule import OTHER
from .entries import Entry, FileName


def storable(name: FileName) -> FileName:
    """Return a name that is text: bytes that are no UTF-8 become ``\\udcff``."""

    def text(part: str) -> str:
        return part.encode("utf-8", "backslashreplace").decode("utf-8")

    return FileName(text(name.name), None if name.folder is None else text(name.folder))


def searchable(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a row that are copies out of its body.

    Parameters
    ----------
    kind : str
        Of `EntryKind`.
    body : mapping
    """
    record = body.get("record") or {}
    label = body.get("label") if kind == "verdict" else record.get("label")
    status = body.get("outcome") if kind == "unread" else record.get("status")
    return {"status": status, "label": label, "probability": record.get("probability")}


def check_verdict(entry: Entry | None, refers_to: int, cell: int | None, label: str | None) -> None:
    """Check that a person may give this verdict on this result.

    Raises
    ------
    UsageError
        If there is no such result, it was removed, or has no such cell or label.
    """
    if entry is None or entry.kind != "result" or entry.body is None:
        raise UsageError(f"there is no result {refers_to} that a verdict can refer to")
    cells = (entry.body["record"] or {}).get("cells") or []
    if cell is not None and not 0 <= cell < len(cells):
        raise UsageError(
            f"the result {refers_to} has no cell {cell}",
            allowed=f"0 to {len(cells) - 1}" if cells else "none: it has no cells",
        )
    allowed = entry.body["labels"]
    if cell is None and cells:
        allowed = [name for name in allowed if name != OTHER]
    if label is not None and label not in allowed:
        raise UsageError(f"there is no label {label!r}", allowed=allowed)
