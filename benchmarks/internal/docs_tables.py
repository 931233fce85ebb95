"""Prints the tables of docs/benchmarks.md from result documents.

``python -m alledge.benchmarks.internal.docs_tables RESULT.json…``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from ...runtime.backends import BACKENDS
from ..reporting.formatting import machine_line
from ..reporting.markdown_report import short_table
from ..reporting.result_merging import merge
from ..reporting.table_columns import COLUMN_BY_NAME
from ..reporting.types import Row
from ..result_file import read_result
from ..types import Result

PRECISIONS = ("float32", "float16", "dynamic", "int8")  # in the order of the tables
METRICS = ("accuracy", "sensitivity", "specificity", "AUC")


def short_tables(results: Iterable[Result]) -> str:
    """Return two Markdown tables for every machine: latency and memory, then accuracy.

    Parameters
    ----------
    results : iterable of Result
    """
    parts = []
    for site in merge(results):
        measured = [row for row in site.rows if row["status"] == "ok"]
        parts += [machine_line(site.machine), short_table(_sorted(measured))]
        if evaluated := [row for row in measured if row["accuracy"]]:
            parts.append(_accuracy_table(evaluated))
    return "\n\n".join(parts)


def _accuracy_table(rows: list[Row]) -> str:
    """Return a Markdown table. Engines whose metrics are equal share a line."""
    engines: dict[tuple[str, ...], dict[str, None]] = {}  # the inner dict is an ordered set
    for row in _sorted(rows):
        metrics = (COLUMN_BY_NAME[column].whole(row) for column in METRICS)
        key = (COLUMN_BY_NAME["model"].text(row), row["precision"], *metrics)
        engines.setdefault(key, {})[row["backend"]] = None
    lines = [["model", "precision", "on", *METRICS], ["---"] * (3 + len(METRICS))]
    for (model, precision, *cells), backends in engines.items():
        lines.append([model, precision, ", ".join(backends), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _sorted(rows: list[Row]) -> list[Row]:
    """Return rows sorted by model (in order of appearance), precision and engine."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    return sorted(
        rows,
        key=lambda row: (
            models.index(row["model"]),
            PRECISIONS.index(row["precision"]),
            list(BACKENDS).index(row["backend"]),
        ),
    )


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(results: tuple[Path, ...]) -> None:
    """Print the tables of some results."""
    click.echo(short_tables(read_result(path) for path in results))


if __name__ == "__main__":
    main()
