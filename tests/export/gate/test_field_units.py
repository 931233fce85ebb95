"""Verdicts on fields in the gate: units, comparisons, and lost blast fields."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.gate.accuracy_gate import Budget, Gate, lost_fields
from alledge.export.gate.field_units import FieldUnits, compare_fields, compare_probabilities
from alledge.export.gate.out_of_fold import OutOfFoldPredictions, leucocyte_probabilities
from alledge.export.types import DecisionRule
from alledge.runtime.cells.field_rule import FieldRule
from alledge.runtime.metrics.decisions import Thresholds

LABELS, POSITIVES = ["healthy", "blast"], ["blast"]
RULE = DecisionRule(1.0, Thresholds(0.5, (0.5, 0.5)), FieldRule())
FIELDS, CELLS, FOLDS = 40, 6, 4
RECIPE = Recipe()


def scores(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def cell_predictions(seed: int = 0) -> OutOfFoldPredictions:
    """Return predictions of fields with six cells; a blast field has two blasts."""
    rng = np.random.default_rng(seed)
    field = np.repeat(np.arange(FIELDS), CELLS)
    blast_field = np.arange(FIELDS) % 2 == 1
    truth = (blast_field[field] & (np.tile(np.arange(CELLS), FIELDS) < 2)).astype(int)
    folds = field // 2 % FOLDS + 1
    p = 1 / (1 + np.exp(-(np.where(truth == 1, 4.0, -4.0) + rng.normal(0, 0.5, len(truth)))))
    units = FieldUnits.of_cells(field, folds, blast_field)
    predictions = OutOfFoldPredictions(
        LABELS, POSITIVES, truth, folds, scores(p), field, RULE, fields=units
    )
    rows = np.arange(len(truth))
    return replace(predictions, float_rule=predictions.fit_rule(rows, predictions.float_scores))


def gate_of(predictions: OutOfFoldPredictions, artifact: np.ndarray, budget: Budget) -> Gate:
    def fold_scores(format_name: str, recipe: Recipe, fold: int) -> np.ndarray:
        return artifact[predictions.folds == fold]

    return Gate(predictions, fold_scores, "int8", budget)


def test_a_field_that_two_folds_test_is_two_units():
    units = FieldUnits.of_cells([0, 0, 1, -1, 0], [1, 1, 1, 1, 2], [False, True])
    assert units.unit.tolist() == [0, 0, 2, -1, 1]
    assert units.is_positive.tolist() == [False, False, True]
    assert units.present(np.array([3, 2])).tolist() == [2]


def test_cells_without_a_field_have_no_units():
    units = FieldUnits.of_cells([-1, -1], [1, 2], [])
    assert not len(units.present(np.arange(2)))
    p = np.array([0.1, 0.9])
    assert compare_fields(units, np.arange(2), (p, p), (FieldRule(), FieldRule())) is None


def test_a_field_without_a_leucocyte_has_the_probability_0():
    units = FieldUnits.of_cells([0, 0, 1], [1, 1, 1], [True, True])
    p = np.array([np.nan, np.nan, 0.9])
    assert units.probabilities(np.arange(3), p, FieldRule()).tolist() == pytest.approx([0.0, 0.9])


def test_cells_labelled_other_are_no_leucocytes():
    labels = ["healthy", "other", "blast"]
    raw = np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8]], np.float32)
    p = leucocyte_probabilities(raw, RULE, labels, ["blast"])
    assert np.isnan(p).tolist() == [True, False]


def test_a_blast_field_below_the_band_is_lost():
    thresholds = Thresholds(0.5, (0.4, 0.6))
    float_p, artifact_p = np.array([0.9, 0.9, 0.9, 0.1]), np.array([0.3, 0.45, 0.3, 0.2])
    truth = np.array([True, True, False, False])
    row = compare_probabilities(float_p, artifact_p, thresholds, thresholds, truth)
    assert (row["lost_positives"], row["float_positives"], row["to_review"]) == (1, 2, 1)


def test_an_artifact_that_equals_the_float_model_loses_no_field():
    predictions = cell_predictions()
    assessment = gate_of(predictions, predictions.float_scores, Budget()).assess("onnx", RECIPE)
    fields = assessment.figures["fields"]
    assert assessment.passed
    assert (fields["lost_positives"], fields["agreement"], fields["max_dp"]) == (0, 1, 0)
    assert (fields["field_count"], fields["float_positives"]) == (FIELDS, FIELDS // 2)
    assert (fields["auc_float"], fields["auc"]) == (1.0, 1.0)
    assert assessment.rule.field is not None
    assert assessment.rule.field.largest >= 0


def test_the_field_rule_of_an_artifact_is_fitted_on_its_own_scores():
    predictions = cell_predictions()
    flatter = scores(0.5 + 0.6 * (predictions.float_scores[:, 1].astype(float) - 0.5))
    assessment = gate_of(predictions, flatter, Budget()).assess("onnx", RECIPE)
    rows = np.arange(len(predictions.truth))
    fitted = predictions.fit_rule(rows, flatter).field
    assert assessment.rule.field.bias == fitted.bias
    low, high = assessment.rule.field.band
    assert low <= fitted.band[0]
    assert high >= fitted.band[1]


def test_few_lost_cells_can_lose_a_field_which_is_refused():
    """Two blasts of one field are 5 % of the blasts; the budget for cells allows them."""
    predictions = cell_predictions()
    artifact = predictions.float_scores.copy()
    artifact[CELLS : CELLS + 2] = predictions.float_scores[:2]  # both blasts of the second field
    allowed = Budget(auc_drop=1.0, lost_rate=0.06)
    assessment = gate_of(predictions, artifact, allowed).assess("onnx", RECIPE)
    assert assessment.figures["lost_positives"] == 2
    assert lost_fields(assessment.figures) == 1
    assert assessment.passed
    strict = Budget(auc_drop=1.0, lost_rate=0.0501)
    assert gate_of(predictions, artifact, strict).assess("onnx", RECIPE).passed
    none = Budget(auc_drop=1.0, lost_rate=0.04)
    refused = gate_of(predictions, artifact, none).assess("onnx", RECIPE)
    assert not refused.passed
    cells_only = {key: value for key, value in refused.figures.items() if key != "fields"}
    cells_only["lost_positives"] = 0
    assert none.allows(cells_only)
    assert not none.allows({**cells_only, "fields": refused.figures["fields"]})


def test_lost_fields_have_a_cross_fitted_cost():
    predictions = cell_predictions()
    cost = gate_of(predictions, predictions.float_scores, Budget()).cross_fitted_cost(
        "onnx", (RECIPE,)
    )
    assert cost["fields"]["lost_positives"] == 0
    assert cost["fields"]["lost_rate"]["none_seen_up_to"] > 0.1


def test_models_of_whole_fields_have_no_figures_of_cells():
    predictions = replace(cell_predictions(), fields=None)
    figures = (
        gate_of(predictions, predictions.float_scores, Budget()).assess("onnx", RECIPE).figures
    )
    assert "fields" not in figures
    assert lost_fields(figures) == 0
