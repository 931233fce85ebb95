"""Draws the pictures of the fields of a run: confusion matrix, ROC curve and blast counts."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ...runtime.metrics.field_metrics import JudgedFields
from ...runtime.metrics.metrics import Json
from .plots import BLUE, DPI, GRID, ORANGE, STYLE, draw_confusion, draw_roc

MARKERS = ("o", "s", "^", "D", "v")


def draw_field_plots(folder: Path, fields: JudgedFields, summary: Json, title: str) -> None:
    """Draw all pictures of fields.

    Parameters
    ----------
    folder : Path
    fields : JudgedFields
    summary : dict
        As `summarize_fields` returned it for these fields.
    title : str
    """
    answered = fields.select(fields.positive | ~np.isnan(fields.probability))
    p = np.nan_to_num(answered.probability, nan=0.0)
    draw_confusion(folder / "fields-confusion.png", summary, title, "fields")
    draw_roc(
        folder / "fields-roc.png",
        answered.positive,
        {"field by its cells": p},
        {"field by its cells": summary},
        title,
        "fields",
    )
    if summary["counts"] is not None:
        draw_counts(folder / "counts.png", fields, summary["counts"], title)


def draw_counts(path: Path, fields: JudgedFields, counts: Json, title: str) -> None:
    """Draw the counted blasts of each field over the true ones, with a marker for each camera.

    Parameters
    ----------
    path : Path
    fields : JudgedFields
    counts : dict
        As `count_metrics` returned it.
    title : str
    """
    known = fields.select(fields.true_blasts >= 0)
    cameras = np.asarray(known.cameras)
    highest = max(int(known.true_blasts.max()), int(known.compared_blasts.max()), 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.6), layout="constrained")
        axis = figure.subplots()
        axis.plot([0, highest], [0, highest], color=GRID, linewidth=1, zorder=0)
        for index, camera in enumerate(np.unique(cameras)):
            own = known.select(cameras == camera)
            row = counts["cameras"][str(camera)]
            error = row["mean_error"]
            axis.plot(
                own.true_blasts,
                own.compared_blasts,
                MARKERS[index % len(MARKERS)],
                color=(BLUE, ORANGE)[index % 2],
                alpha=0.5,
                markersize=4,
                label=f"{camera}: mean error {error['value']:.2f}" if error else str(camera),
            )
        axis.set_xlabel("true blasts of a field")
        axis.set_ylabel("counted blasts, out of fold")
        correlation = counts["pearson"]
        text = f", r = {correlation['value']:.3f}" if correlation else ""
        axis.set_title(f"{title}\nblasts of {counts['fields']} fields{text}")
        axis.legend(loc="upper left")
        figure.savefig(path, dpi=DPI)
