"""The short tables of the docs.

``python -m alledge.benchmarks.internal.docs_tables RESULT.json…``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import click

from ...runtime.backends import BACKENDS
from ..reporting.formatting import machine_line
from ..reporting.result_merging import merge
from ..reporting.table_columns import NAMED
from ..reporting.text_tables import short_table
from ..result_file import read_result
from ..types import Result

Json = dict[str, Any]
PRECISIONS = ("float32", "float16", "dynamic", "int8")  # in the order of the tables
WORTH = ("accuracy", "sensitivity", "specificity", "AUC")


def short_tables(documents: Iterable[Result]) -> str:
    """Return two Markdown tables of every site: what artifacts take, and what they are worth.

    Parameters
    ----------
    documents : iterable of dict
        As `result_file.read_result` returns them.
    """
    parts = []
    for site in merge(cast(Iterable[Json], documents)):
        good = [row for row in site.rows if row["status"] == "ok"]
        parts += [machine_line(site.machine), short_table(_sorted(good))]
        if judged := [row for row in good if row["accuracy"]]:
            parts.append(_worth(judged))
    return "\n\n".join(parts)


def _worth(rows: list[Json]) -> str:
    """Return a line for each answer that engines give alike."""
    engines: dict[tuple[str, ...], dict[str, None]] = {}
    for row in _sorted(rows):
        key = (*_name(row), *(NAMED[column].whole(row) for column in WORTH))
        engines.setdefault(key, {})[row["backend"]] = None
    lines = [["model", "precision", "on", *WORTH], ["---"] * (3 + len(WORTH))]
    for (model, precision, *figures), on in engines.items():
        lines.append([model, precision, ", ".join(on), *figures])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


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


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(results: tuple[Path, ...]) -> None:
    """Print the tables of results."""
    click.echo(short_tables(read_result(path) for path in results))


if __name__ == "__main__":
    main()
