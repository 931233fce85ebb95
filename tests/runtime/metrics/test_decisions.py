"""Scores become labels: temperature, threshold, band."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.runtime.metrics.decisions import Thresholds, apply_temperature, decide

LABELS, POSITIVE = ("healthy", "blast"), ("blast",)
STAGES = ("benign", "early", "pre", "pro")


def test_temperature_one_changes_nothing() -> None:
    scores = np.array([[0.2, 0.8], [0.999, 0.001]])
    assert apply_temperature(scores, 1.0) == pytest.approx(scores, abs=1e-6)


@given(p=st.floats(0, 1), temperature=st.floats(0.05, 20))
def test_calibration_keeps_the_order_and_sums_to_one(p: float, temperature: float) -> None:
    soft = apply_temperature([[1 - p, p]], temperature)[0]
    assert soft.sum() == pytest.approx(1)
    assert np.isfinite(soft).all()
    assert (soft[1] - 0.5) * (p - 0.5) >= 0


def test_a_temperature_above_one_lowers_the_largest_score() -> None:
    assert 0.5 < apply_temperature([[0.1, 0.9]], 2.0)[0, 1] < 0.9


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        apply_temperature([[0.5, 0.5]], temperature)


def test_the_threshold_itself_is_positive() -> None:
    verdicts = decide([[0.7, 0.3], [0.71, 0.29]], LABELS, POSITIVE, Thresholds(0.3, (0.3, 0.3)))
    assert [verdict.label for verdict in verdicts] == ["blast", "healthy"]
    assert not any(verdict.indeterminate for verdict in verdicts)


def test_inside_the_band_a_person_should_look() -> None:
    scores = [[0.61, 0.39], [0.6, 0.4], [0.41, 0.59], [0.4, 0.6]]
    verdicts = decide(scores, LABELS, POSITIVE, Thresholds(0.5, (0.4, 0.6)))
    assert [verdict.indeterminate for verdict in verdicts] == [False, True, True, False]


def test_the_probability_sums_over_all_positive_labels() -> None:
    verdict = decide([[0.4, 0.25, 0.2, 0.15]], STAGES, STAGES[1:], Thresholds())[0]
    assert verdict.probability == pytest.approx(0.6)
    assert verdict.label == "early"
