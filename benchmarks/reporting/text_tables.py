"""Results as text: the terminal's table, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from .formatting import machine_line, mib, milliseconds, notes
from .table_columns import (
    ACCURACY,
    ALONE,
    COLUMNS,
    FILE,
    NAMED,
    ORIGIN,
    PROCESS,
    WHAT,
    Column,
    shown,
)

Json = dict[str, Any]

TERMINAL = (
    *("model", "precision", "engine", "threads", "p50 ms", "p95 ms", "end to end p50 ms"),
    *("fields/s", "cold start ms", "peak MiB", "file MiB", "accuracy", "sensitivity"),
    "specificity",
)
UNSOUND = "†"  # behind the figures of what failed parity
# the tables of Markdown: a heading, the groups of its columns, and columns of other groups
TABLES = (
    ("At a glance", (ACCURACY,), ("p50 ms", "end to end p50 ms", "end to end p95 ms", "peak MiB")),
    ("The model alone", (ALONE,), ()),
    ("From the file to the answer", (FILE,), ()),
    ("The process, and how it was measured", (PROCESS, ORIGIN), ()),
)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells under one another; the first four columns lean left."""
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < 3 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def terminal(document: Json) -> str:
    """Return a result as the command prints it."""
    rows = document["rows"]
    good = [row for row in rows if row["status"] == "ok"]
    lines = [machine_line(document["machine"])]
    if good:
        columns = shown([NAMED[name] for name in TERMINAL], good)
        cells = [[column.whole(row) for column in columns] for row in good]
        lines.append(aligned([[column.name for column in columns], *cells]))
    for row in rows:
        name = f"{row['bundle']} {row['backend']}, {row['threads']} threads"
        if row["status"] == "failed":
            lines.append(f"failed: {name}: {row['why']}")
        else:
            lines += [f"note: {name}: {sentence}" for _, sentence in notes(row)]
    lines += dict.fromkeys(_judged(row) for row in good if row["accuracy"])
    for why in dict.fromkeys(row["accuracy_note"] for row in good if row["accuracy_note"]):
        lines.append(f"accuracy not measured: {why}")
    return "\n".join(lines)


def _judged(row: Json) -> str:
    """Word how many images an artifact was judged on, and how many it had seen before."""
    found = row["accuracy"]
    seen = f"{found['seen_left_out']} it was trained on left out"
    if found["include_seen"]:
        seen = f"{found.get('seen_included', 0)} of them it was trained on, included"
    return f"accuracy: {row['bundle']} {row['backend']}: {found['images']} images judged, {seen}"


def markdown_tables(rows: Sequence[Json]) -> list[str]:
    """Return rows as Markdown tables of all their figures, each with its heading."""
    parts = []
    for heading, groups, others in TABLES:
        wanted = [one for one in COLUMNS if one.group in groups or one.name in others]
        wanted = shown(wanted, rows)
        if wanted:
            what = [column for column in COLUMNS if column.group == WHAT]
            parts += [f"### {heading}", _markdown([*what, *wanted], rows)]
    return parts


def _markdown(columns: Sequence[Column], rows: Sequence[Json]) -> str:
    lines = [
        "| " + " | ".join(column.name for column in columns) + " |",
        "|" + "|".join("---" if column.is_words else "---:" for column in columns) + "|",
    ]
    for row in rows:
        words = [column.whole(row).replace("|", "\\|") for column in columns]
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines)


def markdown_notes(rows: Sequence[Json]) -> list[str]:
    """Return what a reader must know of the figures: each note once, with the rows it is of."""
    of: dict[str, list[str]] = {}
    for row in rows:
        name = f"{row['bundle']} {row['backend']} {row['threads']}"
        said = [f"{tag}: {sentence}" for tag, sentence in notes(row)]
        if row["accuracy_note"] and row["kind"] == "measured":
            said.append(f"accuracy not measured: {row['accuracy_note']}")
        for note in said:
            of.setdefault(note, []).append(name)
    return [
        f"- {note} ({'all rows' if len(names) == len(rows) else ', '.join(names)})"
        for note, names in of.items()
    ]


def short_table(rows: Sequence[Json]) -> str:
    """Return a Markdown table with a line an artifact: engines side by side, threads with a slash.

    Parameters
    ----------
    rows : sequence of dict
        Of one machine and one kind; failed ones are named as such.
    """
    engines = [name for name in ("tflite", "onnx", "openvino") if _of(rows, backend=name)]
    threads = sorted({row["threads"] for row in rows})
    names = [*engines, "from the file", "by", "cold start", "peak MiB", "file MiB"]
    lines = ["| model | precision | " + " | ".join(names) + " |"]
    lines.append("|---|---|" + "---:|" * len(names))
    for model, precision in dict.fromkeys((row["model"], row["precision"]) for row in rows):
        mine = _of(rows, model=model, precision=precision)
        words = []
        for engine in engines:
            each = [_of(mine, backend=engine, threads=count) for count in threads]
            shown = [_median_or_why(found) for found in each]
            words.append(" / ".join(shown) if any(shown) else "–")
        good = [row for row in mine if row["status"] == "ok"]
        best = min(good, key=lambda row: float(row["end_to_end"]["p50_ms"]), default=None)
        if best is None:
            words += ["–"] * 5
        else:
            words += [
                milliseconds(best["end_to_end"]["p50_ms"]),
                f"{best['backend']}, {best['threads']}",
                milliseconds(best["cold_start_ms"]),
                mib(best["peak_mib"]),
                NAMED["file MiB"].text(best),
            ]
        lines.append(f"| {model} | {precision} | " + " | ".join(words) + " |")
    if any(map(_fault, rows)):
        lines += [
            "",
            f"{UNSOUND} failed parity: it does not compute what the float model computes.",
        ]
    return "\n".join(lines)


def _of(rows: Sequence[Json], **wanted: Any) -> list[Json]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _median_or_why(rows: list[Json]) -> str:
    if not rows:
        return ""
    if rows[0]["status"] != "ok":
        return "failed"
    return milliseconds(rows[0]["latency"]["p50_ms"]) + _fault(rows[0])


def _fault(row: Json) -> str:
    return UNSOUND if row.get("parity") == "fail" else ""


def flatten(row: Json, prefix: str = "") -> Json:
    """Return a row with one level: ``latency.p50_ms``; lists joined by semicolons."""
    flat: Json = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return flat


def csv_text(rows: Sequence[Json]) -> str:
    """Return rows as CSV, every figure in it; columns that no row has are left out."""
    flat = [flatten(row) for row in rows]
    # a block that one row lacks is null there, and its keys are another row's
    blocks = {key.rsplit(".", 1)[0] for row in flat for key in row if "." in key}
    known = dict.fromkeys(key for row in flat for key in row)
    names = [name for name in known if name not in blocks]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue()
