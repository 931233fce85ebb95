"""Results as text: the terminal's table, Markdown and CSV; numbers worded in one place."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

NOT_MEASURED = "not measured"
# column -> how a row's value is worded; the tables of the terminal and of Markdown share them
Column = tuple[str, str]


def milliseconds(value: float | None) -> str:
    """Word a time: three figures are what it is worth."""
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def mib(value: float | None) -> str:
    """Word an amount of memory."""
    return "–" if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def file_mib(row: Json) -> str:
    """Word the size of a row's artifact."""
    return mib(row["file_bytes"] / 2**20 if row["file_bytes"] else None)


def share(figure: Json | None) -> str:
    """Word a proportion with its interval."""
    if figure is None:
        return "–"
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def median_of(times: Json | None) -> str:
    """Word a median with half its interval."""
    if times is None:
        return "–"
    ends = times["ci"]
    spread = "" if ends is None else f" ± {milliseconds((ends['high'] - ends['low']) / 2)}"
    return milliseconds(times["p50_ms"]) + spread


def accuracy_of(row: Json, name: str) -> str:
    """Word one of a row's accuracy figures: marked where seen images are in it."""
    if row["accuracy"] is None:
        return NOT_MEASURED
    mark = " (seen images included)" if row["accuracy"]["include_seen"] else ""
    return share(row["accuracy"][name]) + mark


def machine_line(machine: Json) -> str:
    """Word a machine in a line."""
    cores = machine.get("cores_physical") or machine.get("cores_logical")
    parts = [machine.get("board"), machine.get("cpu"), f"{cores} cores" if cores else None]
    if machine.get("quota_cores"):
        parts.append(f"quota {machine['quota_cores']:g} cores")
    if machine.get("memory_mib"):
        parts.append(f"{machine['memory_mib'] / 1024:.0f} GiB")
    parts += [machine.get("os"), f"Python {machine.get('python')}"]
    return ", ".join(str(part) for part in dict.fromkeys(parts) if part)


def cells(row: Json) -> dict[str, str]:
    """Return the words of a row, column by column."""
    latency, whole = row["latency"] or {}, row["end_to_end"] or {}
    head = {
        "model": row["model"] + ("" if row["head"] in (None, "gap") else f" ({row['head']})"),
        "precision": row["precision"],
        "engine": row["backend"],
        "threads": str(row["threads"]),
    }
    if row["status"] == "failed":
        return {**head, "p50 ms": f"failed: {row['why']}"}
    return {
        **head,
        "p50 ms": median_of(row["latency"]),
        "p95 ms": milliseconds(latency.get("p95_ms")),
        "end to end p50 ms": milliseconds(whole.get("p50_ms")),
        "end to end p95 ms": milliseconds(whole.get("p95_ms")),
        "fields/s": milliseconds((row["throughput"] or {}).get("images_per_s")),
        "load ms": milliseconds(latency.get("load_ms")),
        "first ms": milliseconds(latency.get("first_ms")),
        "cold start ms": milliseconds(row["cold_start_ms"]),
        "CPU ms": milliseconds(row["cpu_ms"]),
        "peak MiB": mib(row["peak_mib"]),
        "steady MiB": mib(row["steady_mib"]),
        "file MiB": file_mib(row),
        "sensitivity": accuracy_of(row, "sensitivity"),
        "specificity": accuracy_of(row, "specificity"),
    }


TERMINAL = (
    *("model", "precision", "engine", "threads", "p50 ms", "p95 ms", "end to end p50 ms"),
    *("fields/s", "cold start ms", "peak MiB", "file MiB", "sensitivity"),
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
    good = [cells(row) for row in document["rows"] if row["status"] == "ok"]
    lines = [machine_line(document["machine"])]
    if good:
        lines.append(aligned([TERMINAL, *([row[name] for name in TERMINAL] for row in good)]))
    for row in document["rows"]:
        name = f"{row['bundle']} {row['backend']}, {row['threads']} threads"
        if row["status"] == "failed":
            lines.append(f"failed: {name}: {row['why']}")
        lines += [f"note: {name}: {note}" for note in row["noise"]]
        if row["reached_width"] is False:
            lines.append(f"note: {name}: the interval is wider than was asked for")
    for why in dict.fromkeys(row["accuracy_note"] for row in document["rows"]):
        if why:
            lines.append(f"accuracy not measured: {why}")
    return "\n".join(lines)


def markdown_table(names: Sequence[str], rows: Sequence[Json]) -> str:
    """Return rows as a Markdown table of the named columns."""
    lines = [
        "| " + " | ".join(names) + " |",
        "|" + "|".join("---" if at < 3 else "---:" for at in range(len(names))) + "|",
    ]
    for words in map(cells, rows):
        line = [words.get(name, "").replace("|", "\\|") for name in names]
        lines.append("| " + " | ".join(line) + " |")
    return "\n".join(lines)


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
                file_mib(best),
            ]
        lines.append(f"| {model} | {precision} | " + " | ".join(words) + " |")
    return "\n".join(lines)


def _of(rows: Sequence[Json], **wanted: Any) -> list[Json]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _median_or_why(rows: list[Json]) -> str:
    if not rows:
        return ""
    return milliseconds(rows[0]["latency"]["p50_ms"]) if rows[0]["status"] == "ok" else "failed"


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
