"""Writes the CSV files of a run: predictions, training history and split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runtime.metrics.metrics import Json
from ..data.examples import Examples
from ..data.splits import Split
from .run_folder import Predictions, write_table

HISTORY = (
    "fold",
    "phase",
    "epoch",
    "lr",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
)
SPLIT_COLUMNS = ("image", "fold", "group", "label", "camera")


def write_predictions(path: Path, predictions: Predictions, labels: Sequence[str]) -> None:
    """Write one row per prediction, with a column of scores for every label."""
    header = ["image", "label", "fold", "group", "camera", "truth"]
    header += [f"score_{label}" for label in labels]
    probe = predictions.probe
    if probe is not None:
        header += [f"probe_{label}" for label in labels]
    rows = [
        [
            image,
            labels[predictions.truth[index]],
            int(predictions.folds[index]),
            predictions.groups[index],
            predictions.cameras[index],
            int(predictions.truth[index]),
            *map(float, predictions.scores[index]),
            *(map(float, probe[index]) if probe is not None else ()),
        ]
        for index, image in enumerate(predictions.images)
    ]
    write_table(path, header, rows)


def write_history(path: Path, history: Sequence[Json]) -> None:
    """Write one row per epoch of every fold and of the refit, which is fold 0."""
    write_table(path, HISTORY, ([row[name] for name in HISTORY] for row in history))


def write_split(path: Path, examples: Examples, split: Split) -> None:
    """Write one row per image, with the first fold that tests it; 0 if none does."""
    labels = examples.dataset.labels
    rows = zip(
        examples.names,
        split.of.tolist(),
        split.groups,
        (labels[index] for index in examples.truth),
        examples.cameras,
        strict=True,
    )
    write_table(path, SPLIT_COLUMNS, rows)
