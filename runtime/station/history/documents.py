"""A row of the history as a JSON document, as text, and as rows of CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from ...terminal import printable
from .entries import Entry

SHOWN_DIGITS = 12  # of a digest, in text
CSV_COLUMNS = (
    "number", "time", "kind", "image", "status", "label", "probability", "threshold", "flags",
    "person", "leucocytes", "blasts", "blast_percent", "low", "high", "cells_judged_by_person",
    "bundle", "digest", "content", "error",
)  # fmt: skip


class VerdictDocument(TypedDict):
    """A verdict of a person."""

    cell: int | None  # index among the cells; null for the image
    label: str
    time: str


class EntryDocument(TypedDict):
    """A line of ``alledge history export --jsonl``, and a row of the REST interface."""

    schema: str
    schema_version: int
    number: int
    kind: str
    time: str
    content: str | None
    digest: str | None  # of the bundle
    site: str | None
    name: str | None
    folder: str | None
    status: str | None
    source: str | None
    width: int | None  # of the upright original, in pixels
    height: int | None
    labels: list[str]
    positive: list[str]
    record: dict[str, Any] | None
    reason: str | None  # why it could not be read
    verdicts: list[VerdictDocument]
    versions: dict[str, str]
    pictures: dict[str, Any]
    removed: bool
    link: str


def entry_document(entry: Entry, *, names: bool = True) -> EntryDocument:
    """Return a row of the history as a JSON document.

    Parameters
    ----------
    entry : Entry
    names : bool
        Include the name of the image, which may hold the name of a patient.
    """
    body = entry.body or {}
    record = entry.record
    if record is not None and not names:
        record["image"] = None
    image = body.get("image") or {}
    name = entry.name if names else None
    return {
        "schema": "alledge/history-entry",
        "schema_version": 1,
        "number": entry.number,
        "kind": entry.kind,
        "time": entry.time,
        "content": entry.content,
        "digest": entry.bundle,
        "site": entry.site,
        "name": None if name is None else name.name,
        "folder": None if name is None else name.folder,
        "status": entry.status,
        "source": body.get("source"),
        "width": image.get("width"),
        "height": image.get("height"),
        "labels": body.get("labels", []),
        "positive": body.get("positive", []),
        "record": record,
        "reason": body.get("reason"),
        "verdicts": [
            {"cell": v.cell, "label": v.label, "time": v.time}
            for v in entry.verdicts
            if v.label is not None
        ],
        "versions": body.get("versions", {}),
        "pictures": body.get("pictures", {}),
        "removed": entry.body is None,
        "link": entry.link,
    }


def csv_values(entry: Entry, *, names: bool = False) -> list[object]:
    """Return the cells of a row, in the order of `CSV_COLUMNS`."""
    record = entry.record or {}
    counts = record.get("counts") or {}
    low, high = counts.get("interval") or (None, None)
    name = entry.name.name if names and entry.name is not None else None
    reason = (entry.body or {}).get("reason")
    return [
        entry.number, entry.time, entry.kind, name, entry.status, entry.label, entry.probability,
        record.get("threshold"), " ".join(record.get("flags") or ()), entry.image_verdict,
        counts.get("leucocytes"), counts.get("blasts"), counts.get("blast_percent"), low, high,
        sum(v.cell is not None for v in entry.verdicts), record.get("bundle"), entry.bundle,
        entry.content, record.get("error") or reason,
    ]  # fmt: skip


def entry_line(entry: Entry) -> str:
    """Return a row as one line of text."""
    if entry.body is None:
        return f"{entry.number:>6}  {_local(entry.time)}  (removed)"
    name = printable(entry.name.name) if entry.name else f"({_short(entry.content)})"
    share = "" if entry.probability is None else f"{entry.probability:.1%}"
    record = entry.record or {}
    note = printable(record.get("error") or entry.body.get("reason") or "")
    if flags := record.get("flags"):
        note = f"review: {', '.join(flags)}"
    if (person := entry.image_verdict) is not None:
        note = f"person: {printable(person)}" + (f"; {note}" if note else "")
    label = printable(entry.label or "")
    status = entry.status or ""
    line = f"{entry.number:>6}  {_local(entry.time)}  {status:<6}  {label:<8} {share:>6}  {name}"
    return f"{line}  {note}".rstrip()


def entry_text(entry: Entry) -> str:
    """Return everything of a row as text of several lines."""
    document = entry_document(entry)
    record = document["record"] or {}
    lines = [
        f"entry {entry.number}: {document['kind']}, {entry.time}",
        f"image      {printable(document['name'] or '(no name)')}",
    ]
    if document["folder"]:
        lines.append(f"folder     {printable(document['folder'])}")
    lines += [
        f"content    {document['content']}",
        f"bundle     {printable(str(record.get('bundle')))} {document['digest']}",
    ]
    if document["removed"]:
        return "\n".join([*lines, "its content was removed by `alledge history remove`"])
    if reason := document["reason"] or record.get("error"):
        return "\n".join([*lines, f"not read   {printable(reason)}"])
    share = "" if entry.probability is None else f"{entry.probability:.1%}, "
    lines.append(
        f"machine    {printable(entry.label or 'no label')} ({share}threshold "
        f"{record['threshold']:.1%}), {entry.status}"
    )
    if record.get("flags"):
        lines.append(f"review     {', '.join(record['flags'])}")
    if counts := record.get("counts"):
        lines.append(f"cells      {counts['blasts']} blasts of {counts['leucocytes']} leucocytes")
    lines += _verdict_lines(entry, record.get("cells") or [])
    versions = ", ".join(f"{name} {value}" for name, value in document["versions"].items())
    return "\n".join([*lines, f"versions   {printable(versions)}", f"link       {entry.link}"])


def _verdict_lines(entry: Entry, cells: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for verdict in entry.verdicts:
        if verdict.cell is None:
            what = "image"
        else:
            cell = cells[verdict.cell]
            what = f"cell {verdict.cell} at {cell['x']}, {cell['y']} (machine: {cell['label']})"
        lines.append(f"person     {what}: {verdict.label}, {verdict.time}")
    return [printable(line) for line in lines]


def _short(digest: str | None) -> str:
    return (digest or "not read")[: len("sha256:") + SHOWN_DIGITS]


def _local(time: str) -> str:
    """Return a time in the zone of this machine, to the second."""
    import datetime

    moment = datetime.datetime.fromisoformat(time.removesuffix("Z"))
    local = moment.replace(tzinfo=datetime.timezone.utc).astimezone()
    return local.strftime("%Y-%m-%d %H:%M:%S")
