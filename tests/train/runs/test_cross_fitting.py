"""Metrics of a run use decision rules of other folds and count each image once."""

import json
from dataclasses import replace
from importlib import resources

import jsonschema
import numpy as np
import pytest

from alledge.runtime.metrics.decisions import apply_temperature
from alledge.runtime.metrics.metrics import Json, log_loss
from alledge.train.runs.cross_fitting import CROSS_FITTED, IN_SAMPLE, cross_fit, fit_decision_rule
from alledge.train.runs.run_folder import Predictions
from alledge.train.runs.run_metrics import decision_record, run_metrics

LABELS, POSITIVE = ("healthy", "blast"), ("blast",)


def predictions(
    fold_count: int = 4, images: int = 80, seed: int = 0, apart: float = 0.7
) -> Predictions:
    """Return overconfident scores, some of them wrong."""
    random = np.random.default_rng(seed)
    truth = np.arange(images) % 2
    logit = 6 * random.normal(apart * (2 * truth - 1), 1.0)
    p = 1 / (1 + np.exp(-logit))
    names = tuple(f"{index:03}.png" for index in range(images))
    fold = np.arange(images) // 2 % fold_count + 1
    return Predictions(names, names, ("camera",) * images, fold, truth, np.column_stack([1 - p, p]))


def folds(rows: Predictions) -> list[Json]:
    return [{"number": int(n), "best": {"base": 1}, "seconds": 1.0} for n in np.unique(rows.folds)]


def test_each_fold_gets_the_rule_fitted_to_the_other_folds_only() -> None:
    rows = predictions()
    calibrated = cross_fit(rows, LABELS, POSITIVE, fit_decision_rule(rows, LABELS, POSITIVE))
    assert calibrated.kind == CROSS_FITTED
    assert list(calibrated.rules) == [1, 2, 3, 4]
    for number, rule in calibrated.rules.items():
        inside = rows.folds == number
        assert rule == fit_decision_rule(rows.select(~inside), LABELS, POSITIVE)
        assert set(calibrated.thresholds[inside]) == {rule.threshold}
        expected = apply_temperature(rows.scores[inside], rule.temperature)
        assert np.array_equal(calibrated.scores[inside], expected)
    metrics = run_metrics(rows, calibrated, LABELS, POSITIVE, folds(rows), seed=0)
    assert metrics["readings"][2] == {"fold": 3, **calibrated.rules[3].to_json()}


def test_the_scores_of_a_fold_do_not_change_its_own_rule() -> None:
    rows = predictions()
    first = cross_fit(rows, LABELS, POSITIVE, fit_decision_rule(rows, LABELS, POSITIVE))
    rows.scores[rows.folds == 2] = rows.scores[rows.folds == 2][::-1] ** 3
    rows.scores[:] /= rows.scores.sum(axis=1, keepdims=True)
    again = cross_fit(rows, LABELS, POSITIVE, fit_decision_rule(rows, LABELS, POSITIVE))
    assert first.rules[2] == again.rules[2]
    assert first.rules[1] != again.rules[1]


def test_cross_fitted_log_loss_is_no_better_than_in_sample_log_loss() -> None:
    rows = predictions(fold_count=8, images=32, seed=3)
    rule = fit_decision_rule(rows, LABELS, POSITIVE)
    in_sample = log_loss(rows.truth, apply_temperature(rows.scores, rule.temperature))
    calibrated = cross_fit(rows, LABELS, POSITIVE, rule)
    metrics = run_metrics(rows, calibrated, LABELS, POSITIVE, folds(rows), seed=0)
    assert metrics["oof"]["log_loss"] == pytest.approx(log_loss(rows.truth, calibrated.scores))
    assert metrics["oof"]["log_loss"] > in_sample


def test_the_threshold_has_the_wanted_sensitivity() -> None:
    rows = predictions(images=800, apart=2.0)
    is_positive = rows.truth == 1
    strict, loose = (fit_decision_rule(rows, LABELS, POSITIVE, wanted) for wanted in (0.995, 0.98))
    assert loose.threshold > strict.threshold
    called = apply_temperature(rows.scores, loose.temperature)[:, 1] >= loose.threshold
    assert 0.98 <= np.mean(called[is_positive]) < 0.99  # not higher than wanted
    calibrated = cross_fit(rows, LABELS, POSITIVE, loose, 0.98)
    metrics = run_metrics(rows, calibrated, LABELS, POSITIVE, folds(rows), seed=0)
    decision = decision_record(0.98, loose.reached, metrics)
    assert (decision["wanted_sensitivity"], decision["reached"]) == (0.98, True)
    assert decision["sensitivity"] == np.mean(
        (calibrated.scores[:, 1] >= calibrated.thresholds)[is_positive]
    )
    assert decision["sensitivity"] == pytest.approx(0.98, abs=0.01)


def test_the_threshold_of_cells_counts_the_blasts_and_that_of_fields_does_not() -> None:
    fields = predictions(images=400, apart=0.5)
    cells = replace(fields, known=np.ones(400, dtype=bool))
    counted = [
        np.sum(apply_temperature(rows.scores, rule.temperature)[:, 1] >= rule.threshold)
        for rows in (fields, cells)
        for rule in [fit_decision_rule(rows, LABELS, POSITIVE)]
    ]
    assert counted[1] == 200 != counted[0]


@pytest.mark.parametrize("one_sided", [False, True])
def test_metrics_are_marked_in_sample_if_other_folds_cannot_fit_a_rule(one_sided: bool) -> None:
    rows = predictions(fold_count=1)
    if one_sided:  # fold 1 tests all blasts: no rule can be fitted to the other folds
        rows.folds[rows.truth == 0] = np.arange((rows.truth == 0).sum()) % 2 + 1
    rule = fit_decision_rule(rows, LABELS, POSITIVE)
    calibrated = cross_fit(rows, LABELS, POSITIVE, rule)
    assert (calibrated.kind, calibrated.rules) == (IN_SAMPLE, {})
    assert set(calibrated.thresholds) == {rule.threshold}
    metrics = run_metrics(rows, calibrated, LABELS, POSITIVE, folds(rows), seed=0)
    assert metrics["calibration"] == IN_SAMPLE
    validate(metrics)


def test_the_auc_is_that_of_the_uncalibrated_scores() -> None:
    rows = predictions()
    calibrated = cross_fit(rows, LABELS, POSITIVE, fit_decision_rule(rows, LABELS, POSITIVE))
    metrics = run_metrics(rows, calibrated, LABELS, POSITIVE, folds(rows), seed=0)
    raw = metrics["uncalibrated"]
    assert metrics["oof"]["auc"] == metrics["operating"]["auc"] == raw["auc"]
    assert metrics["oof"]["cameras"]["camera"]["auc"] == raw["cameras"]["camera"]["auc"]
    assert (
        metrics["oof"]["accuracy"] == raw["accuracy"]
    )  # no temperature moves a score of two labels across 0.5
    validate(metrics)


def test_an_image_that_several_folds_test_counts_once_with_its_mean_score() -> None:
    rows = predictions(fold_count=2, images=8)
    twice = Predictions(
        rows.images + rows.images[:2],
        rows.groups + rows.groups[:2],
        rows.cameras + rows.cameras[:2],
        np.append(rows.folds, [3, 3]),
        np.append(rows.truth, rows.truth[:2]),
        np.vstack([rows.scores, [[0.5, 0.5], [0.25, 0.75]]]),
    )
    once = twice.per_image()
    assert once.images == rows.images
    assert np.array_equal(once.folds, rows.folds)
    assert np.allclose(once.scores[0], (rows.scores[0] + [0.5, 0.5]) / 2)
    assert np.array_equal(once.scores[2:], rows.scores[2:])
    calibrated = cross_fit(once, LABELS, POSITIVE, fit_decision_rule(once, LABELS, POSITIVE))
    metrics = run_metrics(twice, calibrated, LABELS, POSITIVE, folds(twice), seed=0)
    assert metrics["oof"]["images"] == metrics["oof"]["accuracy"]["n"] == 8
    assert [row["images"] for row in metrics["folds"]] == [4, 4, 2]
    validate(metrics)


def validate(metrics: Json) -> None:
    text = resources.files("alledge.runtime").joinpath("schemas/metrics.json").read_text("utf-8")
    jsonschema.validate(metrics, json.loads(text))
