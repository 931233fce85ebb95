"""Metrics of fields that are judged by their cells; numpy and the standard library only.

A field without a leucocyte gets no answer. A positive one counts as missed, with the probability
0. A negative one is no error; it is counted, and left out of the other figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .intervals import Floats, Ints, bootstrap_interval, wilson
from .metrics import Json, summarize

NEGATIVE, POSITIVE = "negative", "positive"
HIGH_SPECIFICITY = 0.95


@dataclass(frozen=True)
class JudgedFields:
    """Fields with the verdicts on them and the counts of their cells, and the truth.

    Parameters
    ----------
    names, cameras, groups : tuple of str
        Of each field.
    positive : (F,) ndarray of bool
        Truth of each field.
    probability : (F,) ndarray of float64
        That the field has a blast, in [0, 1]; NaN without a leucocyte.
    threshold : (F,) ndarray of float64
        Least probability of a positive verdict.
    leucocytes, blasts : (F,) ndarray of int
        Counts of cells.
    true_blasts : (F,) ndarray of int
        -1 where the data set does not say.
    compared_blasts : (F,) ndarray of int
        Those of `blasts` that the truth covers: it leaves out cells that the edge cuts.
    missed_blasts : (F,) ndarray of int
        True blasts that detection missed.
    """

    names: tuple[str, ...]
    cameras: tuple[str, ...]
    groups: tuple[str, ...]
    positive: NDArray[np.bool_]
    probability: Floats
    threshold: Floats
    leucocytes: Ints
    blasts: Ints
    true_blasts: Ints
    compared_blasts: Ints
    missed_blasts: Ints

    def select(self, rows: NDArray[np.bool_]) -> JudgedFields:
        """Return the fields that a mask selects."""
        indices = np.flatnonzero(rows)
        names, cameras, groups = (
            tuple(values[index] for index in indices)
            for values in (self.names, self.cameras, self.groups)
        )
        return JudgedFields(
            names,
            cameras,
            groups,
            self.positive[rows],
            self.probability[rows],
            self.threshold[rows],
            self.leucocytes[rows],
            self.blasts[rows],
            self.true_blasts[rows],
            self.compared_blasts[rows],
            self.missed_blasts[rows],
        )


def summarize_fields(fields: JudgedFields, *, seed: int = 0) -> Json | None:
    """Return all metrics of fields with their intervals, ready for JSON.

    Parameters
    ----------
    fields : JudgedFields
    seed : int
        Of the bootstrap, which draws whole groups.

    Returns
    -------
    dict or None
        As `summarize`, with the labels ``negative`` and ``positive``, and the keys ``fields``
        (number of all fields), ``no_answer``, ``lost``, ``missed_blasts``,
        ``sensitivity_at_95`` (at the threshold with a specificity of 0.95 on these fields) and
        ``counts``. None if no field has an answer or is a positive one.
    """
    unanswered = np.isnan(fields.probability)
    used = fields.select(fields.positive | ~unanswered)
    if not len(used.names):
        return None
    p = np.nan_to_num(used.probability, nan=0.0)
    # a positive field without an answer is not called positive, whatever the threshold is
    threshold = np.where(np.isnan(used.probability), 1.0, used.threshold)
    summary = summarize(
        used.positive.astype(int),
        np.stack([1 - p, p], axis=1),
        (NEGATIVE, POSITIVE),
        (POSITIVE,),
        threshold,
        used.groups,
        used.cameras,
        seed=seed,
    )
    lost = used.positive & (p < threshold)
    summary["threshold"] = float(np.mean(fields.threshold))
    return summary | {
        "fields": len(fields.names),
        "no_answer": {
            POSITIVE: int((unanswered & fields.positive).sum()),
            NEGATIVE: int((unanswered & ~fields.positive).sum()),
        },
        "lost": [name for name, is_lost in zip(used.names, lost, strict=True) if is_lost],
        "missed_blasts": int(fields.missed_blasts.sum()),
        "sensitivity_at_95": sensitivity_at(used.positive, p, HIGH_SPECIFICITY),
        "counts": count_metrics(fields, seed=seed),
    }


def sensitivity_at(
    positive: NDArray[np.bool_], p: Floats, specificity: float = HIGH_SPECIFICITY
) -> Json | None:
    """Return the sensitivity at the lowest threshold with a specificity, on the same fields.

    Parameters
    ----------
    positive : (F,) ndarray of bool
    p : (F,) ndarray of float64
    specificity : float
        At least, in (0, 1].

    Returns
    -------
    dict or None
        ``{"value", "low", "high", "n"}``; None if one of the two classes is missing.
    """
    negatives, positives = np.sort(p[~positive]), p[positive]
    if not len(negatives) or not len(positives):
        return None
    alarms = math.floor((1 - specificity) * len(negatives) + 1e-9)
    found = int((positives > negatives[len(negatives) - 1 - alarms]).sum())
    low, high = wilson(found, len(positives))
    return {"value": found / len(positives), "low": low, "high": high, "n": len(positives)}


def count_metrics(fields: JudgedFields, *, seed: int = 0) -> Json | None:
    """Return how far the counted blasts are from the true ones, in all fields and by camera.

    Parameters
    ----------
    fields : JudgedFields
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict or None
        ``fields``, ``true``, ``counted``, ``mean_error`` (mean absolute difference of a field)
        and ``pearson``, with 95 % intervals; ``cameras`` has the same of each camera. None if the
        number of blasts is not known of any field.
    """
    known = fields.select(fields.true_blasts >= 0)
    if not len(known.names):
        return None
    cameras = np.asarray(known.cameras)
    return _counts(known, seed) | {
        "cameras": {
            str(name): _counts(known.select(cameras == name), seed) for name in np.unique(cameras)
        }
    }


def _counts(fields: JudgedFields, seed: int) -> Json:
    true, counted = fields.true_blasts.astype(float), fields.compared_blasts.astype(float)

    def mean_error(weights: Floats) -> float:
        total = float(weights.sum())
        return float(weights @ np.abs(counted - true)) / total if total else math.nan

    def pearson(weights: Floats) -> float:
        return _correlation(true, counted, weights)

    return {
        "fields": len(true),
        "true": int(true.sum()),
        "counted": int(counted.sum()),
        "mean_error": _figure(fields.groups, mean_error, seed),
        "pearson": _figure(fields.groups, pearson, seed),
    }


def _figure(
    groups: tuple[str, ...], statistic: Callable[[Floats], float], seed: int
) -> Json | None:
    value = statistic(np.ones(len(groups)))
    if math.isnan(value):
        return None
    low, high = bootstrap_interval(groups, statistic, seed=seed)
    if math.isnan(low):  # two fields: every resample that has both is the fields themselves
        return None
    return {"value": value, "low": low, "high": high, "n": len(groups)}


def _correlation(x: Floats, y: Floats, weights: Floats) -> float:
    """Return Pearson's correlation of weighted values; NaN if one of them does not vary."""
    total = float(weights.sum())
    if not total:
        return math.nan
    dx, dy = x - weights @ x / total, y - weights @ y / total
    scale = math.sqrt(float(weights @ dx**2) * float(weights @ dy**2))
    return float(weights @ (dx * dy)) / scale if scale > 1e-12 else math.nan
