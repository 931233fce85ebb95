"""Types that the fitting modules share, and the JSON results of a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Weights = list[Floats]
# (indices of images, epoch or None for images without augmentation) -> the network's inputs
InputSource = Callable[[Ints, "int | None"], Floats]


class EpochRow(TypedDict):
    """Figures of one epoch. `loss` and `accuracy` are None in epoch 0, before training.

    `val_loss` and `val_accuracy` are None if there are no validation images.
    """

    epoch: int
    loss: float | None
    accuracy: float | None
    lr: float
    seconds: float
    val_loss: float | None
    val_accuracy: float | None


class HistoryRow(EpochRow):
    """Figures of one epoch of a run. Fold 0 is the refit on all images."""

    fold: int
    phase: str


class FitResult(TypedDict):
    """Result of a fit: the best epoch of each phase, the history and the time in seconds."""

    number: int
    best: dict[str, int]
    history: list[HistoryRow]
    seconds: float


class ScoredFit(FitResult):
    """Result of a fold: indices of its test images and their scores, one list per image."""

    images: list[int]
    scores: list[list[float]]


class FoldResult(ScoredFit, total=False):
    """Result of a fold, with the linear probe's scores if the base has pretrained weights."""

    probe: list[list[float]]
