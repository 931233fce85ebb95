"""The columns of the results, and a field's row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from ...imaging import UNKNOWN_CAMERA
from ...records import Result
from ..sources.entries import KEY_BYTES, Entry
from .identity import Identity

# Of the statistics that guards compare, those that show a lamp, a stain and the focus.
MEASURES = (
    "light", "light_red_green", "light_green_blue", "depth_50", "depth_95", "red_depth",
    "blue_depth", "cover", "sharpness",
)  # fmt: skip
ERROR = "error"
MONTH = re.compile(r"(\d{4})[-:](\d{2})")
MICROSECONDS = pa.timestamp("us", "UTC")
CELL = pa.struct(
    [
        ("x", pa.int32()),
        ("y", pa.int32()),
        ("radius", pa.int32()),
        ("label", pa.string()),
        ("probability", pa.float64()),
        ("flags", pa.list_(pa.string())),
    ]
)
COUNTS = pa.struct(
    [
        ("leucocytes", pa.int32()),
        ("blasts", pa.int32()),
        ("blast_percent", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("more", pa.int32()),
    ]
)
SCHEMA = pa.schema(
    [
        ("key", pa.binary(KEY_BYTES)),
        ("path", pa.string()),
        ("size", pa.int64()),
        ("modified", MICROSECONDS),
        ("site", pa.string()),
        ("microscope", pa.string()),
        ("month", pa.string()),
        ("taken", pa.string()),
        ("status", pa.string()),
        ("label", pa.string()),
        ("probability", pa.float64()),
        ("scores", pa.map_(pa.string(), pa.float64())),
        ("threshold", pa.float64()),
        ("flags", pa.list_(pa.string())),
        ("kind", pa.string()),
        ("counts", COUNTS),
        ("cells", pa.list_(CELL)),
        ("error", pa.string()),
        ("ms", pa.float32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("camera", pa.string()),
        ("measures", pa.struct([(name, pa.float32()) for name in MEASURES])),
        ("bundle", pa.string()),
        ("digest", pa.string()),
        ("site_profile", pa.string()),
        ("backend", pa.string()),
        ("engine", pa.string()),
        ("alledge", pa.string()),
        ("classified", MICROSECONDS),
    ]
)


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows of `row_of` as a table of `SCHEMA`."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def row_of(entry: Entry, result: Result, identity: Identity, engine: str) -> dict[str, Any]:
    """Return the row of a field.

    Parameters
    ----------
    entry : Entry
    result : Result
        With measurements, unless it is an error.
    identity : Identity
    engine : str
        Package and version.
    """
    record = result.to_json()
    counts, measured = record.get("counts"), result.measurements
    header = None if measured is None else measured.header
    statistics = {} if measured is None else measured.statistics
    camera = None if header is None or header.camera == UNKNOWN_CAMERA else header.camera
    taken = entry.taken or (None if header is None else header.taken)
    return {
        **_origin(entry, camera, taken),
        **{key: record[key] for key in ("status", "label", "probability", "threshold", "flags")},
        "scores": None if record["scores"] is None else list(record["scores"].items()),
        "kind": result.kind or (None if result.status == ERROR else result.task),
        "counts": counts and _counts(counts),
        "cells": record.get("cells"),
        "error": _text(record["error"]),
        "ms": record["ms"],
        "width": header and header.width,
        "height": header and header.height,
        "camera": _text(camera),
        "measures": {name: statistics.get(name) for name in MEASURES} if statistics else None,
        **identity.columns(),
        "engine": engine,
        "classified": datetime.now(timezone.utc),
    }


def error_row(entry: Entry, error: str, identity: Identity) -> dict[str, Any]:
    """Return the row of a field that no classifier answered for; what is not known is null."""
    return {
        **_origin(entry, None, entry.taken),
        "status": ERROR,
        "flags": [],
        "error": _text(error),
        **identity.columns(),
        "classified": datetime.now(timezone.utc),
    }


def _origin(entry: Entry, camera: str | None, taken: str | None) -> dict[str, Any]:
    return {
        "key": entry.key,
        "path": _text(entry.path),
        "size": entry.size,
        "modified": entry.modified_us,
        "site": _text(entry.site),
        "microscope": _text(entry.microscope or camera),
        "month": _month(taken, entry.modified_us),
        "taken": _text(taken),
    }


def _counts(counts: dict[str, Any]) -> dict[str, Any]:
    low, high = counts["interval"] or (None, None)
    names = ("leucocytes", "blasts", "blast_percent", "more")
    return {**{name: counts[name] for name in names}, "low": low, "high": high}


def _month(taken: str | None, modified_us: int | None) -> str | None:
    """Return ``YYYY-MM`` of the time when a picture was taken, else of its file."""
    if taken and (match := MONTH.match(taken)) and "01" <= match[2] <= "12":
        return f"{match[1]}-{match[2]}"
    if modified_us is None:
        return None
    return datetime.fromtimestamp(modified_us / 1e6, timezone.utc).strftime("%Y-%m")


def _text(text: str | None) -> str | None:
    """Return text that UTF-8 can hold: bytes of a name that are none become ``\\udcXX``."""
    return text and text.encode("utf-8", "backslashreplace").decode("utf-8")
