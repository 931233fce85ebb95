"""Metrics with confidence intervals; numpy and the standard library only, for use on a device.

The truth is the index of a label. Scores are probabilities in the order of the labels. A positive
score is the sum of the scores of the positive labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .decisions import assign_labels, is_positive, positive_score
from .intervals import auc, bootstrap_auc, paired_auc_difference, wilson

__all__ = [
    "assign_labels",
    "auc",
    "bootstrap_auc",
    "brier",
    "confusion",
    "ece",
    "log_loss",
    "mse",
    "paired_auc_difference",
    "positive_score",
    "summarize",
    "wilson",
]

ECE_BINS = 10
SMALLEST_PROBABILITY = 1e-7  # lower ones are raised to this before the logarithm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Json = dict[str, Any]


def confusion(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """Return the confusion matrix: rows are the truth, columns the predictions.

    Parameters
    ----------
    truth, predicted : (N,) array_like of int
    classes : int

    Returns
    -------
    (classes, classes) ndarray of int
    """
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (np.asarray(truth, dtype=int), np.asarray(predicted, dtype=int)), 1)
    return matrix


def brier(truth: ArrayLike, p: ArrayLike) -> float:
    """Return the mean squared difference of the probability and the outcome (0 or 1).

    Parameters
    ----------
    truth : (N,) array_like of bool
    p : (N,) array_like of float

    Returns
    -------
    float
        In [0, 1], lower is better.

    References
    ----------
    G. W. Brier, Mon. Weather Rev. 78 (1950), 1-3, in its usual form for two outcomes (half of
    Brier's own sum).
    """
    error = np.asarray(p, dtype=float) - np.asarray(truth, dtype=float)
    return float(np.mean(error**2))


def mse(truth: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean squared error over all classes, as in the paper and Keras.

    Parameters
    ----------
    truth : (N,) array_like of int
    scores : (N, C) array_like of float

    Returns
    -------
    float
        In [0, 1]; for two classes it equals `brier`.
    """
    table = np.asarray(scores, dtype=float)
    return float(np.mean((table - np.eye(table.shape[1])[np.asarray(truth, dtype=int)]) ** 2))


def log_loss(truth: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean negative logarithm of the probability of the true label.

    Parameters
    ----------
    truth : (N,) array_like of int
    scores : (N, C) array_like of float

    Returns
    -------
    float
        In nats; probabilities are clipped at 1e-7.
    """
    table = np.asarray(scores, dtype=float)
    of_truth = table[np.arange(len(table)), np.asarray(truth, dtype=int)]
    return float(-np.mean(np.log(np.clip(of_truth, SMALLEST_PROBABILITY, 1.0))))


def ece(truth: ArrayLike, scores: ArrayLike, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error of the likeliest label.

    Parameters
    ----------
    truth : (N,) array_like of int
    scores : (N, C) array_like of float
    bins : int
        Number of bins of equal width over [0, 1].

    Returns
    -------
    float
        In [0, 1]: the mean difference of confidence and accuracy.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017, equation 3.
    """
    table = np.asarray(scores, dtype=float)
    confidence = table.max(axis=1)
    is_right = (table.argmax(axis=1) == np.asarray(truth, dtype=int)).astype(float)
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=is_right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(table))


def summarize(
    truth: ArrayLike,
    scores: ArrayLike,
    labels: Sequence[str],
    positive: Sequence[str],
    threshold: float | Floats,
    groups: ArrayLike,
    cameras: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Json:
    """Return all metrics with their intervals, ready for JSON.

    Parameters
    ----------
    truth : (N,) array_like of int
    scores : (N, C) array_like of float
    labels, positive : sequence of str
    threshold : float or (N,) ndarray of float64
        One for all images, or one for each; the summary contains their mean.
    groups : (N,) array_like
        The bootstrap of the AUC draws whole groups.
    cameras : sequence of str, optional
        One for each image; adds the same figures for each camera.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        A proportion is ``{"value", "low", "high", "n"}``, or null if no image counts for it.
    """
    truth, table = np.asarray(truth, dtype=int), np.asarray(scores, dtype=float)
    groups = np.asarray(groups)
    predicted = assign_labels(table, labels, positive, threshold)
    summary = _detection(truth, table, predicted, labels, positive, groups, seed)
    matrix = confusion(truth, predicted, len(labels))
    summary |= {
        "threshold": float(np.mean(threshold)),
        "brier": brier(
            is_positive(labels, positive)[truth], positive_score(table, labels, positive)
        ),
        "mse": mse(truth, table),
        "log_loss": log_loss(truth, table),
        "ece": ece(truth, table),
        "confusion": {"labels": list(labels), "counts": matrix.tolist()},
        **_per_class(matrix, labels),
    }
    if cameras is not None:
        names = np.asarray(cameras)
        summary["cameras"] = {
            str(name): _detection(
                truth[names == name],
                table[names == name],
                predicted[names == name],
                labels,
                positive,
                groups[names == name],
                seed,
            )
            for name in np.unique(names)
        }
    return summary


def _detection(
    truth: Ints,
    table: Floats,
    predicted: Ints,
    labels: Sequence[str],
    positive: Sequence[str],
    groups: NDArray[Any],
    seed: int,
) -> Json:
    """Return the figures of a subset: accuracy, and those of positive against negative."""
    positive_labels = is_positive(labels, positive)
    is_ill, is_called_ill = positive_labels[truth], positive_labels[predicted]
    p = positive_score(table, labels, positive)
    low, high = bootstrap_auc(is_ill, p, groups, seed=seed)
    area = auc(is_ill, p)
    return {
        "images": len(truth),
        "groups": len(np.unique(groups)),
        "positives": int(is_ill.sum()),
        "accuracy": _proportion_of(truth == predicted),
        "sensitivity": _proportion_of(is_called_ill[is_ill]),
        "specificity": _proportion_of(~is_called_ill[~is_ill]),
        "precision": _proportion_of(is_ill[is_called_ill]),
        "auc": None
        if math.isnan(area)
        else {"value": area, "low": low, "high": high, "n": len(truth)},
    }


def _per_class(matrix: Ints, labels: Sequence[str]) -> Json:
    """Return precision, recall, F1 and support per class, and their two averages."""
    rows: dict[str, Json] = {}
    for index, label in enumerate(labels):
        hits, support = int(matrix[index, index]), int(matrix[index].sum())
        predicted = int(matrix[:, index].sum())
        rows[label] = {
            "precision": _proportion(hits, predicted),
            "recall": _proportion(hits, support),
            "f1": 2 * hits / (support + predicted) if support + predicted else None,
            "support": support,
        }
    supports = [row["support"] for row in rows.values()]
    equal = [1.0 if support else 0.0 for support in supports]
    return {
        "per_class": rows,
        "macro": _average(list(rows.values()), equal),
        "weighted": _average(list(rows.values()), supports),
    }


def _average(rows: list[Json], weights: Sequence[float]) -> Json:
    """Return the weighted mean of each figure; a missing figure counts as 0."""
    total = sum(weights) or 1.0

    def mean(values: list[float]) -> float:
        return sum(w * value for w, value in zip(weights, values, strict=True)) / total

    return {
        "precision": mean([(row["precision"] or {"value": 0.0})["value"] for row in rows]),
        "recall": mean([(row["recall"] or {"value": 0.0})["value"] for row in rows]),
        "f1": mean([row["f1"] or 0.0 for row in rows]),
    }


def _proportion_of(successes: NDArray[np.bool_]) -> Json | None:
    return _proportion(int(np.sum(successes)), len(successes))


def _proportion(successes: int, total: int) -> Json | None:
    if total == 0:
        return None
    low, high = wilson(successes, total)
    return {"value": successes / total, "low": low, "high": high, "n": total}
