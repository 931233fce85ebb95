"""Compares the artifact itself with the float model on real images: those of the run, if it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..train.runs.run_folder import Run
from .gate.accuracy_gate import Budget
from .gate.field_units import FieldUnits, compare_fields
from .gate.out_of_fold import leucocyte_probabilities
from .gate.parity import CALIBRATION, RUN_IMAGES, compare, coverage, judge, within_tolerance
from .source_run import RunImages
from .types import DecisionRule, Images, Json, Mask, Scores

if TYPE_CHECKING:
    from .convert.calibration_images import CalibrationImages


@dataclass(frozen=True)
class CheckImages:
    """Real images on which an artifact is compared with the float model.

    Both models were trained on the images of the run. That does not matter here, because the check
    compares the two models with each other, not with the true labels.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
    measured_on : {"images of the run", "calibration images"}
    is_positive : (N,) ndarray of bool, optional
        None if the labels are not known.
    fields : FieldUnits, optional
        The fields of the images, if these are all cells of the run.
    """

    images: Images
    measured_on: str = RUN_IMAGES
    is_positive: Mask | None = None
    fields: FieldUnits | None = None


@dataclass(frozen=True)
class ShippedCheck:
    """The images of the check, and what the float model makes of them.

    Parameters
    ----------
    chosen : CheckImages
    float_scores : (N, C) ndarray of float32
        Raw.
    rule : DecisionRule
        Of the float model.
    labels, positives : list of str
    """

    chosen: CheckImages
    float_scores: Scores
    rule: DecisionRule
    labels: list[str]
    positives: list[str]

    def figures(self, scores: Scores, rule: DecisionRule, precision: str, budget: Budget) -> Json:
        """Return ``shipped`` of ``parity.json``: how an artifact that passed the gate differs.

        Parameters
        ----------
        scores : (N, C) ndarray of float32
            Raw scores of the artifact.
        rule : DecisionRule
            Of the artifact.
        precision : str
        budget : Budget
        """
        row = self._compare(scores, rule)
        fields = self._compare_fields(scores, rule)
        figures: Json = {**row} if fields is None else {**row, "fields": fields}
        passed = within_tolerance(precision, row) and budget.allows(figures)
        return {**figures, "images": len(self.chosen.images), "passed": passed}

    def verdict(self, scores: Scores, rule: DecisionRule, precision: str) -> Json:
        """Return the row of ``parity.json`` of an artifact that no gate judged.

        Parameters
        ----------
        scores, rule, precision
            As for `figures`.
        """
        covered = coverage(self.float_scores, self.rule, self.labels, self.positives, least_near=0)
        return judge(precision, self._compare(scores, rule), covered, self.chosen.measured_on)

    def _compare(self, scores: Scores, rule: DecisionRule) -> Json:
        row = compare(
            self.float_scores,
            scores,
            self.rule,
            rule,
            self.labels,
            self.positives,
            self.chosen.is_positive,
        )
        return {**row}

    def _compare_fields(self, scores: Scores, rule: DecisionRule) -> Json | None:
        """Compare the verdicts on the run's fields; None unless its images are cells."""
        fields, names = self.chosen.fields, (self.labels, self.positives)
        if fields is None:
            return None
        p = (
            leucocyte_probabilities(self.float_scores, self.rule, *names),
            leucocyte_probabilities(scores, rule, *names),
        )
        rows, rules = np.arange(len(scores)), (self.rule.field, rule.field)
        verdicts = compare_fields(fields, rows, p, rules)
        if verdicts is None:
            return None
        return {**verdicts.comparison, "field_count": len(verdicts.is_positive)}


def check_images(
    run: Run, run_images: RunImages | None, given: CalibrationImages | None, *, gated: bool
) -> CheckImages | None:
    """Return the images on which the artifact itself is compared; None if there are none.

    Parameters
    ----------
    run : Run
    run_images : RunImages, optional
        Its images, where they are at hand.
    given : CalibrationImages, optional
        Images that the user named for calibration; they are used where those of the run are gone.
    gated : bool
        With a gate every image of the run is used, without one at most 64.
    """
    if run_images is None:
        return None if given is None else CheckImages(given.images, CALIBRATION)
    is_positive = np.isin(run_images.labels, run.positive)
    if gated:
        fields = run_images.field_units()
        return CheckImages(run_images.images, RUN_IMAGES, is_positive, fields)
    chosen = run_images.compared_images()
    return CheckImages(run_images.images[chosen], RUN_IMAGES, is_positive[chosen])
