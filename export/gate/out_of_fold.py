"""Holds the out-of-fold predictions of the float networks and fits decision rules on them."""

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
from ..source_run import RunImages
from ..types import DecisionRule, Floats, Indices, Mask, Scores


@dataclass(frozen=True)
class OutOfFoldPredictions:
    """Predictions of the float network of each fold for the images that test the fold.

    Parameters
    ----------
    labels, positives : list of str
    truth, folds : (N,) ndarray of int
        One row an image and fold that tests it.
    float_scores : (N, C) ndarray of float32
        Raw.
    groups : (N,) ndarray
        Images of one group show the same subject, field or pixels.
    float_rule : DecisionRule
        The run's own rule, which was fitted on all these predictions.
    sensitivity : float
        The sensitivity that every fitted threshold should reach, in (0, 1].
    """

    labels: list[str]
    positives: list[str]
    truth: Indices
    folds: Indices
    float_scores: Scores
    groups: NDArray[Any]
    float_rule: DecisionRule
    sensitivity: float = SENSITIVITY

    @classmethod
    def from_run(cls, run: Run, run_images: RunImages) -> OutOfFoldPredictions:
        """Return the predictions of a run."""
        predictions = run_images.predictions
        return cls(
            labels=list(run.labels),
            positives=list(run.positive),
            truth=predictions.truth,
            folds=predictions.folds,
            float_scores=predictions.scores.astype(np.float32),
            groups=np.asarray(predictions.groups),
            float_rule=DecisionRule.from_run(run),
            sensitivity=run.record.get("sensitivity", SENSITIVITY),
        )

    @property
    def is_positive(self) -> Mask:
        """Whether the true label of each row is positive, (N,)."""
        return np.isin(self.truth, [self.labels.index(name) for name in self.positives])

    def rows(self, folds: Sequence[int], unrelated_to: Sequence[int] = ()) -> Indices:
        """Return the rows of some folds, fold by fold.

        Parameters
        ----------
        folds : sequence of int
        unrelated_to : sequence of int
            Leave out every row whose group is tested by one of these folds. In a camera split
            several folds test the same image.
        """
        related = np.isin(self.groups, self.groups[np.isin(self.folds, unrelated_to)])
        parts = [np.flatnonzero((self.folds == fold) & ~related) for fold in folds]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def both_classes(self, rows: Indices) -> bool:
        """Return whether there are positive images and others among these rows."""
        return len(set(self.is_positive[rows])) == 2

    def positive_scores(self, scores: NDArray[np.floating[Any]]) -> Floats:
        """Return the probability of any positive label, (N,)."""
        return positive_score(scores, self.labels, self.positives)

    def correct(self, rows: Indices, scores: Scores, rule: DecisionRule) -> Mask:
        """Return whether scores of these rows give the true label under a decision rule."""
        calibrated = apply_temperature(scores, rule.temperature)
        labels = assign_labels(calibrated, self.labels, self.positives, rule.thresholds.threshold)
        return np.asarray(labels == self.truth[rows], dtype=bool)

    def fit_rule(self, rows: Indices, scores: Scores) -> DecisionRule:
        """Return the decision rule fitted on raw scores of these rows, (len(rows), C).

        Raises
        ------
        ExportError
            If there are no positive images among them, or no others.
        """
        if not self.both_classes(rows):
            raise ExportError(
                "a threshold cannot be fitted: all images are on one side of the diagnosis",
                allowed="positive images and others in every part of the folds",
                fix="--no-gate, or train again with other folds",
            )
        temperature = fit_temperature(self.truth[rows], scores)
        p = self.positive_scores(apply_temperature(scores, temperature))
        fitted = fit_decision(self.is_positive[rows], p, self.sensitivity)
        return DecisionRule(temperature, Thresholds(fitted.threshold, (fitted.low, fitted.high)))
