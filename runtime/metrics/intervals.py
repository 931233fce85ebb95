"""Intervals and tests: Wilson, the AUC and its bootstrap over groups; numpy only."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def wilson(successes: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Parameters
    ----------
    successes, total : int
    confidence : float

    Returns
    -------
    (low, high) : tuple of float
        In [0, 1]; (0, 1) where `total` is 0, since nothing is known.

    Notes
    -----
    Takes the trials as independent; overlapping fields are not, so that the true interval of a
    set with many of them is wider.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22 (1927), 209-212.
    """
    if total == 0:
        return 0.0, 1.0
    z = _z(confidence)
    share = successes / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + (z / total) ** 2 / 4)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return low, 1.0 if successes == total else min(1.0, middle + half)


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the ROC curve; a tie counts half.

    Parameters
    ----------
    truth : (N,) array_like of bool
    score : (N,) array_like of float
        Higher means positive.

    Returns
    -------
    float
        In [0, 1]; NaN where one of the two classes is missing.

    References
    ----------
    H. B. Mann, D. R. Whitney, Ann. Math. Stat. 18 (1947), 50-60; J. A. Hanley, B. J. McNeil,
    "The meaning and use of the area under a ROC curve", Radiology 143 (1982), 29-36.
    """
    positive, level = _levels(truth, score)
    return _weighted_auc(positive, level, np.ones(len(positive)))


def bootstrap_auc(
    truth: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Return the percentile interval of the AUC, groups (not images) drawn with replacement.

    Where the scores separate perfectly every resample does too and the bootstrap would claim
    certainty; Newcombe's interval over the number of groups is returned there.

    Parameters
    ----------
    truth : (N,) array_like of bool
    score : (N,) array_like of float
    groups : (N,) array_like
        Images of one group are drawn together.
    seed, resamples : int
    confidence : float

    Returns
    -------
    (low, high) : tuple of float
        NaN where one of the two classes is missing.

    References
    ----------
    B. Efron, R. J. Tibshirani, "An introduction to the bootstrap" (1993), ch. 13; C. A. Field,
    A. H. Welsh, "Bootstrapping clustered data", J. R. Stat. Soc. B 69 (2007), 369-390;
    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic. Part 2", Stat. Med. 25 (2006), 559-573, method 5.
    """
    positive, level = _levels(truth, score)
    area = _weighted_auc(positive, level, np.ones(len(positive)))
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    if area in (0.0, 1.0):
        counts = [len(np.unique(group[positive == side])) for side in (True, False)]
        return _newcombe(area, counts[0], counts[1], confidence)
    areas = _resample(group, lambda w: _weighted_auc(positive, level, w), seed, resamples)
    return _percentiles(areas, confidence)


def paired_auc_difference(
    truth: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    groups: ArrayLike,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[float, float, float]:
    """Return AUC(a) - AUC(b) on the same images, and its bootstrap interval over groups.

    Parameters
    ----------
    truth : (N,) array_like of bool
    a, b : (N,) array_like of float
    groups : (N,) array_like
    seed, resamples : int
    confidence : float

    Returns
    -------
    (difference, low, high) : tuple of float

    References
    ----------
    As `bootstrap_auc`: the same resample is scored by both.
    """
    positive, level_a = _levels(truth, a)
    _, level_b = _levels(truth, b)
    _, group = np.unique(np.asarray(groups), return_inverse=True)

    def difference(weights: Floats) -> float:
        first = _weighted_auc(positive, level_a, weights)
        return first - _weighted_auc(positive, level_b, weights)

    low, high = _percentiles(_resample(group, difference, seed, resamples), confidence)
    return difference(np.ones(len(positive))), low, high


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _levels(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], Ints]:
    """Return truth and the rank of each score among the distinct ones."""
    _, level = np.unique(np.asarray(score, dtype=float), return_inverse=True)
    return np.asarray(truth).astype(bool), level.astype(np.int64)


def _weighted_auc(positive: NDArray[np.bool_], level: Ints, weights: Floats) -> float:
    above = np.bincount(level, weights=weights * positive)
    below = np.bincount(level, weights=weights * ~positive)
    pairs = above.sum() * below.sum()
    return float(above @ (np.cumsum(below) - below / 2) / pairs) if pairs > 0 else math.nan


def _resample(
    group: NDArray[Any], statistic: Callable[[Floats], float], seed: int, resamples: int
) -> Floats:
    """Return the statistic of each resample of groups; resamples without a class are left out."""
    random = np.random.default_rng(seed)
    count = int(group.max()) + 1
    values = np.empty(resamples)
    for index in range(resamples):
        drawn = np.bincount(random.integers(count, size=count), minlength=count)
        values[index] = statistic(drawn[group].astype(float))
    return values[~np.isnan(values)]


def _percentiles(values: Floats, confidence: float) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def _newcombe(area: float, above: int, below: int, confidence: float) -> tuple[float, float]:
    """Return Newcombe's interval for an AUC of exactly 0 or 1."""
    z, spare = _z(confidence), (above + below) / 2 - 1

    def gap(miss: float) -> float:  # by how much z standard errors fall short of the miss
        rest = 1 - miss
        spread = 1 + spare * miss / (1 + miss) + spare * rest / (1 + rest)
        return miss - z * math.sqrt(miss * rest * spread / (above * below))

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if gap(middle) < 0 else (low, middle)
    return (1 - high, 1.0) if area == 1.0 else (0.0, high)
