"""The pages of a study, HTML and Markdown, made from ``study.json`` alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...runtime.files import replace_file
from ...runtime.metrics.metrics import Json
from ...runtime.pages.environment import render_page
from .charts import COLOURS, interval_bar, learning_chart, lowest, roc_chart
from .field_rows import FIELD_COLUMNS, field_rows, field_words
from .first_table import first_table
from .report_sentences import (
    CONTRADICTIONS,
    INDEPENDENT,
    KINDS,
    NOTHING,
    camera_words,
    code_words,
    sentence,
    strengths,
    verdict_words,
    weights_words,
)

CELL_TASK = "cell"
TEMPLATES = Path(__file__).resolve().parent / "templates"
FUNCTIONS = {
    "camera_words": camera_words,
    "verdict_words": verdict_words,
    "weights_words": weights_words,
    "code_words": code_words,
    "strengths": strengths,
    "lowest": lowest,
    "roc_chart": roc_chart,
    "learning_chart": learning_chart,
    "interval_bar": interval_bar,
    "field_words": field_words,
}


def write_pages(out: Path, document: Json) -> Path:
    """Write ``study.html`` and ``study.md`` into the folder of a study.

    Parameters
    ----------
    out : Path
    document : dict
        As `tabulate` returns it.

    Returns
    -------
    Path
        The HTML page.
    """
    models = document["settings"]["models"]
    is_of_cells = document["settings"].get("task") == CELL_TASK
    filters: dict[str, Callable[..., str]] = {
        "figure": figure,
        "plain": plain,
        "sentence": sentence,
        "span": span,
        "seconds": seconds,
        "p": p_value,
    }
    for name in ("study.md", "study.html"):
        text = render_page(
            TEMPLATES / f"{name}.j2",
            filters,
            **FUNCTIONS,
            columns=columns,
            camera_alone=lambda section: _flat(section["camera_alone"]),
            kinds=KINDS,
            series={model: number % COLOURS for number, model in enumerate(models)},
            contradictions=CONTRADICTIONS,
            independent=INDEPENDENT,
            study=document,
            sections=document["sections"],
            overview=overview(document),
            first=first_table(document),
            is_of_cells=is_of_cells,
            beside=document.get("beside"),
            field_columns=FIELD_COLUMNS,
            field_rows=field_rows(document) if is_of_cells else [],
            costs={row["model"]: row for row in document["costs"]},
        )
        with replace_file(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return out / "study.html"


def overview(document: Json) -> list[Json]:
    """Return the rows of the first table, by model and kind.

    Returns
    -------
    list of dict
        `row`, the row of the first section that has one; `in`, by the number of the section, the
        figures there.
    """
    entries: dict[tuple[str, str], Json] = {}
    for number, section in enumerate(document["sections"]):
        for row in section["rows"]:
            entry = entries.setdefault((row["model"], row["kind"]), {"row": row, "in": {}})
            entry["in"][number] = _flat(row)
    kinds, models = list(KINDS), document["settings"]["models"]
    order = sorted(entries, key=lambda key: (models.index(key[0]), kinds.index(key[1])))
    return [entries[key] for key in order]


def columns(section: Json) -> list[tuple[str, str, str]]:
    """Return the columns of a section in the first table.

    Returns
    -------
    list of (str, str, str)
        Key of the summary, heading, and the images it is restricted to.
    """
    if section["split"] == "camera":
        return [("auc", "AUC", ""), ("sensitivity", "sens.", ""), ("specificity", "spec.", "")]
    shown = [("accuracy", "accuracy", ""), ("auc", "AUC", "")]
    if section["split"] != "paper" and section["both_labels"]:
        shown.insert(1, ("both_labels", "accuracy", f"{', '.join(section['both_labels'])} only"))
    return shown


def figure(value: Json | None) -> str:
    """Return a proportion or an AUC with three digits; a dash if it is not known."""
    return NOTHING if not value or math.isnan(value["value"]) else f"{value['value']:.3f}"


def span(value: Json | None) -> str:
    """Return the 95 % interval of a proportion; empty if it is not known."""
    if not value or any(value[key] is None or math.isnan(value[key]) for key in ("low", "high")):
        return ""
    between = "–" if value["low"] >= 0 else " to "
    return f"{value['low']:.2f}{between}{value['high']:.2f}"


def plain(value: float | None, digits: int = 3) -> str:
    """Return a number with fixed digits; a dash for None."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def p_value(value: float) -> str:
    """Return a p-value; below 0.001 only that it is."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def seconds(value: Any) -> str:
    """Return a duration in ms, s or min; a dash for None."""
    if value is None:
        return NOTHING
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def _flat(row: Json) -> Json:
    return {**row["summary"], "both_labels": row["both_labels"]}
