"""Temperature, threshold and indeterminate band, fitted on out-of-fold predictions only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SENSITIVITY = 0.99
# A threshold that keeps the sensitivity but calls more than this share of the healthy ill is of
# no use: one blast that the model cannot see must not turn every image into a finding.
LEAST_SPECIFICITY = 0.8
TEMPERATURES = (0.05, 20.0)
TINY = 1e-7  # as the device clips a score before its logarithm
_STEPS = 80  # of the golden section; the answer is then exact to 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A threshold with its band, and what they reach on the predictions they were fitted on.

    Parameters
    ----------
    threshold : float
        A positive score that reaches it is called positive.
    low, high : float
        Between them the image is for a person to look at.
    sensitivity, specificity : float
        At the threshold.
    reached : bool
        False where no useful threshold has the wanted sensitivity; the lower end of the band
        has it then.
    """

    threshold: float
    low: float
    high: float
    sensitivity: float
    specificity: float
    reached: bool


def fit_temperature(truth: ArrayLike, scores: ArrayLike) -> float:
    """Return the temperature that makes the predictions' log loss least.

    Against Platt's targets, not against 0 and 1: where the scores part the labels, those would
    have every probability at 0 or 1, and no few dozen images show that much.

    Parameters
    ----------
    truth : (N,) array_like of int
        Index of the label.
    scores : (N, C) array_like of float

    Returns
    -------
    float
        In [0.05, 20]; above 1 the network was too sure of itself.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017, section 4.2. J. Platt, "Probabilistic outputs for support vector machines", 1999,
    section 2.2.
    """
    right = np.asarray(truth, dtype=int)
    logits = np.log(np.clip(np.asarray(scores, dtype=float), TINY, 1.0))
    targets = _targets(right, logits.shape[1])

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return float(-(targets * logs).sum(axis=1).mean())

    low, high = map(math.log, TEMPERATURES)
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(_STEPS):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) <= loss(b) else (a, high)
    return round(math.exp((low + high) / 2), 6)


def _targets(right: NDArray[np.int64], labels: int) -> Floats:
    """Return how sure one may be of each label after so many images of it: (n + 1) / (n + 2)."""
    doubt = 1 / (np.bincount(right, minlength=labels)[right] + 2)
    targets = np.repeat(doubt[:, None] / (labels - 1), labels, axis=1)
    targets[np.arange(len(right)), right] = 1 - doubt
    return np.asarray(targets, dtype=float)


def fit_decision(
    truth_positive: ArrayLike, p: ArrayLike, sensitivity: float = SENSITIVITY
) -> Fitted:
    """Return the highest threshold of the wanted sensitivity, and the band around it.

    The band reaches from there up to the lowest score above which as large a share of the
    healthy stays out. Where the scores part the two sides, the threshold stands midway between
    them and the band is the middle half of the gap, in which nothing was ever seen.

    Parameters
    ----------
    truth_positive : (N,) array_like of bool
        Both values occur.
    p : (N,) array_like of float
        Calibrated positive scores.
    sensitivity : float
        In (0, 1].

    Returns
    -------
    Fitted
    """
    ill, score = np.asarray(truth_positive, dtype=bool), np.asarray(p, dtype=float)
    positives, negatives = np.sort(score[ill]), np.sort(score[~ill])
    missed = math.floor((1 - sensitivity) * len(positives) + 1e-9)
    alarms = math.floor((1 - sensitivity) * len(negatives) + 1e-9)
    lowest, highest = positives[missed], negatives[len(negatives) - 1 - alarms]
    if lowest > highest:
        middle, gap = (lowest + highest) / 2, lowest - highest
        return _fitted(ill, score, middle, middle - gap / 4, middle + gap / 4, sensitivity)
    low, high = _below(score, lowest), _above(score, highest)
    threshold = low
    if np.mean(negatives < threshold) < LEAST_SPECIFICITY:
        threshold = _balanced(positives, negatives)
    return _fitted(ill, score, threshold, min(low, threshold), max(high, threshold), sensitivity)


def _fitted(
    ill: NDArray[np.bool_], score: Floats, threshold: float, low: float, high: float, wanted: float
) -> Fitted:
    called = score >= threshold
    reached = float(np.mean(called[ill]))
    return Fitted(
        float(threshold),
        float(low),
        float(high),
        reached,
        float(np.mean(~called[~ill])),
        reached >= wanted - 1e-9,
    )


def _below(score: Floats, value: float) -> float:
    """Return the cut midway between a score and the next lower one."""
    lower = score[score < value]
    return float((value + lower.max()) / 2) if len(lower) else float(value / 2)


def _above(score: Floats, value: float) -> float:
    """Return the cut midway between a score and the next higher one."""
    higher = score[score > value]
    return float((value + higher.min()) / 2) if len(higher) else float((1 + value) / 2)


def _balanced(positives: Floats, negatives: Floats) -> float:
    """Return the cut with the best mean of sensitivity and specificity, in the widest gap."""
    every = np.unique(np.concatenate([positives, negatives]))
    cuts = (every[1:] + every[:-1]) / 2
    gaps = every[1:] - every[:-1]
    if not len(cuts):
        return 0.5
    worth = [np.mean(positives >= cut) + np.mean(negatives < cut) for cut in cuts]
    best = np.flatnonzero(np.isclose(worth, max(worth)))
    return float(cuts[best[np.argmax(gaps[best])]])
