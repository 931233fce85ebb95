"""From the predictions of all folds to the decision rule and the metrics of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...runtime.metrics.metrics import Json
from ..data.cells.types import CellExamples
from ..data.examples import Examples
from ..data.split_types import Split
from ..fitting.types import FoldResult
from .camera_directions import directions
from .cross_fitting import FittedRule, cross_fit, fit_decision_rule
from .field_results import FieldResults, certain_cells, field_results
from .options import TrainOptions
from .predictions import Predictions
from .run_metrics import decision_record, gather_predictions, run_metrics
from .types import RunResultsRecord


@dataclass(frozen=True)
class RunResults:
    """What the folds of a run say.

    Parameters
    ----------
    predictions : Predictions
        One row for every fold that tests an example.
    rule : FittedRule
        Fitted to all predictions: what an export uses.
    metrics : dict
        The content of ``metrics.json``.
    fields : FieldResults or None
        Of a run of cells.
    """

    predictions: Predictions
    rule: FittedRule
    metrics: Json
    fields: FieldResults | None

    def record(self, sensitivity: float) -> RunResultsRecord:
        """Return the keys of ``run.json``; `sensitivity` is the wanted one."""
        metrics, rule = self.metrics, self.rule
        record: RunResultsRecord = {
            "temperature": rule.temperature,
            "threshold": rule.threshold,
            "band": list(rule.band),
            "decision": decision_record(sensitivity, rule.reached, metrics),
            "calibration": metrics["calibration"],
            "oof": metrics["oof"],
            "against_probe": metrics["against_probe"],
            "directions": metrics["directions"],
        }
        if self.fields is not None:
            record["field"] = self.fields.rule.to_json()
            record["fields"] = metrics["fields"]
            record["field_calibration"] = metrics["field_calibration"]
            record["field_directions"] = metrics["field_directions"]
            record["certain_auc"] = metrics["certain_auc"]
        return record


def run_results(
    options: TrainOptions, examples: Examples, split: Split, folds: Sequence[FoldResult]
) -> RunResults:
    """Fit the decision rules of a run, and measure it.

    Parameters
    ----------
    options : TrainOptions
    examples : Examples
    split : Split
    folds : sequence of FoldResult

    Returns
    -------
    RunResults
    """
    labels, positive = examples.dataset.labels, examples.dataset.positive
    predictions = gather_predictions(examples, split, folds)
    known = predictions.with_truth()
    once = known.per_image()
    rule = fit_decision_rule(once, labels, positive, options.sensitivity)
    calibrated = cross_fit(once, labels, positive, rule, options.sensitivity)
    metrics = run_metrics(known, calibrated, labels, positive, folds, options.seed)
    certain = certain_cells(known, examples) if isinstance(examples, CellExamples) else None
    metrics["directions"] = directions(
        known, split, labels, positive, options.seed, certain=certain
    )
    fields = None
    if isinstance(examples, CellExamples):
        fields = field_results(predictions, examples, split, rule, calibrated, options)
        metrics |= fields.metrics
    return RunResults(predictions, rule, metrics, fields)
