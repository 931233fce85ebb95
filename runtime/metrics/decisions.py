"""From an engine's scores to a label: temperature, threshold, indeterminate band; numpy only.

`alledge.train` fits them. The bundle has one set for each format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORE_FLOOR = 1e-7  # lower scores are raised to this before the logarithm


@dataclass(frozen=True)
class Thresholds:
    """Thresholds on the calibrated probability of all positive labels together.

    Parameters
    ----------
    threshold : float
        Least probability that gives a positive label, in [0, 1].
    band : (float, float)
        Probabilities from the first up to below the second are indeterminate: a person should
        look. Equal values are an empty band.
    """

    threshold: float = 0.5
    band: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Verdict:
    """The label of one image.

    Parameters
    ----------
    label : str
    probability : float
        Of all positive labels together, in [0, 1].
    indeterminate : bool
        True inside the band.
    """

    label: str
    probability: float
    indeterminate: bool


def apply_temperature(scores: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return scores calibrated by a temperature; 1 changes nothing.

    Parameters
    ----------
    scores : (N, C) array_like of float
        Probabilities; each row sums to 1.
    temperature : float
        > 0. Above 1 the largest score becomes smaller, below 1 larger.

    Returns
    -------
    (N, C) ndarray of float64
        Each row sums to 1.

    Raises
    ------
    ValueError
        If the temperature is not positive and finite.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017, equation 9. The logarithm of the scores replaces the logits: both differ by a
    constant, which softmax removes.
    """
    if not 0 < temperature < float("inf"):
        raise ValueError(f"a temperature must be positive and finite, got {temperature}")
    logits = np.log(np.clip(np.asarray(scores, dtype=np.float64), SCORE_FLOOR, 1.0)) / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    calibrated: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return calibrated


def positive_score(
    scores: ArrayLike, labels: Sequence[str], positive: Sequence[str]
) -> NDArray[np.float64]:
    """Return the probability of all positive labels together.

    Parameters
    ----------
    scores : (N, C) array_like of float
    labels, positive : sequence of str
        All labels in the order of the columns, and those of them that mean leukaemia.

    Returns
    -------
    (N,) ndarray of float64
    """
    columns = np.asarray(scores, dtype=float)[:, is_positive(labels, positive)]
    return np.asarray(columns.sum(axis=1), dtype=np.float64)


def assign_labels(
    scores: ArrayLike,
    labels: Sequence[str],
    positive: Sequence[str],
    threshold: float | NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the label of each image.

    If the positive score reaches the threshold it is the likeliest positive label, otherwise the
    likeliest negative label.

    Parameters
    ----------
    scores : (N, C) array_like of float
    labels, positive : sequence of str
    threshold : float or (N,) ndarray of float64
        One for all images, or one for each.

    Returns
    -------
    (N,) ndarray of int
        Indices into `labels`.
    """
    table = np.asarray(scores, dtype=float)
    above = positive_score(table, labels, positive) >= threshold
    allowed = np.where(above[:, None] == is_positive(labels, positive), table, -1.0)
    return np.asarray(allowed.argmax(axis=1), dtype=np.int64)


def is_positive(labels: Sequence[str], positive: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each label whether it means leukaemia, (C,)."""
    return np.array([label in positive for label in labels])


def decide(
    scores: ArrayLike, labels: Sequence[str], positive: Sequence[str], thresholds: Thresholds
) -> list[Verdict]:
    """Return the verdict on each image.

    Parameters
    ----------
    scores : (N, C) array_like of float
        Calibrated, in the order of the labels.
    labels, positive : sequence of str
    thresholds : Thresholds

    Returns
    -------
    list of Verdict

    Examples
    --------
    >>> decide([[0.3, 0.7]], ["healthy", "blast"], ["blast"], Thresholds(0.5))
    [Verdict(label='blast', probability=0.7, indeterminate=False)]
    """
    low, high = thresholds.band
    indices = assign_labels(scores, labels, positive, thresholds.threshold)
    return [
        Verdict(labels[index], float(min(p, 1.0)), bool(low <= p < high))
        for index, p in zip(indices, positive_score(scores, labels, positive), strict=True)
    ]
