"""From an engine's scores to an answer: temperature, threshold, indeterminate band; numpy only.

Fitting them is `alledge.train`'s; they travel in the bundle, one set per format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORE_FLOOR = 1e-7  # no score is taken as nearer to 0 than this before the logarithm


@dataclass(frozen=True)
class Thresholds:
    """Where an answer turns, on the calibrated probability of any positive label.

    Parameters
    ----------
    threshold : float
        From here on the answer is a positive label, in [0, 1].
    band : (float, float)
        From the first up to below the second a person should look; empty where they are equal.
    """

    threshold: float = 0.5
    band: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Verdict:
    """What was decided of one image.

    Parameters
    ----------
    label : str
    probability : float
        Of any positive label, in [0, 1].
    indeterminate : bool
        True inside the band.
    """

    label: str
    probability: float
    indeterminate: bool


def apply_temperature(scores: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return scores softened (or sharpened) by a temperature; 1 changes nothing.

    Parameters
    ----------
    scores : (N, C) array_like of float
        Probabilities; each row sums to 1.
    temperature : float
        > 0; above 1 less sure, below 1 surer.

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
    ICML 2017, equation 9, on the logarithm of the scores in place of the logits: softmax does
    not see the constant by which the two differ.
    """
    if not 0 < temperature < float("inf"):
        raise ValueError(f"a temperature must be positive and finite, got {temperature}")
    logits = np.log(np.clip(np.asarray(scores, dtype=np.float64), SCORE_FLOOR, 1.0)) / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    softened: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return softened


def positive_score(
    scores: ArrayLike, labels: Sequence[str], positive: Sequence[str]
) -> NDArray[np.float64]:
    """Return the probability of any positive label.

    Parameters
    ----------
    scores : (N, C) array_like of float
    labels, positive : sequence of str
        All labels in the order of the columns, and those of them that mean leukaemia.

    Returns
    -------
    (N,) ndarray of float64
    """
    chosen = np.asarray(scores, dtype=float)[:, is_positive(labels, positive)]
    return np.asarray(chosen.sum(axis=1), dtype=np.float64)


def assign_labels(
    scores: ArrayLike,
    labels: Sequence[str],
    positive: Sequence[str],
    threshold: float | NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the label each image is given: the likeliest on its side of the threshold.

    Parameters
    ----------
    scores : (N, C) array_like of float
    labels, positive : sequence of str
    threshold : float or (N,) ndarray of float64
        An image whose positive score reaches it, or its own, gets a positive label.

    Returns
    -------
    (N,) ndarray of int
        Indices into `labels`.
    """
    table, side = np.asarray(scores, dtype=float), is_positive(labels, positive)
    called = positive_score(table, labels, positive) >= threshold
    allowed = np.where(called[:, None] == side, table, -1.0)
    return np.asarray(allowed.argmax(axis=1), dtype=np.int64)


def is_positive(labels: Sequence[str], positive: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether each label is one that means leukaemia, (C,)."""
    return np.array([label in positive for label in labels])


def decide(
    scores: ArrayLike, labels: Sequence[str], positive: Sequence[str], decision: Thresholds
) -> list[Verdict]:
    """Return what is decided of each image.

    Parameters
    ----------
    scores : (N, C) array_like of float
        Calibrated, in the order of the labels.
    labels, positive : sequence of str
    decision : Thresholds

    Returns
    -------
    list of Verdict
    """
    low, high = decision.band
    said = assign_labels(scores, labels, positive, decision.threshold)
    return [
        Verdict(labels[index], float(min(p, 1.0)), bool(low <= p < high))
        for index, p in zip(said, positive_score(scores, labels, positive), strict=True)
    ]
