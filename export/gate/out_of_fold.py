"""Holds the out-of-fold predictions of the float networks and fits decision rules on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportError
from ...runtime.cells.field_rule import OTHER, FieldRule
from ...runtime.metrics.decisions import Thresholds, apply_temperature
from ...runtime.metrics.metrics import assign_labels, positive_score
from ...train.runs.calibration_fitting import SENSITIVITY, fit_decision, fit_temperature
from ...train.runs.field_rule_fitting import fit_field_rule
from ...train.runs.run_folder import Run
from ..source_run import RunImages
from ..types import DecisionRule, Floats, Indices, Mask, Scores
from .field_units import FieldUnits, field_thresholds

NEAR = 0.25  # calibrated probability
MIN_NEAR = 20  # images; of fewer, no difference would be above their 0.95 quantile
SHIFT_QUANTILE = 0.95
SMALLEST = 1e-6  # a probability of 0 has no log-odds


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
        The sensitivity that every fitted threshold of fields should reach, in (0, 1].
    fields : FieldUnits, optional
        The fields of the rows, if these are cells.
    known : (N,) ndarray of bool, optional
        Whether the truth of each row is known; by default it is. Other cells count for their field
        only.
    """

    labels: list[str]
    positives: list[str]
    truth: Indices
    folds: Indices
    float_scores: Scores
    groups: NDArray[Any]
    float_rule: DecisionRule
    sensitivity: float = SENSITIVITY
    fields: FieldUnits | None = None
    known: Mask | None = None

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
            fields=run_images.tested_fields(),
            known=predictions.known,
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

    def has_truth(self, rows: Indices) -> Mask:
        """Return which of these rows have a known truth, (len(rows),)."""
        return np.ones(len(rows), dtype=bool) if self.known is None else self.known[rows]

    def both_classes(self, rows: Indices) -> bool:
        """Return whether there are positive images and others among these rows."""
        return len(set(self.is_positive[rows[self.has_truth(rows)]])) == 2

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
        known = self.has_truth(rows)
        temperature = fit_temperature(self.truth[rows[known]], scores[known])
        p = self.positive_scores(apply_temperature(scores[known], temperature))
        truth, are_cells = self.is_positive[rows[known]], self.known is not None
        fitted = fit_decision(truth, p, self.sensitivity, counted=are_cells)
        thresholds = Thresholds(fitted.threshold, (fitted.low, fitted.high))
        rule = DecisionRule(temperature, thresholds)
        return replace(rule, field=self._fit_field_rule(rows, scores, rule))

    def _fit_field_rule(
        self, rows: Indices, scores: Scores, rule: DecisionRule
    ) -> FieldRule | None:
        """Return the field rule fitted on the cells of these rows; the run's if none can be."""
        if self.fields is None:
            return None
        is_positive = self.fields.is_positive[self.fields.present(rows)]
        cells = self.fields.leucocytes(rows, self.leucocytes(scores, rule))
        return fit_field_rule(cells, is_positive, self.sensitivity) or self.float_rule.field

    def widen_band(
        self, rows: Indices, artifact_scores: Scores, rule: DecisionRule
    ) -> tuple[DecisionRule, float]:
        """Return an artifact's rule with a wider indeterminate band, and the reach of the band.

        The band reaches at least as far from the threshold as the conversion moves scores there,
        so that an image which the float model puts on the other side goes to a person. Its reach
        is the farther of both distances, as a probability.
        """
        float_p = self.calibrated(self.float_scores[rows], self.float_rule)
        artifact_p = self.calibrated(artifact_scores, rule)
        threshold = rule.thresholds.threshold
        shift = odds_shift(float_p, artifact_p, threshold)
        thresholds, field = _reaching(rule.thresholds, shift), rule.field
        if self.fields is not None and field is not None and self.float_rule.field is not None:
            float_cells = self.leucocytes(self.float_scores[rows], self.float_rule)
            before = self.fields.probabilities(rows, float_cells, self.float_rule.field)
            artifact_cells = self.leucocytes(artifact_scores, rule)
            after = self.fields.probabilities(rows, artifact_cells, field)
            if len(after):
                moved = odds_shift(before, after, field.threshold)
                field = replace(field, band=_reaching(field_thresholds(field), moved).band)
        low, high = _reach(threshold, shift)
        reach = max(threshold - low, high - threshold)
        return DecisionRule(rule.temperature, thresholds, field), reach

    def in_band(self, scores: Scores, rule: DecisionRule) -> int:
        """Return how many images are in the indeterminate band of a rule."""
        p = self.calibrated(scores, rule)
        low, high = rule.thresholds.band
        return int(np.sum((p >= low) & (p < high)))

    def leucocytes(self, scores: NDArray[np.floating[Any]], rule: DecisionRule) -> Floats:
        """Return the calibrated blast probability of cells; NaN for no leucocyte, (N,)."""
        return leucocyte_probabilities(scores, rule, self.labels, self.positives)

    def calibrated(self, scores: Scores, rule: DecisionRule) -> Floats:
        """Return the calibrated probability of any positive label, (N,)."""
        return self.positive_scores(apply_temperature(scores, rule.temperature))


def leucocyte_probabilities(
    scores: NDArray[np.floating[Any]], rule: DecisionRule, labels: list[str], positives: list[str]
) -> Floats:
    """Return the calibrated blast probability of cells; NaN for what is labelled ``other``.

    Parameters
    ----------
    scores : (N, C) ndarray of float
        Raw.
    rule : DecisionRule
    labels, positives : list of str

    Returns
    -------
    (N,) ndarray of float64
    """
    calibrated = apply_temperature(scores, rule.temperature)
    assigned = assign_labels(calibrated, labels, positives, rule.thresholds.threshold)
    is_other = np.array([label == OTHER for label in labels])[assigned]
    return np.where(is_other, np.nan, positive_score(calibrated, labels, positives))


def _reaching(thresholds: Thresholds, shift: float) -> Thresholds:
    """Return a threshold whose band reaches at least so far to both sides, in log-odds."""
    (low, high), ends = thresholds.band, _reach(thresholds.threshold, shift)
    # the fitted band may lie on one side of the threshold
    return Thresholds(thresholds.threshold, (min(low, ends[0]), max(high, ends[1])))


def _reach(threshold: float, shift: float) -> tuple[float, float]:
    """Return the probabilities that are so many log-odds below and above a threshold."""
    odds = log_odds(np.asarray(threshold))
    low, high = 1 / (1 + np.exp(shift - odds)), 1 / (1 + np.exp(-shift - odds))
    return float(low), float(high)


def log_odds(p: Floats) -> Floats:
    """Return the log-odds of probabilities, those of 0 and 1 as of `SMALLEST` from them."""
    inside = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.log(inside / (1 - inside))


def odds_shift(float_p: Floats, artifact_p: Floats, threshold: float) -> float:
    """Return how far a conversion moves scores near the threshold, in log-odds.

    A probability near 0 or 1 hardly moves, whatever a conversion does to the logits. So images far
    from the threshold say nothing about the probabilities near it, and something about log-odds.

    Parameters
    ----------
    float_p, artifact_p : (N,) ndarray of float64
        Calibrated probabilities of the same images.
    threshold : float
        Of the artifact.

    Returns
    -------
    float
        The 0.95 quantile of the differences of images that either model puts within 0.25 of the
        threshold; of the 20 nearest where fewer are so near. Of 20 images it is the largest
        difference.
    """
    distance = np.minimum(np.abs(float_p - threshold), np.abs(artifact_p - threshold))
    near = max(int(np.sum(distance <= NEAR)), MIN_NEAR)
    chosen = np.argsort(distance, kind="stable")[:near]
    moved = np.abs(log_odds(float_p[chosen]) - log_odds(artifact_p[chosen]))
    return float(np.quantile(moved, SHIFT_QUANTILE, method="higher"))
