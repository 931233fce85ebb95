"""Metrics and intervals: against known values, against scikit-learn, and their properties."""

import json
import math
from importlib import resources

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from alledge.runtime.metrics import metrics

LABELS, POSITIVE = ("healthy", "blast"), ("blast",)


@pytest.fixture(scope="module")
def noisy() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    truth = random.integers(0, 2, 120)
    return truth, np.round(1 / (1 + np.exp(-(random.normal(size=120) + 1.5 * truth))), 1)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(22, 22, 0.851, 1.0), (0, 10, 0.0, 0.278), (92, 108, 0.773, 0.907), (81, 263, 0.255, 0.366)],
)
def test_wilson_gives_the_published_intervals(
    successes: int, total: int, low: float, high: float
) -> None:
    assert metrics.wilson(successes, total) == pytest.approx((low, high), abs=6e-4)


def test_wilson_interval_of_no_trial_is_zero_to_one() -> None:
    assert metrics.wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 400), st.data())
def test_wilson_holds_its_proportion_and_mirrors(total: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, total))
    low, high = metrics.wilson(successes, total)
    assert 0 <= low <= successes / total <= high <= 1
    assert metrics.wilson(total - successes, total) == pytest.approx((1 - high, 1 - low))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_order_with_ties_half(rows: list[tuple[bool, int]]) -> None:
    above = [score for ill, score in rows if ill]
    below = [score for ill, score in rows if not ill]
    area = metrics.auc([ill for ill, _ in rows], [score for _, score in rows])
    if not above or not below:
        assert math.isnan(area)
        return
    pairs = [(a > b) + 0.5 * (a == b) for a in above for b in below]
    assert area == pytest.approx(np.mean(pairs))


def test_figures_agree_with_scikit_learn(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    truth, p = noisy
    scores = np.column_stack([1 - p, p])
    summary = metrics.summarize(truth, scores, LABELS, POSITIVE, 0.5, np.arange(120))
    predicted = (p >= 0.5).astype(int)
    report = sk.classification_report(truth, predicted, target_names=LABELS, output_dict=True)
    assert summary["auc"]["value"] == pytest.approx(sk.roc_auc_score(truth, p))
    assert summary["brier"] == pytest.approx(sk.brier_score_loss(truth, p))
    assert summary["mse"] == pytest.approx(summary["brier"])
    assert summary["log_loss"] == pytest.approx(sk.log_loss(truth, np.clip(p, 1e-7, 1 - 1e-7)))
    assert summary["confusion"]["counts"] == sk.confusion_matrix(truth, predicted).tolist()
    for label in LABELS:
        ours = summary["per_class"][label]
        assert ours["precision"]["value"] == pytest.approx(report[label]["precision"])
        assert ours["recall"]["value"] == pytest.approx(report[label]["recall"])
        assert ours["f1"] == pytest.approx(report[label]["f1-score"])
        assert ours["support"] == report[label]["support"]
    for ours, theirs in (("macro", "macro avg"), ("weighted", "weighted avg")):
        assert summary[ours]["f1"] == pytest.approx(report[theirs]["f1-score"])
        assert summary[ours]["precision"] == pytest.approx(report[theirs]["precision"])


def test_bootstrap_draws_groups_and_is_wider_for_copies(
    noisy: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, p = noisy
    low, high = metrics.bootstrap_auc(truth, p, np.arange(120), seed=1)
    assert low < metrics.auc(truth, p) < high
    copies = np.tile(np.arange(120), 4)
    copied = metrics.bootstrap_auc(np.tile(truth, 4), np.tile(p, 4), copies, seed=1)
    assert copied == pytest.approx((low, high))  # four copies of a group are no more than one
    loose = metrics.bootstrap_auc(np.tile(truth, 4), np.tile(p, 4), np.arange(480), seed=1)
    assert loose[1] - loose[0] < 0.7 * (high - low)


def test_the_interval_of_a_perfect_auc_has_a_width() -> None:
    truth = [0] * 59 + [1] * 49
    low, high = metrics.bootstrap_auc(truth, truth, np.arange(108), seed=0)
    assert (low, high) == (pytest.approx(0.963, abs=1e-3), 1.0)
    fewer = metrics.bootstrap_auc([0] * 12 + [1] * 10, [0] * 12 + [1] * 10, range(22), seed=0)
    assert fewer[0] < low
    worst = metrics.bootstrap_auc(truth, [-t for t in truth], np.arange(108), seed=0)
    assert worst == (0.0, pytest.approx(1 - low))


def test_paired_difference_of_a_score_with_itself_is_zero(
    noisy: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, p = noisy
    assert metrics.paired_auc_difference(truth, p, p, np.arange(120), seed=3) == (0, 0, 0)
    difference, low, high = metrics.paired_auc_difference(truth, truth, p, np.arange(120), seed=3)
    assert difference == pytest.approx(1 - metrics.auc(truth, p))
    assert 0 < low < difference < high


def test_ece_of_calibrated_and_of_overconfident_scores() -> None:
    truth = np.array([0] * 3 + [1] * 7)
    honest = np.tile([0.3, 0.7], (10, 1))
    boastful = np.tile([0.0, 1.0], (10, 1))
    assert metrics.ece(truth, honest) == pytest.approx(0, abs=1e-12)
    assert metrics.ece(truth, boastful) == pytest.approx(0.3)


def test_several_positive_labels_are_one_side_of_the_threshold() -> None:
    labels, positive = ("benign", "early", "pre", "pro"), ("early", "pre", "pro")
    scores = np.array([[0.4, 0.2, 0.3, 0.1], [0.7, 0.1, 0.1, 0.1]])
    assert metrics.positive_score(scores, labels, positive) == pytest.approx([0.6, 0.3])
    assert metrics.assign_labels(scores, labels, positive, 0.5).tolist() == [2, 0]
    assert metrics.assign_labels(scores, labels, positive, 0.7).tolist() == [0, 0]
    assert metrics.assign_labels(scores, labels, positive, 0.3).tolist() == [2, 1]


def test_the_summary_obeys_its_schema_if_a_camera_has_one_class() -> None:
    truth = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    cameras = ["a", "a", "a", "b"]
    summary = metrics.summarize(truth, scores, LABELS, POSITIVE, 0.5, range(4), cameras)
    text = resources.files("alledge.runtime").joinpath("schemas/metrics.json").read_text("utf-8")
    schema = json.loads(text)
    jsonschema.validate(
        json.loads(json.dumps(summary, allow_nan=False)),
        {"$ref": "#/$defs/summary", "$defs": schema["$defs"]},
    )
    alone = summary["cameras"]["b"]
    assert alone["auc"] is None
    assert alone["specificity"] is None
    assert alone["sensitivity"]["value"] == 0
    assert summary["cameras"]["a"]["auc"]["value"] == 1
