"""The mean of two models beside the better of the two, on the same cells and fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alledge.runtime.cells.settings import CellSettings
from alledge.train.data.cells.field_split import split_cells
from alledge.train.study.ensembles import calibrated, compare_ensembles
from alledge.train.study.options import StudyOptions
from alledge.train.study.plan import Plan
from alledge.train.study.pooled_sections import FoldScores
from support.cell_examples import FieldPlan, cell_examples


@pytest.fixture(scope="module")
def plan() -> Plan:
    ill = [
        FieldPlan(f"ill{n}", "blast", ("blast", "blast", "healthy"), camera="AB"[n % 2])
        for n in range(20)
    ]
    well = [FieldPlan(f"well{n}", "healthy", ("healthy",) * 3, camera="A") for n in range(20)]
    examples = cell_examples([*ill, *well])
    splits = {kind: split_cells(examples, kind, 3, 0) for kind in ("grouped", "camera")}
    options = StudyOptions(Path("data"), ("vgg16", "vgg19"), {}, cells=CellSettings())
    return Plan(options, examples, splits, {})


def scores_with_errors(plan: Plan, split: str, wrong: np.ndarray) -> list[FoldScores]:
    """Return sure scores that are right but for some cells, which are wrong and not sure."""
    truth = plan.examples.truth
    right_score = np.where(wrong, 0.4, 0.95)
    rows = np.stack([np.where(truth == label, right_score, 1 - right_score) for label in (0, 1)], 1)
    return [
        {"images": fold.test.tolist(), "scores": rows[fold.test].tolist()}
        for fold in plan.splits[split].folds
    ]


def test_models_that_err_on_other_cells_are_better_together(plan: Plan) -> None:
    number = np.arange(len(plan.examples.truth))
    fits = {
        model: scores_with_errors(plan, "grouped", number % 4 == rest)
        for model, rest in (("vgg16", 0), ("vgg19", 1))
    }
    (ensembles,) = compare_ensembles(plan, "grouped", fits).values()
    (pair,) = ensembles["examples"]
    assert pair["ensemble_right"] == pair["of"] == len(number)
    assert pair["only_better_right"] == 0
    assert pair["p_holm"] < 0.001
    assert len(ensembles["fields"]) == 1
    verdict = ensembles["verdict"]
    assert "Cells: better in 1 of 1 pairs (VGG16 with VGG19, 120 of 120 right" in verdict
    assert "Fields: better in" in verdict


def test_the_mean_of_equal_models_changes_nothing(plan: Plan) -> None:
    number = np.arange(len(plan.examples.truth))
    same = scores_with_errors(plan, "camera", number % 4 == 0)
    of_cameras = compare_ensembles(plan, "camera", {"vgg16": same, "vgg19": same})
    assert set(of_cameras) == {"A", "B"}
    for ensembles in of_cameras.values():
        (pair,) = ensembles["examples"]
        assert pair["only_ensemble_right"] == pair["only_better_right"] == 0
        assert pair["p"] == 1
        assert "better in 0 of 1 pairs, worse in 0." in ensembles["verdict"]


def test_one_model_is_no_ensemble(plan: Plan) -> None:
    number = np.arange(len(plan.examples.truth))
    assert (
        compare_ensembles(
            plan, "grouped", {"vgg16": scores_with_errors(plan, "grouped", number < 0)}
        )
        == {}
    )


@pytest.mark.parametrize("split", ["grouped", "camera"])
def test_the_temperature_of_a_fold_does_not_come_from_its_own_scores(
    plan: Plan, split: str
) -> None:
    """Of a camera that is left out, it comes from the other direction."""
    number = np.arange(len(plan.examples.truth))
    fits = scores_with_errors(plan, split, number % 4 == 0)
    folds = plan.splits[split].folds
    same_way = [at for at, fold in enumerate(folds) if fold.camera == folds[0].camera]
    changed = [
        {"images": fit["images"], "scores": (1 - np.array(fit["scores"])).tolist()}
        if at == 0 or (split == "camera" and at in same_way)
        else fit
        for at, fit in enumerate(fits)
    ]
    before, after = (calibrated(plan, split, rows)[0]["scores"] for rows in (fits, changed))
    assert np.array(after) == pytest.approx(1 - np.array(before))
