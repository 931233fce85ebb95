"""The gate on hand-made scores: what it must refuse, and what it must not look at."""

import numpy as np
import pytest

from alledge.errors import ExportError
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.gate.accuracy_gate import HOLDOUT, Budget, Gate
from alledge.export.gate.held_out import HeldOut, fit_decision_rule
from alledge.export.source_run import DecisionRule
from alledge.runtime.metrics.decisions import Thresholds

HEALTHY, BLASTS, FOLDS = 59, 49, 5  # as many as ALL-IDB1 has
LABELS, POSITIVES = ["healthy", "blast"], ["blast"]
READING = DecisionRule(1.0, Thresholds(0.5, (0.4, 0.6)))
LADDER = (Recipe(), Recipe(float_layers=4))


def scores(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def predicted(rng: np.random.Generator, sure: float = 3.0, folds: int = FOLDS) -> HeldOut:
    """Scores of a float model that errs now and then."""
    truth = np.array([0] * HEALTHY + [1] * BLASTS)
    number = np.concatenate([np.arange(HEALTHY), np.arange(BLASTS)]) % folds + 1
    z = np.where(truth == 1, sure, -sure) + rng.normal(0, 1.5, len(truth))
    groups = np.arange(len(truth))
    real = scores(1 / (1 + np.exp(-z)))
    return HeldOut(LABELS, POSITIVES, truth, number, real, groups, READING)


def gate_of(held: HeldOut, *made: np.ndarray, budget: Budget = Budget()) -> Gate:  # noqa: B008
    """A gate whose recipes have these scores, in the order of the ladder."""
    by_recipe = dict(zip(LADDER, made, strict=False))

    def said(form: str, recipe: Recipe, fold: int) -> np.ndarray:
        return by_recipe[recipe][held.folds == fold]

    return Gate(held, said, "int8", budget)


def test_an_artifact_that_loses_one_blast_is_refused():
    held = predicted(np.random.default_rng(1), sure=6.0)
    made = held.real.copy()
    made[-1] = 0.9999, 0.0001
    gate = gate_of(held, made, budget=Budget(auc_drop=1.0))
    tried = []
    assert list(gate.passing("onnx", LADDER[:1], tried)) == []
    assert tried[0]["lost_positives"] == 1
    assert not tried[0]["passed"]


@pytest.mark.parametrize("seed", range(5))
def test_random_scores_are_refused(seed):
    rng = np.random.default_rng(seed)
    held = predicted(rng)
    gate = gate_of(held, scores(rng.uniform(size=len(held.truth))))
    assert list(gate.passing("onnx", LADDER[:1], [])) == []


def test_random_scores_can_lose_positives():
    """A threshold fitted on the very scores it judges would never lose one of so few."""
    lost = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        held = predicted(rng)
        row, _ = gate_of(held, scores(rng.uniform(size=len(held.truth)))).judged("onnx", LADDER[0])
        lost.append(row["lost_positives"])
    assert max(lost) > 0


@pytest.mark.parametrize("sure", [1.0, 3.0, 6.0])
def test_an_artifact_that_is_the_float_model_is_never_refused(sure):
    for seed in range(5):
        held = predicted(np.random.default_rng(seed), sure)
        row, reading = gate_of(held, held.real).judged("onnx", LADDER[0])
        assert (row["lost_positives"], row["auc_drop"], row["agreement"]) == (0, 0.0, 1.0)
        assert reading == fit_decision_rule(held.truth, held.real, LABELS, POSITIVES)


@pytest.mark.parametrize("fold", range(1, FOLDS + 1))
def test_a_fold_s_scores_have_no_part_in_the_recipe_and_reading_it_is_judged_by(fold):
    rng = np.random.default_rng(7)
    held = predicted(rng)
    ruined = held.real.copy()
    ruined[held.truth == 1] = scores(rng.uniform(size=BLASTS))
    others = [other for other in range(1, FOLDS + 1) if other != fold]
    before = gate_of(held, ruined, held.real)._choose("onnx", LADDER, others)
    assert before[0] == LADDER[1]
    here = held.folds == fold
    mine = scores(rng.uniform(size=int(here.sum())))
    for made in (ruined, held.real):
        made[here] = mine
    after = gate_of(held, ruined, held.real)._choose("onnx", LADDER, others)
    assert after == before


def test_a_cross_fitted_cost_is_of_the_choice_and_names_what_each_fold_was_judged_by():
    held = predicted(np.random.default_rng(2), sure=6.0)
    ruined = scores(np.full(len(held.truth), 0.5))
    cost = gate_of(held, ruined, held.real).cross_fitted_cost("onnx", LADDER)
    assert cost["recipes"] == [LADDER[1].name] * FOLDS
    assert (cost["images"], cost["max_dp"], cost["lost_positives"]) == (108, 0.0, 0)


def test_a_holdout_is_judged_at_the_run_s_own_reading_and_has_no_cross_fitted_cost():
    held = predicted(np.random.default_rng(3), sure=6.0, folds=1)
    shifted = scores(held.real[:, 1] * 0.39)  # parts both sides as well, below the run's band
    gate = gate_of(held, shifted)
    row, reading = gate.judged("onnx", LADDER[0])
    assert reading == held.reading
    assert row["lost_positives"] >= BLASTS - 1
    assert gate.cross_fitted_cost("onnx", LADDER) == HOLDOUT


def test_folds_that_leave_one_side_only_have_no_cross_fitted_cost_and_say_why():
    held = predicted(np.random.default_rng(4), sure=6.0)
    apart = HeldOut(
        LABELS, POSITIVES, held.truth, held.truth + 1, held.real, held.groups, held.reading
    )
    gate = gate_of(apart, apart.real)
    row, reading = gate.judged("onnx", LADDER[0])
    assert (row["lost_positives"], reading) == (0, READING)
    assert "without fold 1 all images are on one side" in str(
        gate.cross_fitted_cost("onnx", LADDER)
    )


def test_a_reading_of_one_side_only_is_refused():
    with pytest.raises(ExportError, match="all images are on one side") as caught:
        fit_decision_rule(np.ones(4, int), scores(np.linspace(0.1, 0.9, 4)), LABELS, POSITIVES)
    assert "--no-gate" in str(caught.value.fix)


def test_a_recipe_that_cannot_be_scored_is_a_row_and_the_next_is_tried():
    held = predicted(np.random.default_rng(5), sure=6.0)

    def said(form: str, recipe: Recipe, fold: int) -> np.ndarray:
        if recipe == LADDER[0]:
            raise ExportError("fold 1: scores that are no finite numbers")
        return held.real[held.folds == fold]

    gate, tried = Gate(held, said, "int8", Budget()), []
    assert [recipe for recipe, *_ in gate.passing("onnx", LADDER, tried)] == [LADDER[1]]
    assert "no finite numbers" in tried[0]["error"]
    cost = gate.cross_fitted_cost("onnx", LADDER)
    assert cost["recipes"] == [LADDER[1].name] * FOLDS
    assert "no recipe could be judged" in gate.cross_fitted_cost("onnx", LADDER[:1])


def test_a_budget_is_a_limit_not_a_target():
    budget = Budget(0.005, 1)
    assert budget.passes({"auc_drop": 0.005, "lost_positives": 1})
    assert budget.passes({"auc_drop": -0.1, "lost_positives": 0})
    assert not budget.passes({"auc_drop": 0.0051, "lost_positives": 0})
    assert not budget.passes({"auc_drop": 0.0, "lost_positives": 2})
