"""Percentiles and confidence intervals, compared with numpy, scipy and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alledge.benchmarks.statistics import (
    STUDENT,
    median_interval,
    ratio_interval,
    relative_half_width,
    student_interval,
    summarize_times,
    widest_interval,
)


def test_a_percentile_without_enough_samples_is_none():
    few = summarize_times([[1.0] * 4, [2.0] * 4], [3.0], [4.0])
    assert few["p50_ms"] == 1.5
    assert few["p90_ms"] is few["p95_ms"] is few["p99_ms"] is None
    samples = list(np.random.default_rng(0).gamma(5, 1, 120))
    many = summarize_times([samples[:60], samples[60:]], [3.0], [4.0])
    for name, share in (("p50_ms", 50), ("p90_ms", 90), ("p95_ms", 95), ("p99_ms", 99)):
        assert many[name] == pytest.approx(np.percentile(samples, share), abs=1e-4)
    assert many["n"] == 120


@pytest.mark.parametrize(("name", "needed"), [("p90_ms", 10), ("p95_ms", 20), ("p99_ms", 100)])
def test_a_percentile_is_given_from_so_many_samples_on(name, needed):
    assert summarize_times([[1.0] * (needed - 1)], [], [])[name] is None
    assert summarize_times([[1.0] * needed], [], [])[name] == 1.0


def test_the_interval_covers_the_true_mean_in_95_percent_of_simulations():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        low, high = student_interval(list(rng.normal(10, 1, 4)))
        hits += low <= 10 <= high
    assert 0.935 <= hits / 2000 <= 0.965


def test_the_table_of_students_quantiles_agrees_with_scipy():
    degrees = np.arange(1, len(STUDENT) + 1)
    assert pytest.approx(stats.t.ppf(0.975, degrees), abs=6e-4) == np.array(STUDENT)


def test_the_interval_agrees_with_scipy():
    values = [1.0, 2.0, 4.0, 8.0]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert student_interval(values) == pytest.approx(expected, rel=1e-3)


def test_one_round_has_no_interval():
    assert median_interval([[1.0, 2.0]]) is None
    assert relative_half_width([[1.0, 2.0]]) == float("inf")


def test_the_wider_interval_of_model_alone_and_end_to_end_counts():
    steady, shaky = [[1.0], [1.0]], [[1.0], [2.0]]
    for model, whole in ((steady, shaky), (shaky, steady)):
        pairs = zip(model, whole, strict=True)
        rounds = [{"samples_ms": a, "end_to_end": {"samples_ms": b}} for a, b in pairs]
        assert widest_interval(rounds) == relative_half_width(shaky)


def test_a_paired_ratio_cancels_disturbances_of_both():
    rng = np.random.default_rng(2)
    shared = rng.uniform(1, 3, 12)
    ratio = ratio_interval(list(shared * 1.1), list(shared))
    assert ratio["ratio"] == pytest.approx(1.1)
    assert ratio["low"] == pytest.approx(1.1)
    assert ratio["high"] == pytest.approx(1.1)
