"""How sure a model must be that a cell is no leucocyte, on a microscope that was left out.

``python -m alledge.benchmarks.internal.cell_ablation.least_other --all-idb1 ALL_IDB1 --pbc PBC
--weights WEIGHTS``. A linear probe (healthy, other, blast) is fitted to the cells of all
microscopes but one, and judges the cells of that one: a cell whose label would be ``other`` keeps
it only where its probability reaches a limit. No cell of BCCD, JTSC or CellaVision is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.field_rule import OTHER
from ....runtime.metrics.intervals import wilson
from ....runtime.terminal import echo
from .compositions import BLAST, EVEN, HEALTHY, LEUCOCYTES, Cells, fit_probe, read_cells

LIMITS = (0.0, 0.6, 0.7, 0.8, 0.9)  # 0: the likeliest label
Mask = NDArray[np.bool_]


@click.command()
@click.option("--all-idb1", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--pbc", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--groups", type=click.Path(path_type=Path), help="CSV file with image,group.")
@click.option("--cells", "table", type=click.Path(path_type=Path), help="Truth of the cells.")
@click.option("--weights", required=True, type=click.Path(path_type=Path, exists=True))
def main(all_idb1: Path, pbc: Path, groups: Path | None, table: Path | None, weights: Path) -> None:
    """Print a Markdown table with a row for each microscope that is left out, and each limit."""
    cells = read_cells(all_idb1, pbc, groups, table, weights)
    echo(
        "| trained on | left out | limit | leucocytes called other | blasts called other "
        "| smudges called other | other bodies called other |"
    )
    echo("|---|---|---|---|---|---|---|")
    for name, is_trained in (
        ("the other camera", cells.kind == ""),
        ("the other camera, PBC", np.ones(len(cells.kind), dtype=bool)),
    ):
        for microscope in np.unique(cells.microscope):
            there = cells.microscope == microscope
            if not (is_trained & there).any():  # PBC is left out: both cameras are trained on
                name, is_trained = "both cameras", cells.kind == ""
            elif (cells.kind[there] != "").any():
                continue
            scores = fit_probe(cells, cells.known & is_trained & ~there)(cells.passes[0])
            for limit in LIMITS:
                called = called_other(scores, cells.labels, limit)
                echo(f"| {name} | {microscope} | {limit:g} | {_columns(cells, there, called)} |")


def called_other(scores: NDArray[np.floating[Any]], labels: tuple[str, ...], limit: float) -> Mask:
    """Return which cells keep the label ``other``, (N,)."""
    healthy, blast, other = (scores[:, labels.index(label)] for label in (HEALTHY, BLAST, OTHER))
    return np.asarray((blast < EVEN) & (other > healthy) & (other >= limit))


def _columns(cells: Cells, there: Mask, called: Mask) -> str:
    is_leucocyte = (cells.kind == "") | np.isin(cells.kind, LEUCOCYTES)
    judged = cells.counted & there
    rows = (
        judged & ~cells.are(OTHER) & is_leucocyte,
        judged & cells.are(BLAST),
        cells.known & ~cells.counted & there & cells.are(OTHER),
        judged & cells.are(OTHER),
    )
    return " | ".join(_share(called & row, row) for row in rows)


def _share(called: Mask, among: Mask) -> str:
    count, number = int(called.sum()), int(among.sum())
    if not number:
        return "–"
    low, high = wilson(count, number)
    return f"{count} of {number} ({low:.3f}–{high:.3f})"


if __name__ == "__main__":
    main()
