"""Results as text: the table on the terminal, and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ...runtime.csv_cells import csv_document
from ...runtime.text_table import text_table
from ..types import Result
from .formatting import machine_line, notes
from .table_columns import COLUMN_BY_NAME, shown
from .types import Row

TERMINAL_COLUMNS = (
    "model", "precision", "engine", "threads", "p50 ms", "p95 ms", "end to end p50 ms",
    "cells", "decode ms", "detect ms", "judge ms",
    "fields/s", "cold start ms", "peak MiB", "file MiB", "accuracy", "sensitivity", "specificity",
)  # fmt: skip


def terminal(document: Result) -> str:
    """Return a result as ``alledge benchmark`` prints it."""
    rows = [cast(Row, row) for row in document["rows"]]
    good = [row for row in rows if row["status"] == "ok"]
    lines = [machine_line(document["machine"])]
    if good:
        columns = shown([COLUMN_BY_NAME[name] for name in TERMINAL_COLUMNS], good)
        cells = [[column.whole(row) for column in columns] for row in good]
        lines.append(text_table([[column.name for column in columns], *cells], left=3))
    for row in rows:
        name = f"{row['bundle']} {row['backend']}, {row['threads']} threads"
        if row["status"] == "failed":
            lines.append(f"failed: {name}: {row['why']}")
        else:
            lines += [f"note: {name}: {sentence}" for _, sentence in notes(row)]
    lines += dict.fromkeys(filter(None, map(_judged_images, good)))
    for why in dict.fromkeys(row["accuracy_note"] for row in good if row["accuracy_note"]):
        lines.append(f"accuracy not measured: {why}")
    return "\n".join(lines)


def _judged_images(row: Row) -> str:
    """Return how many images an artifact was judged on, and how many it was trained on."""
    accuracy = row["accuracy"]
    if accuracy is None:
        return ""
    seen = f"{accuracy['seen_left_out']} it was trained on left out"
    if accuracy["include_seen"]:
        seen = f"{accuracy.get('seen_included', 0)} of them it was trained on, included"
    return f"accuracy: {row['bundle']} {row['backend']}: {accuracy['images']} images judged, {seen}"


def flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested row with one level: ``latency.p50_ms``; lists are joined by semicolons."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return flat


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return all figures of rows as CSV; columns without any value are left out."""
    flat = [flatten(row) for row in rows]
    # A block that is null in one row is a key of its own there; other rows have its inner keys.
    blocks = {key.rsplit(".", 1)[0] for row in flat for key in row if "." in key}
    keys = dict.fromkeys(key for row in flat for key in row)
    names = [name for name in keys if name not in blocks]
    return csv_document(names, ([row.get(name, "") for name in names] for row in flat))
