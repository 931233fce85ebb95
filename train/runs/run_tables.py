"""Writes the CSV files of a run: predictions, training history and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.examples import Examples
from ..data.split_types import Split
from .predictions import SPLIT_COLUMNS, Predictions
from .run_folder import write_table

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


def write_predictions(path: Path, predictions: Predictions, labels: Sequence[str]) -> None:
    """Write one row per prediction, with a column of scores for every label."""
    header = ["image", "label", "fold", "group", "camera", "truth"]
    header += [f"score_{label}" for label in labels]
    probe = predictions.probe
    if probe is not None:
        header += [f"probe_{label}" for label in labels]
    counted, known = predictions.counted, predictions.known
    if counted is not None and known is not None:
        header += ["counted", "known"]
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
            *(() if counted is None or known is None else (int(counted[index]), int(known[index]))),
        ]
        for index, image in enumerate(predictions.images)
    ]
    write_table(path, header, rows)


def write_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one row per epoch of every fold and of the refit, which is fold 0."""
    write_table(path, HISTORY, ([row[name] for name in HISTORY] for row in history))


def write_split(path: Path, examples: Examples, split: Split) -> None:
    """Write one row per image, with the folds that train on it and those that test it.

    The column ``fold`` has the first fold that tests the image; 0 if none does.
    """
    labels = examples.dataset.labels
    rows = zip(
        examples.names,
        split.test_fold.tolist(),
        split.groups,
        (labels[index] for index in examples.truth),
        examples.cameras,
        _fold_numbers(len(examples.names), [(fold.number, fold.train) for fold in split.folds]),
        _fold_numbers(len(examples.names), [(fold.number, fold.test) for fold in split.folds]),
        strict=True,
    )
    write_table(path, SPLIT_COLUMNS, rows)


def _fold_numbers(images: int, parts: Sequence[tuple[int, NDArray[np.int64]]]) -> list[str]:
    """Return for every image the numbers of the folds whose part contains it, as ``"1 3"``."""
    numbers: list[list[str]] = [[] for _ in range(images)]
    for number, part in parts:
        for index in part:
            numbers[index].append(str(number))
    return [" ".join(row) for row in numbers]
