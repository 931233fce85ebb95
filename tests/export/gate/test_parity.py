import numpy as np
import pytest

from alledge.export.convert.capabilities import GATED
from alledge.export.gate.parity import (
    FAIL,
    OUT_OF_FOLD,
    PASS,
    TOLERANCES,
    VAGUE,
    compare,
    coverage,
    cpu,
    judge,
    pooled,
)
from alledge.export.source_run import DecisionRule
from alledge.runtime.metrics.decisions import Thresholds

LABELS, POSITIVES = ["healthy", "blast"], ["blast"]
READING = DecisionRule(1.0, Thresholds(0.5, (0.4, 0.6)))


def scores(*p: float) -> np.ndarray:
    return np.array([[1 - value, value] for value in p], np.float32)


def compared(real: np.ndarray, made: np.ndarray, reading: DecisionRule = READING) -> dict:
    return compare(real, made, READING, reading, LABELS, POSITIVES)


def test_a_positive_below_the_band_is_lost_and_one_inside_goes_to_review():
    row = compared(scores(0.9, 0.55, 0.1, 0.52), scores(0.39, 0.45, 0.1, 0.95))
    assert (row["lost_positives"], row["to_review"]) == (1, 1)
    assert row["agreement"] == 0.5
    assert row["max_dp"] == pytest.approx(0.51)


def test_a_false_alarm_that_is_not_repeated_is_no_lost_positive():
    real, made, ill = scores(0.9, 0.9), scores(0.1, 0.1), np.array([True, False])
    row = compare(real, made, READING, READING, LABELS, POSITIVES, ill)
    assert row["lost_positives"] == 1


def test_an_artifact_is_read_by_its_own_threshold():
    shifted = DecisionRule(1.0, Thresholds(0.3, (0.25, 0.35)))
    row = compared(scores(0.9, 0.1), scores(0.39, 0.2), shifted)
    assert row["lost_positives"] == 0
    assert row["agreement"] == 1.0


def test_several_positive_labels_are_one_probability():
    labels, positives = ["benign", "early", "pre"], ["early", "pre"]
    real = np.array([[0.4, 0.4, 0.2]], np.float32)
    made = np.array([[0.4, 0.2, 0.4]], np.float32)
    row = compare(real, made, READING, READING, labels, positives)
    assert row["max_dp"] == pytest.approx(0.0, abs=1e-6)
    assert row["agreement"] == 0.0  # early is not pre
    assert row["lost_positives"] == 0


def test_random_weights_are_not_informative_never_a_pass():
    flat = scores(*[0.499] * 32)
    covered = coverage(flat, READING, LABELS, POSITIVES)
    assert not covered["informative"]
    assert judge("float32", compared(flat, flat), covered)["verdict"] == VAGUE


def test_sure_scores_on_both_sides_are_not_informative_without_a_neighbourhood():
    sure = scores(*[0.001] * 16, *[0.999] * 16)
    assert not coverage(sure, READING, LABELS, POSITIVES)["informative"]


@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_verdict_turns_at_the_tolerance_of_the_precision(precision):
    real = scores(*np.linspace(0.05, 0.95, 32))
    covered = coverage(real, READING, LABELS, POSITIVES)
    row = compared(real, real)
    assert judge(precision, row, covered)["verdict"] == PASS
    limit = TOLERANCES[precision]
    assert judge(precision, {**row, "mean_dp": limit.mean_dp * 1.01}, covered)["verdict"] == FAIL
    assert judge(precision, {**row, "max_dp": limit.max_dp * 1.01}, covered)["verdict"] == FAIL


def test_tolerances_grow_with_what_a_precision_throws_away():
    order = [TOLERANCES[name] for name in ("float32", "float16", "int8")]
    assert order == sorted(order, key=lambda row: (row.max_dp, row.mean_dp))


def test_the_cpu_of_the_desk_is_named():
    assert cpu()["machine"]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_as_wrong_as_can_be(broken):
    real, made = scores(0.9, 0.8, 0.1), scores(0.9, 0.8, 0.1)
    made[2] = broken
    row = compared(real, made)
    assert row == {
        "max_dp": 1.0,
        "mean_dp": 1.0,
        "agreement": 0.0,
        "lost_positives": 2,
        "to_review": 0,
    }
    for precision in TOLERANCES:
        verdict = judge(precision, row, coverage(real, READING, LABELS, POSITIVES))["verdict"]
        assert verdict == FAIL


def test_parts_are_pooled_by_their_images():
    rows = [
        compared(scores(0.9, 0.1, 0.1), scores(0.9, 0.1, 0.4)),
        compared(scores(0.9), scores(0.1)),
    ]
    both = compared(scores(0.9, 0.1, 0.1, 0.9), scores(0.9, 0.1, 0.4, 0.1))
    assert pooled(rows, [3, 1]) == pytest.approx(both, abs=1e-5)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_verdict_on_references_says_that_no_gate_was_evaluated(precision):
    real = scores(*np.linspace(0.05, 0.95, 32))
    covered = coverage(real, READING, LABELS, POSITIVES)
    row = judge(precision, compared(real, real), covered)
    assert row["gate"] == ("not evaluated" if precision in GATED else None)
    gated = judge(precision, compared(real, real), covered, OUT_OF_FOLD)
    assert gated["gate"] == ("passed" if precision in GATED else None)
