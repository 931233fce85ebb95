"""Draws the pictures of a run: learning curves, confusion matrix, ROC curve, augmented images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...runtime.metrics.metrics import Json
from ..data.examples import Examples
from ..fitting.augmentation import Augmentation, augment
from ..fitting.types import HistoryRow
from ..roc import roc_points

INK, GRID, PAPER = "#22303c", "#dfe5ea", "#ffffff"
BLUE, ORANGE, GREY = "#2563a8", "#d9682b", "#8a97a3"
DPI = 130
COPIES = 6  # augmented copies of each image
STYLE = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "text.parse_math": False,  # a label may have dollar signs
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
}


def draw_curves(path: Path, history: Sequence[HistoryRow], title: str) -> None:
    """Draw loss and accuracy of every fold over its epochs.

    Parameters
    ----------
    path : Path
    history : sequence of dict
        Rows of ``history.csv``. Fold 0, the refit, is not drawn.
    title : str
    """
    folds = sorted({row["fold"] for row in history if row["fold"]})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        axes = figure.subplots(1, 2)
        for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
            for fold in folds:
                rows = _last_validated_phase([row for row in history if row["fold"] == fold])
                _draw_line(axis, rows, name, GREY, "training")
                _draw_line(axis, rows, f"val_{name}", BLUE, "inner validation, averaged weights")
            axis.set_title(name.capitalize())
            axis.set_xlabel("epoch (0: before the whole network is trained)")
        axes[0].set_ylim(bottom=0)
        axes[1].set_ylim(top=1.01)
        handles, names = axes[0].get_legend_handles_labels()
        unique = dict(zip(names, handles, strict=True))
        figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=2)
        figure.suptitle(f"{title}: one line a fold", x=0.01, ha="left", weight="bold")
        figure.savefig(path, dpi=DPI)


def draw_confusion(path: Path, summary: Json, title: str, unit: str = "images") -> None:
    """Draw the confusion matrix of the metrics that `summarize` returned, in images or cells."""
    labels = summary["confusion"]["labels"]
    counts = np.array(summary["confusion"]["counts"])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(3.4, 1.1 * len(labels) + 1.6)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(side + 0.4, side), layout="constrained")
        axis = figure.subplots()
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1.25)
        for row, column in np.ndindex(counts.shape):
            axis.text(
                column,
                row,
                f"{counts[row, column]}\n{share[row, column]:.1%}",
                ha="center",
                va="center",
                color=PAPER if share[row, column] > 0.6 else INK,
            )
        axis.set_xticks(range(len(labels)), labels)
        axis.set_yticks(range(len(labels)), labels)
        axis.set_xlabel("said")
        axis.set_ylabel("truth")
        axis.tick_params(length=0)
        axis.set_title(f"{title}\nout of fold, {counts.sum()} {unit}")
        figure.savefig(path, dpi=DPI)


def draw_roc(
    path: Path,
    truth_positive: NDArray[np.bool_],
    scores: dict[str, NDArray[np.float64]],
    summaries: dict[str, Json],
    title: str,
    unit: str = "images",
) -> None:
    """Draw the ROC curves of one or more classifiers on the same images.

    Parameters
    ----------
    path : Path
    truth_positive : (N,) ndarray of bool
    scores : dict of str to (N,) ndarray of float64
        Positive scores of each classifier, by its name.
    summaries : dict of str to dict
        Metrics of each classifier, for the legend.
    title, unit : str
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.4), layout="constrained")
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], color=GRID, linewidth=1)
        for (name, score), colour in zip(scores.items(), (BLUE, ORANGE, GREY), strict=False):
            false_alarms, sensitivity = roc_points(truth_positive, score)
            area = summaries[name]["auc"]
            text = f"{area['value']:.3f} ({area['low']:.3f}–{area['high']:.3f})" if area else "–"
            axis.plot(
                false_alarms, sensitivity, color=colour, linewidth=1.8, label=f"{name}: AUC {text}"
            )
        axis.set_xlim(-0.01, 1)
        axis.set_ylim(0, 1.01)
        axis.set_xlabel("1 − specificity")
        axis.set_ylabel("sensitivity")
        axis.set_title(f"{title}\nout of fold, {len(truth_positive)} {unit}")
        axis.legend(loc="lower right")
        figure.savefig(path, dpi=DPI)


def draw_augmented(path: Path, examples: Examples, augmentation: Augmentation, seed: int) -> None:
    """Draw one image of every label beside its augmented copies of the first epochs."""
    labels = examples.dataset.labels
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(1.35 * (COPIES + 1), 1.5 * len(labels) + 0.4))
        figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02)
        axes = figure.subplots(len(labels), COPIES + 1, squeeze=False)
        for row, label in enumerate(labels):
            index = int(np.flatnonzero(examples.truth == row)[0])
            original = examples.pixels[index]
            copies = [
                augment(original, augmentation, seed=seed, epoch=epoch, sample=index)
                for epoch in range(1, COPIES + 1)
            ]
            for column, (axis, pixels) in enumerate(
                zip(axes[row], [original, *copies], strict=True)
            ):
                axis.imshow(pixels)
                axis.set_xticks([])
                axis.set_yticks([])
                axis.spines[:].set_visible(False)
                axis.set_title(f"{label}, as it is" if not column else f"epoch {column}", size=8)
        figure.savefig(path, dpi=DPI)


def _last_validated_phase(rows: list[HistoryRow]) -> list[HistoryRow]:
    """Return the rows of the last phase with a validation loss, or of the last phase."""
    validated = [row for row in rows if row["val_loss"] is not None] or rows
    return [row for row in rows if row["phase"] == validated[-1]["phase"]]


def _draw_line(
    axis: Any, rows: Sequence[Mapping[str, Any]], name: str, colour: str, label: str
) -> None:
    points = [(row["epoch"], row[name]) for row in rows if row[name] is not None]
    if points:
        axis.plot(*zip(*points, strict=True), color=colour, linewidth=1.3, alpha=0.8, label=label)
