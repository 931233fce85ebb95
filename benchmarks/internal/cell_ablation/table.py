"""The results of the ablation as one JSON document, a CSV file and Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ....runtime.csv_cells import csv_document
from ....runtime.metrics.intervals import wilson
from .figures import (
    Figure,
    Scores,
    measure_difference,
    measure_figure,
    sensitivity_at,
    shares,
    weighted_auc,
)
from .row_store import RowScores
from .variants import CELL

CELLS, CELLS_OF_BLAST_FIELDS, FIELDS = "cells", "cells of blast fields", "fields"

# name of a figure -> what is scored, and the measure
# The cells of fields with blasts come from one camera in a section of the camera split. Their AUC
# cannot profit from telling the cameras apart.
MEASURES = {
    "cell_auc": (CELLS, weighted_auc),
    "cell_auc_in_blast_fields": (CELLS_OF_BLAST_FIELDS, weighted_auc),
    "field_auc": (FIELDS, weighted_auc),
    "sensitivity_at_95": (FIELDS, sensitivity_at),
}
HEADINGS = "cell AUC, inside blast fields, field AUC, sensitivity at specificity ≥ 0.95"
COLUMNS = (
    "group",
    "row",
    "section",
    "figure",
    "value",
    "low",
    "high",
    "gain",
    "gain_low",
    "gain_high",
)


class SectionFigures(TypedDict):
    """Figures of a row in one section; a figure that does not exist is None."""

    figures: dict[str, Figure | None]
    gains: dict[str, Figure | None]  # above the reference row
    sensitivity: float  # at the threshold that the training part chose
    specificity: float


class RowFigures(TypedDict):
    """Figures of a row."""

    group: str
    row: str
    settings: dict[str, Any]
    sections: dict[str, SectionFigures]
    healthy_called_blasts: dict[str, list[float]]  # by kind: count, number, share, low, high


def row_figures(row: RowScores, reference: RowScores | None) -> RowFigures:
    """Return the figures of a row, and its gains over the reference row.

    Parameters
    ----------
    row : RowScores
    reference : RowScores, optional
        None if the row is the reference itself.
    """
    sections: dict[str, SectionFigures] = {}
    for name in row.seeds[0]:
        figures: dict[str, Figure | None] = {}
        gains: dict[str, Figure | None] = {}
        for figure, (unit, measure) in MEASURES.items():
            has_cells = unit == FIELDS or row.variant["unit"] == CELL
            scores = _scores(row, name, unit) if has_cells else None
            figures[figure] = measure_figure(scores, measure) if scores else None
            gains[figure] = None
            if scores and reference:
                other = _scores(reference, name, unit)
                gains[figure] = measure_difference(scores, other, measure)
        truth = np.array(row.fields["truth"], dtype=bool)
        tested = ~np.isnan(row.seeds[0][name].fields)
        called = [by_section[name].called for by_section in row.seeds]
        sensitivity, specificity = shares(truth, called, tested)
        sections[name] = {
            "figures": figures,
            "gains": gains,
            "sensitivity": round(sensitivity, 4),
            "specificity": round(specificity, 4),
        }
    return {
        "group": row.variant["group"],
        "row": row.variant["name"],
        "settings": row.variant,
        "sections": sections,
        "healthy_called_blasts": {
            kind: [
                count,
                number,
                round(count / max(number, 1), 4),
                *_rounded(wilson(count, number)),
            ]
            for kind, (count, number) in row.called.items()
        },
    }


def csv_table(rows: Iterable[RowFigures]) -> str:
    """Return one line a figure, as CSV."""
    lines = []
    for row in rows:
        for section, own in row["sections"].items():
            for name, figure in own["figures"].items():
                if figure is None:
                    continue
                numbers = [*_three(figure), *_three(own["gains"][name])]
                lines.append([row["group"], row["row"], section, name, *numbers])
    return csv_document(COLUMNS, lines)


def markdown_table(rows: Sequence[RowFigures]) -> str:
    """Return one Markdown table a group of rows."""
    names = list(rows[0]["sections"])
    parts = []
    for group in dict.fromkeys(row["group"] for row in rows):
        head = [group, *(f"{name}: {HEADINGS}" for name in names)]
        lines = [head, ["---"] * len(head)]
        for row in rows:
            if row["group"] == group:
                lines.append([row["row"], *(_cell(row["sections"][name]) for name in names)])
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join(parts)


def negatives_table(rows: Iterable[RowFigures]) -> str:
    """Return a Markdown table of the healthy cells of other microscopes that are called blasts."""
    measured = [row for row in rows if row["healthy_called_blasts"]]
    if not measured:
        return ""
    kinds = list(measured[0]["healthy_called_blasts"])
    lines = [["row", *kinds], ["---"] * (1 + len(kinds))]
    for row in measured:
        counts = row["healthy_called_blasts"]
        lines.append(
            [row["row"], *(f"{counts[kind][0]:.0f} of {counts[kind][1]:.0f}" for kind in kinds)]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _scores(row: RowScores, section: str, unit: str) -> Scores:
    if unit == FIELDS:
        scores = np.array([by_section[section].fields for by_section in row.seeds])
        return Scores(_mask(row.fields["truth"]), scores, np.array(row.fields["groups"]))
    scores = np.array([by_section[section].cells for by_section in row.seeds])
    if unit == CELLS_OF_BLAST_FIELDS:
        scores[:, ~_mask(row.cells["in_blast_field"])] = np.nan
    return Scores(_mask(row.cells["truth"]), scores, np.array(row.cells["groups"]))


def _mask(values: Iterable[bool]) -> NDArray[np.bool_]:
    return np.array([*values], dtype=bool)


def _cell(section: SectionFigures) -> str:
    return ", ".join(_words(figure) for figure in section["figures"].values())


def _words(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    return f"{figure['value']:.3f} ({figure['low']:.2f}–{figure['high']:.2f})"


def _three(figure: Figure | None) -> list[float | None]:
    return [figure["value"], figure["low"], figure["high"]] if figure else [None] * 3


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(value, 4) for value in values]
