"""Comparison of an artifact with the float model, and the verdict on it."""

import numpy as np
import pytest

from alledge.export.convert.capabilities import GATED
from alledge.export.gate.parity import (
    FAIL,
    NOT_INFORMATIVE,
    OUT_OF_FOLD,
    PASS,
    TOLERANCES,
    compare,
    coverage,
    cpu_features,
    judge,
    pool_comparisons,
)
from alledge.export.types import DecisionRule
from alledge.runtime.metrics.decisions import Thresholds

LABELS, POSITIVES = ["healthy", "blast"], ["blast"]
RULE = DecisionRule(1.0, Thresholds(0.5, (0.4, 0.6)))


def scores(*p: float) -> np.ndarray:
    return np.array([[1 - value, value] for value in p], np.float32)


def compared(float_scores: np.ndarray, artifact_scores: np.ndarray, rule=RULE) -> dict:
    return compare(float_scores, artifact_scores, RULE, rule, LABELS, POSITIVES)


def test_a_positive_below_the_band_is_lost_and_one_inside_goes_to_review():
    row = compared(scores(0.9, 0.55, 0.1, 0.52), scores(0.39, 0.45, 0.1, 0.95))
    assert (row["lost_positives"], row["to_review"]) == (1, 1)
    assert row["agreement"] == 0.5
    assert row["max_dp"] == pytest.approx(0.51)


def test_a_false_alarm_that_is_not_repeated_is_no_lost_positive():
    float_scores, artifact_scores = scores(0.9, 0.9), scores(0.1, 0.1)
    is_positive = np.array([True, False])
    row = compare(float_scores, artifact_scores, RULE, RULE, LABELS, POSITIVES, is_positive)
    assert row["lost_positives"] == 1


def test_the_threshold_of_the_artifact_decides_its_labels():
    shifted = DecisionRule(1.0, Thresholds(0.3, (0.25, 0.35)))
    row = compared(scores(0.9, 0.1), scores(0.39, 0.2), shifted)
    assert row["lost_positives"] == 0
    assert row["agreement"] == 1.0


def test_several_positive_labels_are_one_probability():
    labels, positives = ["benign", "early", "pre"], ["early", "pre"]
    float_scores = np.array([[0.4, 0.4, 0.2]], np.float32)
    artifact_scores = np.array([[0.4, 0.2, 0.4]], np.float32)
    row = compare(float_scores, artifact_scores, RULE, RULE, labels, positives)
    assert row["max_dp"] == pytest.approx(0.0, abs=1e-6)
    assert row["agreement"] == 0.0  # early is not pre
    assert row["lost_positives"] == 0


def test_scores_of_random_weights_are_not_informative():
    flat = scores(*[0.499] * 32)
    covered = coverage(flat, RULE, LABELS, POSITIVES)
    assert not covered["informative"]
    assert judge("float32", compared(flat, flat), covered)["verdict"] == NOT_INFORMATIVE


def test_scores_far_from_the_threshold_are_not_informative():
    far = scores(*[0.001] * 16, *[0.999] * 16)
    assert not coverage(far, RULE, LABELS, POSITIVES)["informative"]


@pytest.mark.parametrize("precision", TOLERANCES)
def test_the_verdict_fails_above_the_tolerance_of_the_precision(precision):
    float_scores = scores(*np.linspace(0.05, 0.95, 32))
    covered = coverage(float_scores, RULE, LABELS, POSITIVES)
    row = compared(float_scores, float_scores)
    assert judge(precision, row, covered)["verdict"] == PASS
    limit = TOLERANCES[precision]
    assert judge(precision, {**row, "mean_dp": limit.mean_dp * 1.01}, covered)["verdict"] == FAIL
    assert judge(precision, {**row, "max_dp": limit.max_dp * 1.01}, covered)["verdict"] == FAIL


def test_tolerances_grow_with_the_loss_of_information():
    order = [TOLERANCES[name] for name in ("float32", "float16", "int8")]
    assert order == sorted(order, key=lambda row: (row.max_dp, row.mean_dp))


def test_the_cpu_is_named():
    assert cpu_features()["machine"]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_score_that_is_not_finite_gives_the_worst_figures(broken):
    float_scores, artifact_scores = scores(0.9, 0.8, 0.1), scores(0.9, 0.8, 0.1)
    artifact_scores[2] = broken
    row = compared(float_scores, artifact_scores)
    assert row == {
        "max_dp": 1.0,
        "mean_dp": 1.0,
        "agreement": 0.0,
        "lost_positives": 2,
        "to_review": 0,
        "float_positives": 2,
    }
    for precision in TOLERANCES:
        verdict = judge(precision, row, coverage(float_scores, RULE, LABELS, POSITIVES))["verdict"]
        assert verdict == FAIL


def test_comparisons_are_pooled_by_their_number_of_images():
    rows = [
        compared(scores(0.9, 0.1, 0.1), scores(0.9, 0.1, 0.4)),
        compared(scores(0.9), scores(0.1)),
    ]
    both = compared(scores(0.9, 0.1, 0.1, 0.9), scores(0.9, 0.1, 0.4, 0.1))
    assert pool_comparisons(rows, [3, 1]) == pytest.approx(both, abs=1e-5)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_verdict_on_references_says_that_no_gate_was_evaluated(precision):
    float_scores = scores(*np.linspace(0.05, 0.95, 32))
    covered = coverage(float_scores, RULE, LABELS, POSITIVES)
    row = judge(precision, compared(float_scores, float_scores), covered)
    assert row["gate"] == ("not evaluated" if precision in GATED else None)
    gated = judge(precision, compared(float_scores, float_scores), covered, OUT_OF_FOLD)
    assert gated["gate"] == ("passed" if precision in GATED else None)
