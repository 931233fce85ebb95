"""What the float networks predicted out of fold, and how such scores are read; numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportError
from ...runtime.metrics.decisions import Thresholds, apply_temperature
from ...runtime.metrics.metrics import assign_labels, positive_score
from ...train.runs.calibration_fitting import SENSITIVITY, fit_decision, fit_temperature
from ...train.runs.run_folder import Run
from ..source_run import DecisionRule, RunImages

Scores = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """What was predicted out of fold, by the float networks.

    Parameters
    ----------
    labels, positives : list of str
    truth, folds : (N,) ndarray of int
    real : (N, C) ndarray of float32
    groups : (N,) ndarray
    reading : DecisionRule
        The run's own: it was fitted on these predictions.
    sensitivity : float
        What the run's threshold was to have, as an artifact's is.
    """

    labels: list[str]
    positives: list[str]
    truth: Indices
    folds: Indices
    real: Scores
    groups: NDArray[Any]
    reading: DecisionRule
    sensitivity: float = SENSITIVITY

    @classmethod
    def of_run(cls, run: Run, material: RunImages) -> HeldOut:
        """Return the predictions of a run."""
        found = material.predictions
        return cls(
            list(run.labels),
            list(run.positive),
            found.truth,
            found.folds,
            found.scores.astype(np.float32),
            np.asarray(found.groups),
            DecisionRule.of_run(run),
            run.record.get("sensitivity", SENSITIVITY),
        )

    @property
    def ill(self) -> NDArray[np.bool_]:
        """Which images truly are positive."""
        return np.isin(self.truth, [self.labels.index(name) for name in self.positives])

    def of(self, folds: Sequence[int]) -> Indices:
        """Return the images that test these folds, fold by fold."""
        each = [np.flatnonzero(self.folds == fold) for fold in folds]
        return np.concatenate(each) if each else np.zeros(0, dtype=np.int64)

    def both_sides(self, folds: Sequence[int]) -> bool:
        """Return whether these folds test positive images and others."""
        return len(set(self.ill[self.of(folds)])) == 2

    def p(self, scores: Scores) -> NDArray[np.float64]:
        """Return the raw probability of any positive label."""
        return positive_score(scores, self.labels, self.positives)

    def right(self, of: Indices, scores: Scores, reading: DecisionRule) -> NDArray[np.bool_]:
        """Return whether scores of these images, so read, name the true label."""
        calibrated = apply_temperature(scores, reading.temperature)
        said = assign_labels(calibrated, self.labels, self.positives, reading.decision.threshold)
        return np.asarray(said == self.truth[of], dtype=bool)


def fit_decision_rule(
    truth: Indices,
    scores: Scores,
    labels: list[str],
    positives: list[str],
    sensitivity: float = SENSITIVITY,
) -> DecisionRule:
    """Return temperature, threshold and band fitted on out-of-fold scores.

    Parameters
    ----------
    truth : (N,) ndarray of int
    scores : (N, C) ndarray of float32
        Raw.
    labels, positives : list of str
    sensitivity : float
        Wanted of the threshold.

    Raises
    ------
    ExportError
        If there are no positive images among them, or no others.
    """
    ill = np.isin(truth, [labels.index(name) for name in positives])
    if ill.all() or not ill.any():
        raise ExportError(
            "a threshold cannot be fitted: all images are on one side",
            allowed="positive images and others in every part of the folds",
            fix="--no-gate, or train again with other folds",
        )
    temperature = fit_temperature(truth, scores)
    p = positive_score(apply_temperature(scores, temperature), labels, positives)
    fitted = fit_decision(ill, p, sensitivity)
    return DecisionRule(temperature, Thresholds(fitted.threshold, (fitted.low, fitted.high)))
