"""The JSON objects that a study stores as results of its trials and fits."""

from __future__ import annotations

from typing import TypedDict

from ..provenance import CodeVersion


class HeadParameters(TypedDict):
    """The tuned parameters of a head: learning rate, batch size, epochs, augmentation strength."""

    lr: float
    batch_size: int
    epochs: int
    strength: float


class TrialResult(TypedDict):
    """The result of a trial: median seconds of an epoch, and the code that computed it."""

    epoch_seconds: float
    code: CodeVersion


class EpochLosses(TypedDict, total=False):
    """One epoch of a fit: `phase` only for a fine-tuned base, `val_loss` None if not measured."""

    phase: str
    epoch: int
    loss: float
    val_loss: float | None


class FitResult(TypedDict):
    """The result of a fit: test images by index, (M, C) probabilities, history, wall time."""

    images: list[int]
    scores: list[list[float]]
    history: list[EpochLosses]
    seconds: float
    code: CodeVersion


class TunedCell(TypedDict):
    """The best trial of a cell.

    `slot` is its number, `loss` its value and `default_loss` that of the first trial.
    `by_strength` has the lowest loss for each strength of augmentation, None if it was not tried.
    """

    params: HeadParameters
    slot: int
    loss: float
    default_loss: float
    by_strength: dict[str, float | None]
    epoch_seconds: float
