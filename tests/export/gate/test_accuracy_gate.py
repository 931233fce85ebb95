"""The accuracy gate on synthetic scores: what it refuses, and which scores it may not use."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from alledge.errors import ExportError
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.gate.accuracy_gate import HOLDOUT, Budget, Gate, lost_rate
from alledge.export.gate.out_of_fold import OutOfFoldPredictions, odds_shift
from alledge.export.types import DecisionRule
from alledge.runtime.metrics.decisions import Thresholds

HEALTHY, BLASTS, FOLDS = 59, 49, 5  # as many as ALL-IDB1 has
LABELS, POSITIVES = ["healthy", "blast"], ["blast"]
RULE = DecisionRule(1.0, Thresholds(0.5, (0.4, 0.6)))
LADDER = (Recipe(), Recipe(float_layers=4))


def scores(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def noisy_predictions(
    rng: np.random.Generator,
    truth: np.ndarray,
    folds: np.ndarray,
    groups: np.ndarray,
    separation: float,
) -> OutOfFoldPredictions:
    """Return scores of a float model that is sometimes wrong."""
    logits = np.where(truth == 1, separation, -separation) + rng.normal(0, 1.5, len(truth))
    float_scores = scores(1 / (1 + np.exp(-logits)))
    return OutOfFoldPredictions(LABELS, POSITIVES, truth, folds, float_scores, groups, RULE)


def predictions_of_float_model(
    rng: np.random.Generator, separation: float = 3.0, folds: int = FOLDS
) -> OutOfFoldPredictions:
    """Return predictions of as many fields as ALL-IDB1 has, each in a group of its own."""
    truth = np.array([0] * HEALTHY + [1] * BLASTS)
    fold = np.concatenate([np.arange(HEALTHY), np.arange(BLASTS)]) % folds + 1
    return noisy_predictions(rng, truth, fold, np.arange(len(truth)), separation)


def camera_predictions(rng: np.random.Generator) -> OutOfFoldPredictions:
    """Return predictions of two directions that test the same healthy images in two folds each."""
    healthy, blasts, parts = 21, 21, 3
    truth = np.concatenate([np.zeros(2 * healthy, int), np.ones(2 * blasts, int)])
    groups = np.concatenate([np.arange(healthy), np.arange(healthy), 100 + np.arange(2 * blasts)])
    part = np.arange(healthy) % parts
    fold = np.concatenate([1 + part, 1 + parts + part, 1 + np.arange(2 * blasts) % (2 * parts)])
    return noisy_predictions(rng, truth, fold, groups, separation=2.0)


def gate_with(
    predictions: OutOfFoldPredictions,
    *recipe_scores: np.ndarray,
    budget: Budget = Budget(),  # noqa: B008
) -> Gate:
    """Return a gate whose recipes have these scores, in the order of the ladder."""
    by_recipe = dict(zip(LADDER, recipe_scores, strict=False))

    def fold_scores(format_name: str, recipe: Recipe, fold: int) -> np.ndarray:
        return by_recipe[recipe][predictions.folds == fold]

    return Gate(predictions, fold_scores, "int8", budget)


def test_an_artifact_that_loses_one_blast_is_refused():
    predictions = predictions_of_float_model(np.random.default_rng(1), separation=6.0)
    artifact_scores = predictions.float_scores.copy()
    artifact_scores[-1] = 0.9999, 0.0001
    gate = gate_with(predictions, artifact_scores, budget=Budget(auc_drop=1.0, lost_rate=0.0))
    assessment = gate.assess("onnx", LADDER[0])
    assert assessment.figures["lost_positives"] == 1
    assert not assessment.passed


@pytest.mark.parametrize("seed", range(5))
def test_random_scores_are_refused(seed):
    rng = np.random.default_rng(seed)
    predictions = predictions_of_float_model(rng)
    gate = gate_with(predictions, scores(rng.uniform(size=len(predictions.truth))))
    assert not gate.assess("onnx", LADDER[0]).passed


def test_random_scores_can_lose_positives():
    """A threshold fitted on the scores that it judges would never lose one of so few."""
    lost = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        predictions = predictions_of_float_model(rng)
        gate = gate_with(predictions, scores(rng.uniform(size=len(predictions.truth))))
        lost.append(gate.assess("onnx", LADDER[0]).figures["lost_positives"])
    assert max(lost) > 0


@pytest.mark.parametrize("separation", [1.0, 3.0, 6.0])
def test_an_artifact_that_equals_the_float_model_is_never_refused(separation):
    for seed in range(5):
        predictions = predictions_of_float_model(np.random.default_rng(seed), separation)
        float_scores = predictions.float_scores
        assessment = gate_with(predictions, float_scores).assess("onnx", LADDER[0])
        figures = assessment.figures
        assert (figures["lost_positives"], figures["auc_drop"], figures["agreement"]) == (0, 0, 1)
        rows = np.arange(len(predictions.truth))
        fitted = predictions.fit_rule(rows, float_scores)
        assert assessment.rule.temperature == fitted.temperature
        assert assessment.rule.thresholds.threshold == fitted.thresholds.threshold


@pytest.mark.parametrize("fold", range(1, FOLDS + 1))
def test_the_scores_of_a_fold_do_not_choose_the_recipe_that_judges_it(fold):
    rng = np.random.default_rng(7)
    predictions = predictions_of_float_model(rng)
    bad = predictions.float_scores.copy()
    bad[predictions.truth == 1] = scores(rng.uniform(size=BLASTS))
    good = predictions.float_scores.copy()
    inside = predictions.folds == fold
    good[inside] = scores(rng.uniform(size=int(inside.sum())))  # would be refused for this fold
    cost = gate_with(predictions, bad, good).cross_fitted_cost("onnx", LADDER)
    assert cost["recipes"][fold - 1] == LADDER[1].name
    good[inside], bad[inside] = bad[inside], good[inside]
    cost = gate_with(predictions, bad, good).cross_fitted_cost("onnx", LADDER)
    assert cost["recipes"][fold - 1] == LADDER[1].name


@dataclass(frozen=True)
class RecordingPredictions(OutOfFoldPredictions):
    """Records the rows that each decision rule was fitted on and the rows that it judged."""

    fitted: list[tuple[DecisionRule, np.ndarray]] = field(default_factory=list)
    judged: list[tuple[DecisionRule, np.ndarray]] = field(default_factory=list)

    def fit_rule(self, rows: np.ndarray, scores: np.ndarray) -> DecisionRule:
        rule = super().fit_rule(rows, scores)
        self.fitted.append((rule, rows))
        return rule

    def correct(self, rows: np.ndarray, scores: np.ndarray, rule: DecisionRule) -> np.ndarray:
        self.judged.append((rule, rows))
        return super().correct(rows, scores, rule)


@pytest.mark.parametrize("make", [camera_predictions, predictions_of_float_model])
def test_no_rule_judges_an_image_whose_group_it_was_fitted_on(make):
    """In a camera split, a healthy image is tested by one fold of every direction."""
    predictions = RecordingPredictions(**vars(make(np.random.default_rng(8))))
    gate = gate_with(predictions, predictions.float_scores)
    gate.assess("onnx", LADDER[0])
    assert gate.cross_fitted_cost("onnx", LADDER[:1])["images"] == len(predictions.truth)
    assert {fold for _, rows in predictions.judged for fold in predictions.folds[rows]} == set(
        predictions.folds
    )
    for rule, rows in predictions.judged:
        (fitted_on,) = [fitting for other, fitting in predictions.fitted if other is rule]
        assert not set(predictions.groups[fitted_on]) & set(predictions.groups[rows])


def test_the_cross_fitted_cost_names_the_recipe_that_judged_each_fold():
    predictions = predictions_of_float_model(np.random.default_rng(2), separation=6.0)
    bad = scores(np.full(len(predictions.truth), 0.5))
    gate = gate_with(predictions, bad, predictions.float_scores)
    cost = gate.cross_fitted_cost("onnx", LADDER)
    assert cost["recipes"] == [LADDER[1].name] * FOLDS
    assert (cost["images"], cost["max_dp"], cost["lost_positives"]) == (108, 0.0, 0)


def test_a_holdout_is_judged_by_the_rule_of_the_run_and_has_no_cross_fitted_cost():
    predictions = predictions_of_float_model(np.random.default_rng(3), separation=6.0, folds=1)
    # The two classes stay apart, but all scores are below the run's band.
    shifted = scores(predictions.float_scores[:, 1] * 0.39)
    gate = gate_with(predictions, shifted)
    assessment = gate.assess("onnx", LADDER[0])
    assert assessment.rule == predictions.float_rule
    assert assessment.figures["lost_positives"] >= BLASTS - 1
    assert gate.cross_fitted_cost("onnx", LADDER) == HOLDOUT


def test_folds_that_leave_one_class_only_have_no_cross_fitted_cost_and_say_why():
    predictions = predictions_of_float_model(np.random.default_rng(4), separation=6.0)
    by_class = replace(predictions, folds=predictions.truth + 1)
    gate = gate_with(by_class, by_class.float_scores)
    assessment = gate.assess("onnx", LADDER[0])
    assert (assessment.figures["lost_positives"], assessment.rule) == (0, RULE)
    reason = str(gate.cross_fitted_cost("onnx", LADDER))
    assert "without fold 1 all images are on one side" in reason


def test_a_rule_cannot_be_fitted_on_one_class_only():
    predictions = predictions_of_float_model(np.random.default_rng(4))
    blasts = np.flatnonzero(predictions.is_positive)
    with pytest.raises(ExportError, match="all images are on one side") as caught:
        predictions.fit_rule(blasts, predictions.float_scores[blasts])
    assert "--no-gate" in str(caught.value.fix)


def test_the_cross_fitted_cost_skips_a_recipe_that_cannot_be_scored():
    predictions = predictions_of_float_model(np.random.default_rng(5), separation=6.0)

    def fold_scores(format_name: str, recipe: Recipe, fold: int) -> np.ndarray:
        if recipe == LADDER[0]:
            raise ExportError("fold 1: scores that are not finite numbers")
        return predictions.float_scores[predictions.folds == fold]

    gate = Gate(predictions, fold_scores, "int8", Budget())
    with pytest.raises(ExportError, match="not finite"):
        gate.assess("onnx", LADDER[0])
    assert gate.assess("onnx", LADDER[1]).passed
    assert gate.cross_fitted_cost("onnx", LADDER)["recipes"] == [LADDER[1].name] * FOLDS
    assert "no recipe could be judged" in gate.cross_fitted_cost("onnx", LADDER[:1])


def test_a_budget_includes_its_limits():
    budget = Budget(0.005, 0.025)
    assert budget.passes({"auc_drop": 0.005, "lost_positives": 1, "float_positives": 40})
    assert budget.passes({"auc_drop": -0.1, "lost_positives": 0, "float_positives": 0})
    assert not budget.passes({"auc_drop": 0.0051, "lost_positives": 0, "float_positives": 40})
    assert not budget.passes({"auc_drop": 0.0, "lost_positives": 2, "float_positives": 40})


def test_the_band_that_ships_reaches_as_far_as_scores_moved_and_the_figures_do_not_use_it():
    predictions = predictions_of_float_model(np.random.default_rng(3), separation=2.0)
    moved = np.clip(predictions.float_scores + np.array([0.1, -0.1], np.float32), 0.001, 0.999)
    moved[::2] = predictions.float_scores[::2]  # a fitted rule cannot undo a shift of every other
    assessment = gate_with(predictions, moved).assess("onnx", LADDER[0])
    band, rule = assessment.figures["band"], assessment.rule.thresholds
    rows = np.arange(len(predictions.truth))
    fitted = predictions.fit_rule(rows, moved).thresholds
    assert band["shift"] > 0.01
    float_p = predictions.calibrated(predictions.float_scores, predictions.float_rule)
    artifact_p = predictions.calibrated(moved, assessment.rule)
    shift = odds_shift(float_p, artifact_p, rule.threshold)
    odds = log_odds(np.array(rule.threshold))
    low, high = 1 / (1 + np.exp(shift - odds)), 1 / (1 + np.exp(-shift - odds))
    assert rule.band[0] == pytest.approx(min(fitted.band[0], low), abs=1e-5)
    assert rule.band[1] == pytest.approx(max(fitted.band[1], high), abs=1e-5)
    assert band["shift"] == pytest.approx(max(high - rule.threshold, rule.threshold - low))
    assert rule.band != fitted.band
    assert band["to_review"] > band["to_review_fitted"]


def test_a_shift_is_measured_on_the_images_near_the_threshold():
    float_p = np.concatenate([np.full(30, 0.5), np.full(90, 0.01)])
    artifact_p = np.concatenate([np.full(30, 0.6), np.full(90, 0.2)])
    assert odds_shift(float_p, artifact_p, 0.5) == pytest.approx(log_odds(0.6))


def test_a_shift_of_few_images_near_the_threshold_is_the_largest_of_the_nearest():
    float_p = np.concatenate([np.full(3, 0.5), np.full(17, 0.1), np.full(90, 0.001)])
    artifact_p = np.concatenate([np.full(3, 0.55), np.full(17, 0.05), np.full(90, 0.1)])
    moved = log_odds(0.1) - log_odds(0.05)
    assert odds_shift(float_p, artifact_p, 0.5) == pytest.approx(moved)


def test_a_shift_of_saturated_scores_is_not_taken_for_none():
    float_p, artifact_p = np.full(20, 0.9999), np.full(20, 0.9998)
    assert np.abs(float_p - artifact_p).max() < 0.001
    assert odds_shift(float_p, artifact_p, 0.5) == pytest.approx(0.693, abs=0.001)


def log_odds(p):
    return np.log(p / (1 - p))


@pytest.mark.parametrize(("lost", "positives"), [(0, 39), (1, 39), (0, 0)])
def test_losses_are_a_rate_with_its_interval(lost, positives):
    rate = lost_rate({"lost_positives": lost, "float_positives": positives})
    if not positives:
        assert (rate["value"], rate["low"], rate["high"]) == (None, 0, 1)
        return
    assert rate["value"] == pytest.approx(lost / positives, abs=1e-6)
    assert rate["low"] <= rate["value"] <= rate["high"]
    assert rate["none_seen_up_to"] == pytest.approx(0.0897, abs=1e-3)
