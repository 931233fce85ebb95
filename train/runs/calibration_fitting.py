"""Fits temperature, threshold and indeterminate band to out-of-fold predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SENSITIVITY = 0.99
# The threshold with the wanted sensitivity is not used if its specificity is lower than this.
# Otherwise one blast that the model cannot recognise would make every image a positive one.
MIN_SPECIFICITY = 0.8
TEMPERATURES = (0.05, 20.0)
TEMPERATURE_DIGITS = 6  # decimals; the log loss is flat below that
SCORE_FLOOR = 1e-7  # as `alledge.runtime.metrics.decisions.apply_temperature` clips scores

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class FittedDecision:
    """A threshold and its band, with the figures on the predictions that they were fitted on.

    Parameters
    ----------
    threshold : float
        An image is called positive if its positive score is at least this, in [0, 1].
    low, high : float
        A person looks at an image if its positive score is in [low, high).
    sensitivity, specificity : float
        At the threshold, in [0, 1].
    reached : bool
        Whether the threshold has the wanted sensitivity. If not, `low` has it.
    """

    threshold: float
    low: float
    high: float
    sensitivity: float
    specificity: float
    reached: bool


def fit_temperature(truth: ArrayLike, scores: ArrayLike) -> float:
    """Return the temperature with the smallest log loss against Platt's targets.

    The targets are not 0 and 1. If the scores separate the labels, those targets would move every
    probability to 0 or 1, which a few dozen images cannot justify.

    Parameters
    ----------
    truth : (N,) array_like of int
        Index of the true label.
    scores : (N, C) array_like of float
        Probabilities, not calibrated.

    Returns
    -------
    float
        In [0.05, 20], to six decimals. Above 1 means that the network was overconfident.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017, section 4.2. J. Platt, "Probabilistic outputs for support vector machines", 1999,
    section 2.2.

    Examples
    --------
    >>> fit_temperature([0, 1, 0, 1], [[0.99, 0.01], [0.01, 0.99], [0.99, 0.01], [0.01, 0.99]])
    4.182658
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    truth = np.asarray(truth, dtype=int)
    logits = np.log(np.clip(np.asarray(scores, dtype=float), SCORE_FLOOR, 1.0))
    targets = _platt_targets(truth, logits.shape[1])

    def loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(logits / math.exp(log_temperature), axis=1)
        return float(-(targets * log_probabilities).sum(axis=1).mean())

    low, high = map(math.log, TEMPERATURES)
    optimum = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    # The bounded method never evaluates the bounds themselves.
    best = min((low, high, float(optimum.x)), key=loss)
    return round(math.exp(best), TEMPERATURE_DIGITS)


def _platt_targets(truth: NDArray[np.int64], labels: int) -> Floats:
    """Return the target probabilities, (N, C): (n + 1) / (n + 2) for a true label of n images."""
    doubt = 1 / (np.bincount(truth, minlength=labels)[truth] + 2)
    targets = np.repeat(doubt[:, None] / (labels - 1), labels, axis=1)
    targets[np.arange(len(truth)), truth] = 1 - doubt
    return np.asarray(targets, dtype=float)


def fit_decision(
    truth_positive: ArrayLike,
    p: ArrayLike,
    sensitivity: float = SENSITIVITY,
    *,
    counted: bool = False,
) -> FittedDecision:
    """Return the highest threshold with the wanted sensitivity, and the band around it.

    What is counted, such as the blasts of a field, gets another threshold in the same band: the one
    at which as many are called positive as are positive. A threshold for a high sensitivity would
    count too many.

    The band ends at the lowest score above which at most the same share of the healthy images
    lies as the threshold may miss of the positive ones. If the scores separate the two sides, the
    threshold is the middle of the gap and the band is the middle half of the gap: no image was
    seen there.

    Parameters
    ----------
    truth_positive : (N,) array_like of bool
        Both values occur.
    p : (N,) array_like of float
        Calibrated positive scores, in [0, 1].
    sensitivity : float
        Wanted, in (0, 1]; with `counted`, of the lower end of the band.
    counted : bool
        Whether the number of positive ones has to be right.

    Returns
    -------
    FittedDecision

    Examples
    --------
    >>> fit_decision([False, False, True, True], [0.1, 0.2, 0.8, 0.9]).threshold
    0.5
    """
    is_positive, score = np.asarray(truth_positive, dtype=bool), np.asarray(p, dtype=float)
    positives, negatives = np.sort(score[is_positive]), np.sort(score[~is_positive])
    misses = math.floor((1 - sensitivity) * len(positives) + 1e-9)
    false_alarms = math.floor((1 - sensitivity) * len(negatives) + 1e-9)
    lowest, highest = positives[misses], negatives[len(negatives) - 1 - false_alarms]
    if lowest > highest:
        middle, gap = (lowest + highest) / 2, lowest - highest
        return _measured(
            is_positive, score, middle, middle - gap / 4, middle + gap / 4, sensitivity
        )
    low, high = _cut_below(score, lowest), _cut_above(score, highest)
    threshold = low
    if counted:
        threshold = _count_cut(score, len(positives))
    elif np.mean(negatives < threshold) < MIN_SPECIFICITY:
        threshold = _balanced_cut(positives, negatives)
    return _measured(
        is_positive, score, threshold, min(low, threshold), max(high, threshold), sensitivity
    )


def _measured(
    is_positive: Mask, score: Floats, threshold: float, low: float, high: float, wanted: float
) -> FittedDecision:
    """Return a decision with its sensitivity and specificity on the scores."""
    called_positive = score >= threshold
    sensitivity = float(np.mean(called_positive[is_positive]))
    return FittedDecision(
        threshold=float(threshold),
        low=float(low),
        high=float(high),
        sensitivity=sensitivity,
        specificity=float(np.mean(~called_positive[~is_positive])),
        reached=sensitivity >= wanted - 1e-9,
    )


def _cut_below(score: Floats, value: float) -> float:
    """Return the middle between a score and the next lower one."""
    lower = score[score < value]
    return float((value + lower.max()) / 2) if len(lower) else float(value / 2)


def _cut_above(score: Floats, value: float) -> float:
    """Return the middle between a score and the next higher one."""
    higher = score[score > value]
    return float((value + higher.min()) / 2) if len(higher) else float((1 + value) / 2)


def _count_cut(score: Floats, positives: int) -> float:
    """Return the cut at or above which nearest to this many scores lie, the lower of two."""
    distinct, numbers = np.unique(score, return_counts=True)
    called = np.cumsum(numbers[::-1])[::-1]  # at or above each distinct score
    return _cut_below(score, distinct[np.argmin(np.abs(called - positives))])


def _balanced_cut(positives: Floats, negatives: Floats) -> float:
    """Return the cut with the best mean of sensitivity and specificity, in the widest gap."""
    distinct = np.unique(np.concatenate([positives, negatives]))
    cuts = (distinct[1:] + distinct[:-1]) / 2
    gaps = distinct[1:] - distinct[:-1]
    if not len(cuts):
        return 0.5
    sums = [np.mean(positives >= cut) + np.mean(negatives < cut) for cut in cuts]
    best = np.flatnonzero(np.isclose(sums, max(sums)))
    return float(cuts[best[np.argmax(gaps[best])]])
