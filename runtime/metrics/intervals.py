"""Confidence intervals of proportions and of the AUC.

The device evaluates bundles with them, so they need only numpy and the standard library. Tests
that only the desk needs are in `alledge.train.paired_tests`; they use statsmodels.
`paired_auc_difference` is here because it shares the bootstrap with `bootstrap_auc`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
QUANTILE = 1.9599639845400536  # of the normal distribution, for CONFIDENCE
RESAMPLES = 2000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def wilson(successes: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Parameters
    ----------
    successes, total : int
        0 <= `successes` <= `total`.
    confidence : float
        In (0, 1).

    Returns
    -------
    (low, high) : tuple of float
        In [0, 1]; (0, 1) if `total` is 0.

    Notes
    -----
    The formula assumes independent trials. Overlapping fields are not independent, so the true
    interval of a data set with many of them is wider.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22 (1927), 209-212.

    Examples
    --------
    >>> low, high = wilson(22, 22)
    >>> round(low, 3), high
    (0.851, 1.0)
    """
    if total == 0:
        return 0.0, 1.0
    z = _normal_quantile(confidence)
    share = successes / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + (z / total) ** 2 / 4)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return low, 1.0 if successes == total else min(1.0, middle + half)


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the ROC curve; a tie counts as one half.

    Parameters
    ----------
    truth : (N,) array_like of bool
    score : (N,) array_like of float
        Higher means positive.

    Returns
    -------
    float
        In [0, 1]; NaN if one of the two classes is missing.

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
    """Return the bootstrap percentile interval of the AUC, resampling groups of images.

    If the scores separate the classes perfectly, they do so in every resample, and the bootstrap
    interval has width 0. Newcombe's interval for the number of groups is returned instead.

    Parameters
    ----------
    truth : (N,) array_like of bool
    score : (N,) array_like of float
    groups : (N,) array_like
        Images of one group are resampled together.
    seed, resamples : int
    confidence : float
        In (0, 1).

    Returns
    -------
    (low, high) : tuple of float
        In [0, 1]; NaN if one of the two classes is missing.

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
    areas = _bootstrap(group, lambda w: _weighted_auc(positive, level, w), seed, resamples)
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
    """Return AUC(a) - AUC(b) on the same images, and its bootstrap percentile interval.

    Both AUCs are computed on the same resamples of groups.

    Parameters
    ----------
    truth : (N,) array_like of bool
    a, b : (N,) array_like of float
        Scores of the two classifiers; higher means positive.
    groups : (N,) array_like
        Images of one group are resampled together.
    seed, resamples : int
    confidence : float
        In (0, 1).

    Returns
    -------
    (difference, low, high) : tuple of float
        In [-1, 1]; NaN if one of the two classes is missing.

    References
    ----------
    As `bootstrap_auc`.
    """
    positive, level_a = _levels(truth, a)
    _, level_b = _levels(truth, b)
    _, group = np.unique(np.asarray(groups), return_inverse=True)

    def difference(weights: Floats) -> float:
        first = _weighted_auc(positive, level_a, weights)
        return first - _weighted_auc(positive, level_b, weights)

    low, high = _percentiles(_bootstrap(group, difference, seed, resamples), confidence)
    return difference(np.ones(len(positive))), low, high


def bootstrap_interval(
    groups: ArrayLike,
    statistic: Callable[[Floats], float],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Return the bootstrap percentile interval of a statistic, resampling groups of images.

    Parameters
    ----------
    groups : (N,) array_like
        Images of one group are resampled together.
    statistic : callable
        Takes how often each image occurs, (N,), and returns a float; NaN if it is undefined.
    seed, resamples : int
    confidence : float
        In (0, 1).

    Returns
    -------
    (low, high) : tuple of float
        NaN if the statistic is undefined in every resample.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    return _percentiles(_bootstrap(group, statistic, seed, resamples), confidence)


def _normal_quantile(confidence: float) -> float:
    """Return how many standard deviations a two-sided normal interval has on each side."""
    if confidence == CONFIDENCE:
        return QUANTILE
    from statistics import NormalDist  # slow to load: it would delay the first answer

    return NormalDist().inv_cdf((1 + confidence) / 2)


def _levels(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], Ints]:
    """Return truth as an array, and the rank of each score among the distinct scores."""
    _, level = np.unique(np.asarray(score, dtype=float), return_inverse=True)
    return np.asarray(truth).astype(bool), level.astype(np.int64)


def _weighted_auc(positive: NDArray[np.bool_], level: Ints, weights: Floats) -> float:
    """Return the AUC of images that occur `weights` times; NaN if a class is missing."""
    positives = np.bincount(level, weights=weights * positive)
    negatives = np.bincount(level, weights=weights * ~positive)
    pairs = positives.sum() * negatives.sum()
    if pairs == 0:
        return math.nan
    return float(positives @ (np.cumsum(negatives) - negatives / 2) / pairs)


def _bootstrap(
    group: NDArray[Any], statistic: Callable[[Floats], float], seed: int, resamples: int
) -> Floats:
    """Return the statistic of every resample of groups in which it is not NaN."""
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


def _newcombe(
    area: float, positives: int, negatives: int, confidence: float
) -> tuple[float, float]:
    """Return Newcombe's interval for an AUC of exactly 0 or 1.

    The bound is the root of an increasing function. It is found by bisection: scipy's root
    finders are not on the device.
    """
    z, n = _normal_quantile(confidence), (positives + negatives) / 2 - 1

    def excess(distance: float) -> float:
        """Return the distance of the bound from the area minus z standard errors."""
        bound = 1 - distance
        spread = 1 + n * distance / (1 + distance) + n * bound / (1 + bound)
        return distance - z * math.sqrt(distance * bound * spread / (positives * negatives))

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return (1 - high, 1.0) if area == 1.0 else (0.0, high)
