"""The report as Markdown. Text of a result can open no HTML tag in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...runtime.pages.environment import markdown_text
from .formatting import NONE, data_line, document_line, machine_line, mib, milliseconds, notes
from .recommendation import Advice
from .result_merging import Site
from .selection_criteria import Limits, failed_parity
from .table_columns import (
    ACCURACY,
    COLUMN_BY_NAME,
    COLUMNS,
    CONFIGURATION,
    FROM_FILE,
    MODEL_ALONE,
    ORIGIN,
    PROCESS,
    STAGES,
    Column,
    shown,
)
from .types import Row

FAILED_PARITY_MARK = "†"
# Heading, groups of columns, and single columns of other groups.
TABLES = (
    ("At a glance", (ACCURACY,), ("p50 ms", "end to end p50 ms", "end to end p95 ms", "peak MiB")),
    ("The model alone", (MODEL_ALONE,), ()),
    ("From the file to the answer", (FROM_FILE,), ()),
    ("The stages of one field of cells", (STAGES,), ()),
    ("The process, and how it was measured", (PROCESS, ORIGIN), ()),
)

IN_SHORT = (
    "In short: median ms of the model alone by engine, with {threads} threads; then the time from "
    "the file to the answer, the cold start and the peak memory on the engine and threads that "
    "answer soonest."
)


def report_markdown(sites: Sequence[Site], advice: Advice, limits: Limits) -> str:
    """Return the report as Markdown."""
    title = f"## {advice.kicker}: {advice.title}"
    parts = [title, f"Limits: {limits.in_words()}.", *advice.reasons]
    for site in sites:
        parts += _site_markdown(site)
    return "\n\n".join(markdown_text(part) for part in parts if part) + "\n"


def _site_markdown(site: Site) -> list[str]:
    parts = [f"## {site.title}", machine_line(site.machine) + "."]
    parts += ["\n".join(f"- result: {document_line(one)}" for one in site.documents)]
    parts += [f"Accuracy on {data_line(data)}." for data in site.data]
    measured = [row for row in site.rows if row["kind"] == "measured"]
    if measured:
        threads = " / ".join(map(str, sorted({row["threads"] for row in measured})))
        parts += [IN_SHORT.format(threads=threads), short_table(measured)]
    for kind in ("measured", "estimated"):
        rows = [row for row in site.rows if row["kind"] == kind and row["status"] == "ok"]
        if rows:
            parts += [f"{kind.capitalize()}:", *markdown_tables(rows)]
            parts.append("\n".join(markdown_notes(rows)))
    failed = [row for row in site.rows if row["status"] == "failed"]
    return parts + [f"- failed: {row['bundle']}, {row['backend']}: {row['why']}" for row in failed]


def markdown_tables(rows: Sequence[Row]) -> list[str]:
    """Return all figures of rows as Markdown tables, each with its heading."""
    parts = []
    for heading, groups, names in TABLES:
        columns = [one for one in COLUMNS if one.group in groups or one.name in names]
        columns = shown(columns, rows)
        if columns:
            first = [column for column in COLUMNS if column.group == CONFIGURATION]
            parts += [f"### {heading}", _markdown_table([*first, *columns], rows)]
    return parts


def _markdown_table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    lines = [
        "| " + " | ".join(column.name for column in columns) + " |",
        "|" + "|".join("---" if column.is_text else "---:" for column in columns) + "|",
    ]
    lines += [_markdown_line(column.whole(row) for column in columns) for row in rows]
    return "\n".join(lines)


def markdown_notes(rows: Sequence[Row]) -> list[str]:
    """Return the remarks on the figures: each remark once, with the rows it applies to."""
    names_by_note: dict[str, list[str]] = {}
    for row in rows:
        name = f"{row['bundle']} {row['backend']} {row['threads']}"
        remarks = [f"{tag}: {sentence}" for tag, sentence in notes(row)]
        if row["accuracy_note"] and row["kind"] == "measured":
            remarks.append(f"accuracy not measured: {row['accuracy_note']}")
        for remark in remarks:
            names_by_note.setdefault(remark, []).append(name)
    return [
        markdown_text(f"- {note} ({'all rows' if len(names) == len(rows) else ', '.join(names)})")
        for note, names in names_by_note.items()
    ]


def short_table(rows: Sequence[Row]) -> str:
    """Return a Markdown table with one line for each artifact.

    Engines are side by side; the medians for several thread counts are separated by slashes.

    Parameters
    ----------
    rows : sequence of Row
        Rows of one machine and one kind. Failed ones are shown as failed.
    """
    engines = [name for name in ("tflite", "onnx", "openvino") if _matching(rows, backend=name)]
    threads = sorted({row["threads"] for row in rows})
    names = [*engines, "from the file", "by", "cold start", "peak MiB", "file MiB"]
    lines = ["| model | precision | " + " | ".join(names) + " |"]
    lines.append("|---|---|" + "---:|" * len(names))
    kinds = dict.fromkeys((row["model"], row["precision"], row.get("task")) for row in rows)
    for model, precision, task in kinds:
        artifact = _matching(rows, model=model, precision=precision, task=task)
        cells = [model if task is None else f"{model}, {task}s", precision]
        for engine in engines:
            on_engine = _matching(artifact, backend=engine)
            medians = [_median_or_failure(_matching(on_engine, threads=n)) for n in threads]
            cells.append(" / ".join(medians) if any(medians) else NONE)
        lines.append(_markdown_line([*cells, *_best_of_artifact(artifact)]))
    if any(map(failed_parity, rows)):
        mark = f"{FAILED_PARITY_MARK} failed parity"
        lines += ["", f"{mark}: it does not compute what the float model computes."]
    return "\n".join(lines)


def _markdown_line(cells: Iterable[str]) -> str:
    safe = (" ".join(markdown_text(cell).split()).replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(safe) + " |"


def _best_of_artifact(rows: Sequence[Row]) -> list[str]:
    """Return the cells for the engine and threads that answer soonest."""
    timed = [
        (row["end_to_end"]["p50_ms"], row)
        for row in rows
        if row["status"] == "ok" and row["end_to_end"] and row["end_to_end"]["p50_ms"] is not None
    ]
    if not timed:
        return [NONE] * 5
    median, row = min(timed, key=lambda one: one[0])
    return [
        milliseconds(median),
        f"{row['backend']}, {row['threads']}",
        milliseconds(row["cold_start_ms"]),
        mib(row["peak_mib"]),
        COLUMN_BY_NAME["file MiB"].text(row),
    ]


def _matching(rows: Sequence[Row], **values: Any) -> list[Row]:
    return [row for row in rows if all(row.get(key) == value for key, value in values.items())]


def _median_or_failure(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    row = rows[0]
    if row["status"] != "ok" or row["latency"] is None:
        return "failed"
    mark = FAILED_PARITY_MARK if failed_parity(row) else ""
    return milliseconds(row["latency"]["p50_ms"]) + mark
