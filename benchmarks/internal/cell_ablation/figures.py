"""Figures of a row of the ablation, with intervals from resampled groups of fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ....runtime.metrics.intervals import bootstrap_interval

SPECIFICITY = 0.95
BOOTSTRAP_SEED = 0

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]


class Figure(TypedDict):
    """The mean over seeds, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """Scores of the same cells or fields by several seeds.

    Parameters
    ----------
    truth : (N,) ndarray of bool
    scores : (K, N) ndarray of float64
        One row a seed; NaN if the seed did not test it.
    groups : (N,) ndarray of str
    """

    truth: NDArray[np.bool_]
    scores: Floats
    groups: NDArray[np.str_]

    def mean(self, measure: Callable[[NDArray[np.bool_], Floats, Floats], float]) -> Statistic:
        """Return the mean of a measure over seeds, as a function of weights, (N,)."""
        tested = [~np.isnan(row) for row in self.scores]

        def statistic(weights: Floats) -> float:
            return float(
                np.mean(
                    [
                        measure(self.truth[mask], row[mask], weights[mask])
                        for row, mask in zip(self.scores, tested, strict=True)
                    ]
                )
            )

        return statistic


def measure_figure(scores: Scores, measure: Callable[..., float]) -> Figure:
    """Return a figure with its interval."""
    return _figure(scores.groups, scores.mean(measure))


def measure_difference(
    scores: Scores, reference: Scores, measure: Callable[..., float]
) -> Figure | None:
    """Return by how much a figure is above that of the reference row, on the same resamples.

    None if the two rows did not judge the same cells or fields.
    """
    if scores.scores.shape[1] != reference.scores.shape[1]:
        return None
    own, other = scores.mean(measure), reference.mean(measure)
    return _figure(scores.groups, lambda weights: own(weights) - other(weights))


def weighted_auc(truth: NDArray[np.bool_], score: Floats, weights: Floats) -> float:
    """Return the area under the ROC curve of weighted examples; NaN if a class is missing."""
    _, level = np.unique(score, return_inverse=True)
    positives = np.bincount(level, weights=weights * truth)
    negatives = np.bincount(level, weights=weights * ~truth)
    pairs = positives.sum() * negatives.sum()
    if not pairs:
        return math.nan
    return float(positives @ (np.cumsum(negatives) - negatives / 2) / pairs)


def sensitivity_at(truth: NDArray[np.bool_], score: Floats, weights: Floats) -> float:
    """Return the greatest sensitivity at a specificity of at least `SPECIFICITY`."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    alarms = np.cumsum((weights * ~truth)[order])
    hits = np.cumsum((weights * truth)[order])
    if not alarms[-1] or not hits[-1]:
        return math.nan
    last_of_score = np.append(ordered[1:] != ordered[:-1], True)
    allowed = last_of_score & (alarms <= (1 - SPECIFICITY) * alarms[-1] + 1e-9)
    return float(hits[allowed].max(initial=0.0) / hits[-1])


def shares(
    truth: NDArray[np.bool_], called: Sequence[NDArray[np.bool_]], tested: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return sensitivity and specificity of verdicts, as means over seeds."""
    sensitivity = np.mean([row[truth & tested].mean() for row in called])
    specificity = np.mean([1 - row[~truth & tested].mean() for row in called])
    return float(sensitivity), float(specificity)


def _figure(groups: NDArray[np.str_], statistic: Statistic) -> Figure:
    low, high = bootstrap_interval(groups, statistic, seed=BOOTSTRAP_SEED)
    value = statistic(np.ones(len(groups)))
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
