"""Writes the tables and the pictures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runtime.metrics.decisions import is_positive, positive_score
from ..data.examples import Examples
from ..data.split_types import Split
from ..fitting.types import HistoryRow
from ..networks.architectures import architecture
from .field_table import FIELDS, write_fields
from .options import TrainOptions
from .run_folder import BY_FOLD, PREDICTIONS, SPLIT
from .run_results import RunResults
from .run_tables import write_history, write_predictions, write_split
from .types import CELL


def write_tables(
    folder: Path,
    examples: Examples,
    split: Split,
    results: RunResults,
    history: Sequence[HistoryRow],
) -> None:
    """Write the CSV files of a run."""
    predictions, fields = results.predictions, results.fields
    labels, images = examples.dataset.labels, predictions.per_image()
    write_predictions(folder / PREDICTIONS, images, labels)
    if len(images.images) < len(predictions.images):
        write_predictions(folder / BY_FOLD, predictions, labels)
    write_history(folder / "history.csv", history)
    write_split(folder / SPLIT, examples, split)
    if fields is not None and fields.crossed is not None:
        write_fields(folder / FIELDS, fields.table, fields.crossed.judged, fields.crossed.folds)


def draw_plots(
    folder: Path,
    options: TrainOptions,
    examples: Examples,
    results: RunResults,
    history: Sequence[HistoryRow],
) -> None:
    """Draw the pictures of a run."""
    from . import field_plots, plots  # matplotlib takes a second to import

    images = results.predictions.with_truth().per_image()
    metrics, fields = results.metrics, results.fields
    labels, positive = examples.dataset.labels, examples.dataset.positive
    title = f"{architecture(options.model).title} on {examples.dataset.name}"
    unit = "cells" if options.task == CELL else "images"
    scores = {"fine-tuned": positive_score(images.scores, labels, positive)}
    summaries = {"fine-tuned": metrics["oof"]}
    if images.probe is not None:
        scores["linear probe"] = positive_score(images.probe, labels, positive)
        summaries["linear probe"] = metrics["probe"]
    truth_positive = is_positive(labels, positive)[images.truth]
    plots.draw_curves(folder / "curves.png", history, title)
    plots.draw_confusion(folder / "confusion.png", metrics["oof"], title, unit)
    plots.draw_roc(folder / "roc.png", truth_positive, scores, summaries, title, unit)
    plots.draw_augmented(
        folder / "augmented.png", examples, options.recipe.augmentation, options.seed
    )
    if fields is not None and fields.crossed is not None:
        field_plots.draw_field_plots(folder, fields.crossed.judged, metrics["fields"], title)
