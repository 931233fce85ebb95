"""The short tables of the docs: ``python -m alledge.benchmarks.short_table RESULT.json…``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from ..runtime.backends import BACKENDS
from .columns import NAMED
from .merge import merge
from .result import read
from .tables import UNSOUND
from .wording import NONE, machine_line, milliseconds

Json = dict[str, Any]
PRECISIONS = ("float32", "float16", "dynamic", "int8")  # in the order of the tables
WORTH = ("accuracy", "sensitivity", "specificity", "AUC")
FROM_FILE = ("end to end p50 ms", "cold start ms", "peak MiB", "file MiB")


def short_tables(documents: Iterable[Json]) -> str:
    """Return two Markdown tables of every site: what artifacts take, and what they are worth.

    Parameters
    ----------
    documents : iterable of dict
        As `result.read` returns them.
    """
    parts = []
    for site in merge(documents):
        good = [row for row in site.rows if row["status"] == "ok"]
        parts += [machine_line(site.machine), _times(good)]
        if judged := [row for row in good if row["accuracy"]]:
            parts.append(_worth(judged))
    return "\n\n".join(parts)


def _times(rows: list[Json]) -> str:
    """Return a line for each model and precision: one thread / two, by engine; then the best."""
    lines = [["model", "precision", *BACKENDS, "from the file", "by", *FROM_FILE[1:]]]
    for name in dict.fromkeys(_name(row) for row in _sorted(rows)):
        same = [row for row in rows if _name(row) == name]
        best = min(same, key=lambda row: float(row["end_to_end"]["p50_ms"]))
        by = f"{best['backend']}, {best['threads']}"
        engines = [_engine(same, backend) for backend in BACKENDS]
        first, *rest = (NAMED[column].text(best) for column in FROM_FILE)
        lines.append([*name, *engines, first, by, *rest])
    return _markdown(lines, words=("model", "precision", "by"))


def _engine(rows: list[Json], backend: str) -> str:
    """Word the medians of one engine, from one thread on."""
    found = sorted((row for row in rows if row["backend"] == backend), key=lambda r: r["threads"])
    unsound = UNSOUND if any(row.get("parity") == "fail" for row in found) else ""
    medians = " / ".join(milliseconds(row["latency"]["p50_ms"]) for row in found)
    return f"{medians}{unsound}" if found else NONE


def _worth(rows: list[Json]) -> str:
    """Return a line for each answer that engines give alike."""
    engines: dict[tuple[str, ...], dict[str, None]] = {}
    for row in _sorted(rows):
        key = (*_name(row), *(NAMED[column].whole(row) for column in WORTH))
        engines.setdefault(key, {})[row["backend"]] = None
    lines = [["model", "precision", "on", *WORTH]]
    for (model, precision, *figures), on in engines.items():
        lines.append([model, precision, ", ".join(on), *figures])
    return _markdown(lines, words=lines[0])


def _name(row: Json) -> tuple[str, str]:
    return NAMED["model"].text(row), row["precision"]


def _sorted(rows: list[Json]) -> list[Json]:
    """Return rows by model as they came, precision, and engine."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    return sorted(
        rows,
        key=lambda row: (
            models.index(row["model"]),
            PRECISIONS.index(row["precision"]),
            list(BACKENDS).index(row["backend"]),
        ),
    )


def _markdown(lines: list[list[str]], words: Iterable[str]) -> str:
    marks = ["---" if name in words else "---:" for name in lines[0]]
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], marks, *lines[1:]))


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(results: tuple[Path, ...]) -> None:
    """Print the tables of results."""
    click.echo(short_tables(read(path) for path in results))


if __name__ == "__main__":
    main()
