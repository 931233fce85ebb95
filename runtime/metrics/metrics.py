"""Metrics with their intervals; numpy and the standard library only, so that a device has them.

Truth is the index of a label, scores are probabilities in the order of the labels, and a
"positive" score is the sum over the positive labels.
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
TINY = 1e-7  # a probability is never taken as nearer to 0 than this inside a logarithm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Json = dict[str, Any]


def confusion(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """Return the confusion matrix: rows are truth, columns what was said.

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
    """Return the mean squared difference of a probability and what happened.

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
    """Return the mean squared error over all classes, as the paper and Keras count it.

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
    """Return the mean negative logarithm of the probability given to the truth.

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
    given = table[np.arange(len(table)), np.asarray(truth, dtype=int)]
    return float(-np.mean(np.log(np.clip(given, TINY, 1.0))))


def ece(truth: ArrayLike, scores: ArrayLike, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error of the likeliest label.

    Parameters
    ----------
    truth : (N,) array_like of int
    scores : (N, C) array_like of float
    bins : int
        Of equal width over [0, 1].

    Returns
    -------
    float
        In [0, 1]: the mean gap of confidence and accuracy.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017, equation 3.
    """
    table = np.asarray(scores, dtype=float)
    confidence = table.max(axis=1)
    right = (table.argmax(axis=1) == np.asarray(truth, dtype=int)).astype(float)
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=right - confidence, minlength=bins)
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
    """Return every metric with its interval, ready for JSON.

    Parameters
    ----------
    truth : (N,) array_like of int
    scores : (N, C) array_like of float
    labels, positive : sequence of str
    threshold : float or (N,) ndarray of float64
        One for all, or one an image; the summary then names their mean.
    groups : (N,) array_like
        What the AUC's bootstrap draws.
    cameras : sequence of str, optional
        One an image; adds the same figures camera by camera.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        A proportion is ``{"value", "low", "high", "n"}``; what no image speaks of is null.
    """
    truth, table = np.asarray(truth, dtype=int), np.asarray(scores, dtype=float)
    units = np.asarray(groups)
    said = assign_labels(table, labels, positive, threshold)
    summary = _detection(truth, table, said, labels, positive, units, seed)
    matrix = confusion(truth, said, len(labels))
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
                said[names == name],
                labels,
                positive,
                units[names == name],
                seed,
            )
            for name in np.unique(names)
        }
    return summary


def _detection(
    truth: Ints,
    table: Floats,
    said: Ints,
    labels: Sequence[str],
    positive: Sequence[str],
    groups: NDArray[Any],
    seed: int,
) -> Json:
    """Return the figures that fit any subset of images: accuracy and the positive side's."""
    side = is_positive(labels, positive)
    ill, called = side[truth], side[said]
    p = positive_score(table, labels, positive)
    low, high = bootstrap_auc(ill, p, groups, seed=seed)
    area = auc(ill, p)
    return {
        "images": len(truth),
        "groups": len(np.unique(groups)),
        "positives": int(ill.sum()),
        "accuracy": _proportion(truth == said),
        "sensitivity": _proportion(called[ill]),
        "specificity": _proportion(~called[~ill]),
        "precision": _proportion(ill[called]),
        "auc": None
        if math.isnan(area)
        else {"value": area, "low": low, "high": high, "n": len(truth)},
    }


def _per_class(matrix: Ints, labels: Sequence[str]) -> Json:
    """Return precision, recall, F1 and support per class, and their two averages."""
    rows: dict[str, Json] = {}
    for index, label in enumerate(labels):
        hit, support, named = (
            int(matrix[index, index]),
            int(matrix[index].sum()),
            int(matrix[:, index].sum()),
        )
        rows[label] = {
            "precision": _of(hit, named),
            "recall": _of(hit, support),
            "f1": 2 * hit / (support + named) if support + named else None,
            "support": support,
        }
    supports = [row["support"] for row in rows.values()]
    even = [1.0 if support else 0.0 for support in supports]
    return {
        "per_class": rows,
        "macro": _average(list(rows.values()), even),
        "weighted": _average(list(rows.values()), supports),
    }


def _average(rows: list[Json], weights: Sequence[float]) -> Json:
    """Return the weighted mean of each figure; one that no image speaks of counts as 0."""
    total = sum(weights) or 1.0

    def mean(values: list[float]) -> float:
        return sum(w * value for w, value in zip(weights, values, strict=True)) / total

    return {
        "precision": mean([(row["precision"] or {"value": 0.0})["value"] for row in rows]),
        "recall": mean([(row["recall"] or {"value": 0.0})["value"] for row in rows]),
        "f1": mean([row["f1"] or 0.0 for row in rows]),
    }


def _proportion(right: NDArray[np.bool_]) -> Json | None:
    return _of(int(np.sum(right)), len(right))


def _of(successes: int, total: int) -> Json | None:
    if total == 0:
        return None
    low, high = wilson(successes, total)
    return {"value": successes / total, "low": low, "high": high, "n": total}
