"""Fits the decision rule of a run, and applies rules of other folds to the run's own images.

A run exports the rule that was fitted to all its out-of-fold predictions. It reports metrics for
which each fold was judged by a rule that was fitted without the images of that fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.decisions import apply_temperature, is_positive, positive_score
from ...runtime.metrics.metrics import Json
from .calibration_fitting import SENSITIVITY, fit_decision, fit_temperature
from .predictions import Predictions

CROSS_FITTED, IN_SAMPLE = "cross-fitted", "in-sample"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FittedRule:
    """A temperature, a threshold and a band, fitted to predictions.

    Parameters
    ----------
    temperature : float
        > 0.
    threshold : float
        On the calibrated positive score, in [0, 1].
    band : (float, float)
        A person looks at an image whose calibrated positive score is in [band[0], band[1]).
    reached : bool
        Whether the threshold has the wanted sensitivity on the predictions it was fitted to.
    """

    temperature: float
    threshold: float
    band: tuple[float, float]
    reached: bool

    def to_json(self) -> Json:
        """Return temperature, threshold and band as a JSON object."""
        return {
            "temperature": self.temperature,
            "threshold": self.threshold,
            "band": list(self.band),
        }


@dataclass(frozen=True)
class CrossFit:
    """Calibrated scores and thresholds of the images that metrics are reported for.

    Parameters
    ----------
    kind : {"cross-fitted", "in-sample"}
        In-sample if no other fold could fit a rule. The metrics are then optimistic.
    scores : (N, C) ndarray of float64
        Calibrated probabilities.
    thresholds : (N,) ndarray of float64
        One per image.
    rules : dict of int to FittedRule
        The rule that was applied to the images of each fold; empty if in-sample.
    """

    kind: str
    scores: Floats
    thresholds: Floats
    rules: dict[int, FittedRule]


def fit_decision_rule(
    predictions: Predictions,
    labels: Sequence[str],
    positive: Sequence[str],
    sensitivity: float = SENSITIVITY,
) -> FittedRule:
    """Fit temperature, threshold and band to out-of-fold predictions.

    The threshold of cells is the one at which the number of blasts is right.

    Parameters
    ----------
    predictions : Predictions
        Of positive and of negative images.
    labels, positive : sequence of str
        All labels in the order of the scores, and those of them that mean leukaemia.
    sensitivity : float
        Wanted at the threshold of fields, and at the lower end of the band of cells, in (0, 1].

    Returns
    -------
    FittedRule
    """
    temperature = fit_temperature(predictions.truth, predictions.scores)
    p = positive_score(apply_temperature(predictions.scores, temperature), labels, positive)
    truth_positive = is_positive(labels, positive)[predictions.truth]
    decision = fit_decision(truth_positive, p, sensitivity, counted=predictions.are_cells)
    return FittedRule(
        temperature, decision.threshold, (decision.low, decision.high), decision.reached
    )


def cross_fit(
    predictions: Predictions,
    labels: Sequence[str],
    positive: Sequence[str],
    rule: FittedRule,
    sensitivity: float = SENSITIVITY,
) -> CrossFit:
    """Apply to the images of each fold the rule that was fitted to the other folds.

    Images of a group that the fold tests are not used to fit its rule.

    Parameters
    ----------
    predictions : Predictions
        One row per image.
    labels, positive : sequence of str
        As `fit_decision_rule`.
    rule : FittedRule
        Fitted to all predictions. It is applied to all images if, for some fold, the others do
        not exist or have only positive or only negative images.
    sensitivity : float
        Wanted at the thresholds, in (0, 1].

    Returns
    -------
    CrossFit
    """
    truth_positive = is_positive(labels, positive)[predictions.truth]
    scores, thresholds = np.empty_like(predictions.scores), np.empty(len(truth_positive))
    rules: dict[int, FittedRule] = {}
    for number in np.unique(predictions.folds):
        inside = predictions.folds == number
        others = ~np.isin(predictions.groups, np.asarray(predictions.groups)[inside])
        if len(set(truth_positive[others].tolist())) < 2:
            return CrossFit(
                IN_SAMPLE,
                apply_temperature(predictions.scores, rule.temperature),
                np.full(len(truth_positive), rule.threshold),
                {},
            )
        fold_rule = fit_decision_rule(predictions.select(others), labels, positive, sensitivity)
        scores[inside] = apply_temperature(predictions.scores[inside], fold_rule.temperature)
        thresholds[inside] = fold_rule.threshold
        rules[int(number)] = fold_rule
    return CrossFit(CROSS_FITTED, scores, thresholds, rules)
