"""The charts of a study's page: ROC curves, learning curves, and bars of intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from ...runtime.metrics.metrics import Json
from ...runtime.pages.svg import DPI, chart_style, figure_svg

SIZE_PX = (330, 240)
DASHES = {"probe": ":", "head": "--", "base": "-"}
COLOURS = 6  # series-0 … series-5 in the style sheet


def roc_chart(rows: Sequence[Json], series: Mapping[str, int]) -> Markup:
    """Return the ROC curves of the rows of one section as SVG.

    Parameters
    ----------
    rows : sequence of dict
        With `model`, `kind` and `roc`, a list of (1 − specificity, sensitivity).
    series : mapping of str to int
        Number of the colour of each model.
    """
    with chart_style() as colour:
        figure, axes = _axes("1 − specificity", "sensitivity")
        axes.plot([0, 1], [0, 1], color=colour["line"], linestyle=":")
        for row in rows:
            axes.plot(
                *zip(*row["roc"], strict=True),
                color=colour[f"series-{series[row['model']]}"],
                linestyle=DASHES[row["kind"]],
            )
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
        return Markup(figure_svg(figure, "ROC curves"))


def learning_chart(row: Json, series: Mapping[str, int]) -> Markup:
    """Return the learning curve of a row as SVG: training solid, validation dashed."""
    curve = row["curve"]
    with chart_style() as colour:
        figure, axes = _axes("epoch", "loss")
        tint = colour[f"series-{series[row['model']]}"]
        for name, style in (("loss", "-"), ("val_loss", "--")):
            values = [math.nan if value is None else value for value in curve[name]]
            axes.plot(curve["epoch"], values, color=tint, linestyle=style)
        axes.set_xlim(0, max(curve["epoch"]) or 1)
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        return Markup(figure_svg(figure, f"Learning curve of {row['title']}"))


def lowest(figures: Sequence[Json | None]) -> float:
    """Return where the bars of some proportions begin: the tenth below their lowest interval."""
    lows = [figure["low"] for figure in figures if figure and not math.isnan(figure["low"])]
    return min(math.floor(10 * min(lows, default=0.0)) / 10, 0.9)


def interval_bar(figure: Json | None, start: float = 0.0) -> dict[str, float] | None:
    """Return the positions of a bar that shows a proportion and its interval.

    Parameters
    ----------
    figure : dict, optional
        `value`, `low` and `high`, 0 to 1.
    start : float
        Proportion at the left end of the bar. The right end is 1.

    Returns
    -------
    dict, optional
        `value`, `low` and `high` in per cent of the bar's width; None if one of them is not known.
    """
    names = ("value", "low", "high")
    if not figure or any(math.isnan(figure[name]) for name in names):
        return None
    return {name: round(100 * (figure[name] - start) / (1 - start), 1) for name in names}


def _axes(x_label: str, y_label: str) -> tuple[Figure, Any]:
    width, height = SIZE_PX
    figure = Figure(figsize=(width / DPI, height / DPI), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(visible=True, axis="y")
    return figure, axes
