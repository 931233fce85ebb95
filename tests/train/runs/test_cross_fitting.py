"""Figures are read by what other folds fitted, and count an image once; what is exported is not."""

import json
from importlib import resources

import jsonschema
import numpy as np
import pytest

from alledge.runtime.metrics.decisions import apply_temperature
from alledge.runtime.metrics.metrics import Json, log_loss
from alledge.train.runs.cross_fitting import CROSS_FITTED, IN_SAMPLE, cross_fit, fit_decision_rule
from alledge.train.runs.run_folder import Predictions
from alledge.train.runs.run_metrics import decision, measure

LABELS, POSITIVE = ("healthy", "blast"), ("blast",)


def predictions(folds: int = 4, images: int = 80, seed: int = 0, apart: float = 0.7) -> Predictions:
    """Scores that are too sure of themselves, and sometimes wrong."""
    random = np.random.default_rng(seed)
    truth = np.arange(images) % 2
    logit = 6 * random.normal(apart * (2 * truth - 1), 1.0)
    p = 1 / (1 + np.exp(-logit))
    names = tuple(f"{index:03}.png" for index in range(images))
    fold = np.arange(images) // 2 % folds + 1
    return Predictions(names, names, ("camera",) * images, fold, truth, np.column_stack([1 - p, p]))


def fits(of: Predictions) -> list[Json]:
    return [{"number": int(n), "best": {"base": 1}, "seconds": 1.0} for n in np.unique(of.folds)]


def test_a_fold_is_read_by_what_the_others_alone_fit() -> None:
    rows = predictions()
    read = cross_fit(rows, LABELS, POSITIVE, fit_decision_rule(rows, LABELS, POSITIVE))
    assert read.kind == CROSS_FITTED
    assert [row["fold"] for row in read.folds] == [1, 2, 3, 4]
    for row in read.folds:
        inside = rows.folds == row["fold"]
        alone = fit_decision_rule(rows.of(~inside), LABELS, POSITIVE)
        assert {key: alone[key] for key in row if key != "fold"} | {"fold": row["fold"]} == row
        assert set(read.thresholds[inside]) == {alone["threshold"]}
        expected = apply_temperature(rows.scores[inside], alone["temperature"])
        assert np.array_equal(read.scores[inside], expected)


def test_the_figures_of_a_fold_do_not_move_what_it_is_read_by() -> None:
    rows = predictions()
    first = cross_fit(rows, LABELS, POSITIVE, fit_decision_rule(rows, LABELS, POSITIVE))
    rows.scores[rows.folds == 2] = rows.scores[rows.folds == 2][::-1] ** 3
    rows.scores[:] /= rows.scores.sum(axis=1, keepdims=True)
    again = cross_fit(rows, LABELS, POSITIVE, fit_decision_rule(rows, LABELS, POSITIVE))
    readings = [{row["fold"]: row for row in read.folds} for read in (first, again)]
    assert readings[0][2] == readings[1][2]
    assert readings[0][1] != readings[1][1]


def test_calibrated_figures_are_no_better_than_other_folds_make_them() -> None:
    rows = predictions(folds=8, images=32, seed=3)
    settled = fit_decision_rule(rows, LABELS, POSITIVE)
    flattering = log_loss(rows.truth, apply_temperature(rows.scores, settled["temperature"]))
    read = cross_fit(rows, LABELS, POSITIVE, settled)
    metrics = measure(rows, read, LABELS, POSITIVE, fits(rows), seed=0)
    assert metrics["oof"]["log_loss"] == pytest.approx(log_loss(rows.truth, read.scores))
    assert metrics["oof"]["log_loss"] > flattering


def test_a_stated_sensitivity_is_what_the_threshold_is_fitted_for() -> None:
    rows = predictions(images=800, apart=2.0)
    ill = rows.truth == 1
    most, less = (fit_decision_rule(rows, LABELS, POSITIVE, wanted) for wanted in (0.995, 0.98))
    assert less["threshold"] > most["threshold"]
    called = apply_temperature(rows.scores, less["temperature"])[:, 1] >= less["threshold"]
    assert 0.98 <= np.mean(called[ill]) < 0.99  # no higher than it has to be
    read = cross_fit(rows, LABELS, POSITIVE, less, 0.98)
    metrics = measure(rows, read, LABELS, POSITIVE, fits(rows), seed=0)
    said = decision(0.98, less["reached"], metrics)
    assert (said["wanted_sensitivity"], said["reached"]) == (0.98, True)
    assert said["sensitivity"] == np.mean((read.scores[:, 1] >= read.thresholds)[ill])
    assert said["sensitivity"] == pytest.approx(0.98, abs=0.01)


@pytest.mark.parametrize("sided", [False, True])
def test_without_other_folds_to_fit_on_the_figures_are_called_in_sample(sided: bool) -> None:
    rows = predictions(folds=1)
    if sided:  # all blasts are tested in fold 1: the others say nothing of it
        rows.folds[rows.truth == 0] = np.arange((rows.truth == 0).sum()) % 2 + 1
    settled = fit_decision_rule(rows, LABELS, POSITIVE)
    read = cross_fit(rows, LABELS, POSITIVE, settled)
    assert (read.kind, read.folds) == (IN_SAMPLE, [])
    assert set(read.thresholds) == {settled["threshold"]}
    metrics = measure(rows, read, LABELS, POSITIVE, fits(rows), seed=0)
    assert metrics["calibration"] == IN_SAMPLE
    validate(metrics)


def test_the_auc_is_that_of_the_networks_own_scores() -> None:
    rows = predictions()
    read = cross_fit(rows, LABELS, POSITIVE, fit_decision_rule(rows, LABELS, POSITIVE))
    metrics = measure(rows, read, LABELS, POSITIVE, fits(rows), seed=0)
    raw = metrics["uncalibrated"]
    assert metrics["oof"]["auc"] == metrics["operating"]["auc"] == raw["auc"]
    assert metrics["oof"]["cameras"]["camera"]["auc"] == raw["cameras"]["camera"]["auc"]
    assert (
        metrics["oof"]["accuracy"] == raw["accuracy"]
    )  # two labels at 0.5: no temperature moves it
    validate(metrics)


def test_an_image_that_several_folds_test_counts_once_by_its_mean_score() -> None:
    rows = predictions(folds=2, images=8)
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
    read = cross_fit(once, LABELS, POSITIVE, fit_decision_rule(once, LABELS, POSITIVE))
    metrics = measure(twice, read, LABELS, POSITIVE, fits(twice), seed=0)
    assert metrics["oof"]["images"] == metrics["oof"]["accuracy"]["n"] == 8
    assert [row["images"] for row in metrics["folds"]] == [4, 4, 2]
    validate(metrics)


def validate(metrics: Json) -> None:
    text = resources.files("alledge.runtime").joinpath("schemas/metrics.json").read_text("utf-8")
    jsonschema.validate(metrics, json.loads(text))
