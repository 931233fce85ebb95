"""Makes histories with a few entries, without a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alledge.runtime.previews import Picture
from alledge.runtime.station.history.entries import FileName, NewEntry, SeenFile
from alledge.runtime.station.history.store import History

BUNDLE = "sha256:" + "b" * 64
CELLS = [
    {"x": 10 * i, "y": 5, "radius": 4, "label": label, "probability": p, "flags": []}
    for i, (label, p) in enumerate((("blast", 0.9), ("healthy", 0.2), ("other", 0.0)))
]
COUNTS = {
    "leucocytes": 2, "blasts": 1, "blast_percent": 22.5, "interval": [9.5, 90.5], "fields": 1,
    "fields_short": 49, "more": 0,
}  # fmt: skip


def content(index: int) -> str:
    """Return the digest of the content of an image."""
    return f"sha256:{index:064x}"


def new_result(index: int, name: str | None = None, **changes: Any) -> NewEntry:
    """Return a result of a cell bundle, before it is written."""
    record = {
        "image": "never stored", "status": "ok", "label": "blast", "probability": 0.25,
        "scores": {"healthy": 0.75, "blast": 0.25}, "threshold": 0.5, "flags": [],
        "bundle": "tiny", "digest": BUNDLE, "backend": "onnx", "ms": 1.5, "error": None,
        "as": "field", "site": None, "cells": CELLS, "counts": COUNTS, **changes,
    }  # fmt: skip
    facts = {
        "labels": ["healthy", "other", "blast"], "positive": ["blast"], "reason": None,
        "versions": {"alledge": "0"}, "source": "folder",
        "image": {"bytes": 9, "width": 100, "height": 80},
    }  # fmt: skip
    name = name or f"{index}.jpg"
    return NewEntry(
        "result", content(index), BUNDLE, record, facts, name=FileName(name, "/camera"),
        seen=SeenFile(f"/camera/{name}", index, index),
        pictures={"thumbnail": Picture(b"jpeg %d" % index, 4, 3)},
    )  # fmt: skip


def unread(state: str) -> NewEntry:
    """Return a file that could not be read, before it is written."""
    facts = {"reason": "it is a text file", "outcome": "foreign", "source": "folder"}
    return NewEntry("unread", None, BUNDLE, None, facts, state=state, name=FileName("a.txt"))


def filled(home: Path, results: int = 3) -> History:
    """Return a history with some results, an unread file, and verdicts on the first result."""
    history = History(home)
    for index in range(1, results + 1):
        history.add(new_result(index))
    history.add(unread("a"))
    history.add_verdict(1, None, "healthy")
    history.add_verdict(1, 0, "healthy")
    history.add_verdict(1, 1, "healthy")
    return history
