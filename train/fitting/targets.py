"""What a fit is told of every image: its target, its weight, its loss; numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
TINY = 1e-7  # a probability is never taken as nearer to 0 than this inside a logarithm


@dataclass(frozen=True)
class FitImages:
    """What one fit learns from and is chosen by.

    Parameters
    ----------
    train, validation : (M,) ndarray of int
        Indices of images; without `chosen` the last epoch is kept.
    truth : (N,) ndarray of int
        Label of every image of the set.
    classes : int
    """

    train: Ints
    validation: Ints
    truth: Ints
    classes: int


def targets(part: FitImages, balanced: bool) -> tuple[Floats, Floats]:
    """Return what the loss is told of every image: its target and its weight (mean 1).

    Two labels share one column, for a sigmoid; more have one each, for a softmax.
    """
    truth = part.truth
    one_hot = np.eye(part.classes, dtype=np.float32)[truth]
    target = one_hot[:, 1:] if part.classes == 2 else one_hot
    if not balanced:
        return target, np.ones(len(truth), dtype=np.float32)
    counts = np.bincount(truth[part.train], minlength=part.classes)
    share = len(part.train) / (part.classes * np.maximum(counts, 1))
    return target, share[truth].astype(np.float32)


def balanced_loss(truth: Ints, scores: Floats) -> float:
    """Return the log loss, every label weighing the same."""
    given = -np.log(np.clip(scores[np.arange(len(scores)), truth], TINY, 1))
    return float(np.mean([given[truth == label].mean() for label in np.unique(truth)]))
