"""Fields are judged by their cells, each by a rule that was fitted without it."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from alledge.runtime.cells.field_rule import field_features
from alledge.runtime.cells.results import judge_cells, judge_field
from alledge.runtime.cells.types import Cell
from alledge.runtime.metrics.decisions import Thresholds, apply_temperature
from alledge.train.data.cells.field_split import split_cells
from alledge.train.data.cells.unknown_cells import known_cells
from alledge.train.data.split_types import Split
from alledge.train.runs.cross_fitting import FittedRule, cross_fit, fit_decision_rule
from alledge.train.runs.field_directions import field_directions
from alledge.train.runs.field_fitting import (
    count_cells_of_fields,
    cross_fit_fields,
    fit_field_judge,
    judge_fields,
)
from alledge.train.runs.field_rule_fitting import fit_field_rule
from alledge.train.runs.field_table import FieldTable, counted_cells, field_table
from alledge.train.runs.run_folder import Predictions
from alledge.train.runs.run_metrics import gather_predictions
from support.cell_examples import FieldPlan, cell_examples

LABELS, POSITIVE = ("healthy", "blast"), ("blast",)
RULE = FittedRule(2.0, 0.5, (0.4, 0.6), reached=True)


def predictions_of(plans: list[FieldPlan], folds: int = 3, noise: float = 1.0) -> tuple:
    """Return a table of fields and predictions of its cells: blasts have high scores."""
    examples = cell_examples(plans)
    rng = np.random.default_rng(1)
    labels = examples.dataset.labels
    logits = np.where(examples.truth == labels.index("blast"), 3.0, -3.0)
    p = 1 / (1 + np.exp(-(logits + rng.normal(0, noise, len(logits)))))
    scores = np.stack([1 - p, p], axis=1)
    if "other" in labels:
        is_other = examples.truth == labels.index("other")
        scores = np.column_stack([scores * 0.9, np.full(len(p), 0.1)])
        scores[is_other] = (0.05, 0.05, 0.9)
    field_fold = examples.field_index % folds + 1
    return field_table(examples), Predictions(
        images=examples.names,
        groups=examples.groups,
        cameras=examples.cameras,
        folds=field_fold,
        truth=examples.truth,
        scores=scores,
        counted=counted_cells(examples),
        known=known_cells(examples),
    )


def plans(count: int = 12) -> list[FieldPlan]:
    ill = [FieldPlan(f"ill{n}", "blast", ("blast",) * (1 + n % 4) + ("healthy",), "AB"[n % 2])
           for n in range(count)]  # fmt: skip
    well = [FieldPlan(f"well{n}", "healthy", ("healthy",) * (1 + n % 3)) for n in range(count)]
    return [*ill, *well]


@pytest.fixture(scope="module")
def judged_cells() -> tuple[FieldTable, Predictions]:
    return predictions_of(plans())


def test_the_rule_is_a_penalised_logistic_regression_on_standardised_features() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2 == 0
    fields = [rng.beta(2 + 3 * ill, 5, size=1 + index % 5) for index, ill in enumerate(truth)]
    features = np.array([field_features(p) for p in fields])
    spread = features.std(axis=0)
    peer = LogisticRegression(C=1.0, tol=1e-10).fit(features / spread, truth)
    rule = fit_field_rule(fields, truth)
    assert (peer.coef_ > 0).all()
    assert (rule.largest, rule.total) == pytest.approx(tuple(peer.coef_[0] / spread), abs=1e-3)
    assert rule.bias == pytest.approx(peer.intercept_[0], abs=1e-2)


def test_no_weight_of_the_rule_is_negative() -> None:
    """Healthy fields with many doubtful cells would make the evidence a sign of health."""
    ill = [np.array([0.9 - 0.01 * n]) for n in range(10)]
    well = [np.full(30, 0.6 + 0.01 * n) for n in range(10)]
    rule = fit_field_rule([*ill, *well], [True] * 10 + [False] * 10)
    assert rule.largest > 0
    assert rule.total == 0
    assert rule.probability([0.9, 0.9]) >= rule.probability([0.9])


def test_a_rule_needs_fields_of_both_classes_with_leucocytes() -> None:
    assert fit_field_rule([[0.9], []], [True, False]) is None
    assert fit_field_rule([[0.9], [], [0.2]], [True, False, False]) is not None


def test_threshold_and_band_separate_the_fields() -> None:
    rule = fit_field_rule([[0.1], [0.2, 0.1], [0.9], [0.3, 0.8]], [False, False, True, True])
    low, high = rule.band
    assert rule.probability([0.2, 0.1]) < low < rule.threshold < high < rule.probability([0.9])


def test_a_field_is_judged_as_the_device_judges_it() -> None:
    table, cells = predictions_of(
        [FieldPlan("a", "blast", ("blast", "other", "blast~", "healthy", "blast!", "healthy!")),
         FieldPlan("b", "healthy", ("other",)), FieldPlan("c", "healthy", ("healthy",))]
    )  # fmt: skip
    labels = ("healthy", "blast", "other")
    judge = fit_field_judge(cells, table, labels, POSITIVE, cells=RULE)
    assert judge is not None
    everything = [(np.ones(len(cells.images), dtype=bool), judge)]
    judged = judge_fields(cells, table, everything, labels, POSITIVE)
    flags = [(), (), ("smudge",), (), ("clipped",), ("clipped",), (), ()]
    results = judge_cells(
        [Cell(0, 0, 5, own) for own in flags],
        apply_temperature(cells.scores, RULE.temperature),
        labels,
        POSITIVE,
        Thresholds(RULE.threshold, RULE.band),
    )
    own = {"a": results[:6], "b": results[6:7], "c": results[7:]}
    for index, name in enumerate(table.names):
        verdict = judge_field(own[name], judge.field, labels, POSITIVE)
        expected = np.nan if verdict.probability is None else verdict.probability
        assert judged.probability[index] == pytest.approx(expected, nan_ok=True)
        assert judged.leucocytes[index] == verdict.counts.leucocytes
        assert judged.blasts[index] == verdict.counts.blasts
    assert judged.leucocytes.tolist() == [4, 0, 1]
    assert np.isnan(judged.probability[1])


def test_cells_without_a_truth_count_for_the_field_and_not_against_the_true_blasts() -> None:
    field = [FieldPlan("a", "blast", ("blast", "healthy!"))]
    table, cells = predictions_of(field, noise=0)
    cells = replace(cells, scores=np.array([[0.1, 0.9], [0.1, 0.9]]))
    counts = count_cells_of_fields(cells, table, RULE, LABELS, POSITIVE)
    assert (counts.blasts.tolist(), counts.compared_blasts.tolist()) == ([2], [1])


def test_the_rule_of_a_fold_does_not_depend_on_its_fields(
    judged_cells: tuple[FieldTable, Predictions],
) -> None:
    table, cells = judged_cells
    changed = replace(cells, scores=cells.scores.copy())
    inside = cells.folds == 1
    changed.scores[inside] = cells.scores[inside][:, ::-1]
    thresholds = []
    for own in (cells, changed):
        rule = fit_decision_rule(own, LABELS, POSITIVE)
        judge = fit_field_judge(own, table, LABELS, POSITIVE, cells=rule)
        calibrated = cross_fit(own, LABELS, POSITIVE, rule)
        crossed = cross_fit_fields(own, table, LABELS, POSITIVE, judge, calibrated)
        assert crossed.kind == "cross-fitted"
        thresholds.append(crossed.judged.threshold[crossed.folds == 1])
    assert np.array_equal(*thresholds)
    assert len(set(thresholds[0].tolist())) == 1


def test_one_fold_is_judged_in_sample(judged_cells: tuple[FieldTable, Predictions]) -> None:
    table, cells = judged_cells
    cells = replace(cells, folds=np.ones_like(cells.folds))
    rule = fit_decision_rule(cells, LABELS, POSITIVE)
    judge = fit_field_judge(cells, table, LABELS, POSITIVE, cells=rule)
    calibrated = cross_fit(cells, LABELS, POSITIVE, rule)
    crossed = cross_fit_fields(cells, table, LABELS, POSITIVE, judge, calibrated)
    assert crossed.kind == "in-sample"
    assert (crossed.judged.threshold == judge.field.threshold).all()


def camera_predictions(sharpness: dict[str, float]) -> tuple[FieldTable, Predictions, Split]:
    """Return predictions of a camera split, with logits that differ between its directions."""
    examples = cell_examples(plans())
    split = split_cells(examples, "camera", 3, seed=0)
    rng = np.random.default_rng(2)
    folds = []
    for fold in split.folds:
        is_blast = examples.truth[fold.test] == 1
        logits = np.where(is_blast, 2.0, -2.0) + rng.normal(0, 1, len(is_blast))
        p = 1 / (1 + np.exp(-sharpness[fold.camera] * logits))
        scores = np.stack([1 - p, p], axis=1).tolist()
        folds.append({"number": fold.number, "images": fold.test.tolist(), "scores": scores})
    return field_table(examples), gather_predictions(examples, split, folds), split


def test_each_direction_reports_the_fields_of_its_camera() -> None:
    table, cells, split = camera_predictions({"A": 1.0, "B": 1.0})
    rows = field_directions(cells, split, table, LABELS, POSITIVE)
    assert [(row["tested"], row["trained"], row["specificity_of"]) for row in rows] == [
        ("A", ["B"], ["A"]), ("B", ["A"], ["A"])
    ]  # fmt: skip
    for row in rows:
        assert row["probe"] is None
        assert row["model"]["positives"] == 6
        assert row["model"]["specificity"]["n"] == 12
        assert row["model"]["auc"]["value"] > 0.8
        assert row["model"]["counts"]["fields"] == 18


def test_a_direction_is_judged_by_what_the_other_direction_fitted() -> None:
    """If the networks of one direction are changed, only the rules of the other one change."""
    rows = {}
    for name, sharpness in (("same", 1.0), ("other", 3.0)):
        table, cells, split = camera_predictions({"A": 1.0, "B": sharpness})
        rows[name] = field_directions(cells, split, table, LABELS, POSITIVE)
    thresholds = [rows[name][0]["model"]["threshold"] for name in rows]
    assert thresholds[0] != thresholds[1]
    table, cells, split = camera_predictions({"A": 3.0, "B": 1.0})
    own_changed = field_directions(cells, split, table, LABELS, POSITIVE)
    assert own_changed[0]["model"]["threshold"] == thresholds[0]


def test_without_healthy_fields_in_other_folds_a_direction_has_no_figures() -> None:
    table, cells, split = camera_predictions({"A": 1.0, "B": 1.0})
    one = replace(cells, groups=tuple("all" for _ in cells.groups))
    rows = field_directions(one, split, table, LABELS, POSITIVE)
    assert [row["model"] for row in rows] == [None, None]
