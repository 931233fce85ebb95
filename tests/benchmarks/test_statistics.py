"""Quantiles and intervals: against numpy, known values, and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from alledge.benchmarks.measuring.machine_noise import (
    Moment,
    between,
    clock_mhz,
    hot_events,
    in_words,
    is_noisy,
    stopped_s,
)
from alledge.benchmarks.statistics import (
    STUDENT,
    half_width,
    median_interval,
    ratio_interval,
    student_interval,
    times,
    widest,
)


def test_a_quantile_that_its_samples_are_too_few_for_is_not_given():
    few = times([[1.0] * 4, [2.0] * 4], [3.0], [4.0])
    assert few["p50_ms"] == 1.5
    assert few["p90_ms"] is few["p95_ms"] is few["p99_ms"] is None
    samples = list(np.random.default_rng(0).gamma(5, 1, 120))
    many = times([samples[:60], samples[60:]], [3.0], [4.0])
    for name, share in (("p50_ms", 50), ("p90_ms", 90), ("p95_ms", 95), ("p99_ms", 99)):
        assert many[name] == pytest.approx(np.percentile(samples, share), abs=1e-4)
    assert many["n"] == 120


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        ends = student_interval(list(rng.normal(10, 1, 4)))
        hits += ends[0] <= 10 <= ends[1]
    assert 0.935 <= hits / 2000 <= 0.965


def test_students_quantiles_fall_towards_the_normal_one():
    assert list(STUDENT) == sorted(STUDENT, reverse=True)
    assert STUDENT[0] == pytest.approx(12.706)
    assert 1.96 < STUDENT[-1] < 2.05


def test_one_round_has_no_interval():
    assert median_interval([[1.0, 2.0]]) is None
    assert half_width([[1.0, 2.0]]) == float("inf")


def test_the_wider_of_the_model_alone_and_end_to_end_counts():
    steady, shaky = [[1.0], [1.0]], [[1.0], [2.0]]
    for model, whole in ((steady, shaky), (shaky, steady)):
        pairs = zip(model, whole, strict=True)
        found = [{"samples_ms": a, "end_to_end": {"samples_ms": b}} for a, b in pairs]
        assert widest(found) == half_width(shaky)


def test_a_paired_ratio_cancels_what_both_suffer_from():
    rng = np.random.default_rng(2)
    shared = rng.uniform(1, 3, 12)
    found = ratio_interval(list(shared * 1.1), list(shared))
    assert found["ratio"] == pytest.approx(1.1)
    assert found["low"] == pytest.approx(1.1)
    assert found["high"] == pytest.approx(1.1)


def moment(**changes):
    base = {"calibration_ms": 5.0, "at_s": 0.0, "busy_s": 0.0, "stolen_s": 0.0, "own_s": 0.0}
    rest = {"mhz": 2000.0, "celsius": 50.0, "stopped_s": 0.0, "hot_events": 3}
    return Moment(**{**base, **rest, **changes})


def test_a_quiet_round_has_no_note():
    record = between(moment(), moment(at_s=10.0, busy_s=8.0, own_s=8.0))
    assert record["others_cores"] == 0
    assert in_words([record], 5.0, 2000.0) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"busy_s": 18.0}, "other programs took up to 1.0 cores"),
        ({"stolen_s": 5.0}, "the hypervisor took up to 0.5 cores"),
        ({"calibration_ms": 8.0}, "calibration loop was up to 30% slower"),
        ({"mhz": 1200.0}, "throttled: the clock fell to 1200 of 2000 MHz"),
        ({"celsius": 85.0}, "the CPU was at 85 °C"),
        ({"stopped_s": 5.0}, "the CPU quota stopped it for up to 50% of the time"),
        ({"hot_events": 7}, "thermal protection set in (4 counts)"),
    ],
)
def test_what_disturbed_a_round_is_said_in_words(change, said):
    after = moment(**{"at_s": 10.0, "busy_s": 8.0, "own_s": 8.0, **change})
    notes = in_words([between(moment(), after)], 5.0, 2000.0)
    assert len(notes) == 1
    assert said in notes[0]


def test_a_round_is_set_aside_for_what_others_did_and_never_for_its_times():
    quiet = moment(at_s=10.0, busy_s=8.0, own_s=8.0)
    assert not is_noisy(between(moment(), quiet))
    assert not is_noisy(between(moment(), moment(at_s=10.0, busy_s=8, own_s=8, calibration_ms=9)))
    assert is_noisy(between(moment(), moment(at_s=10.0, busy_s=12.0, own_s=8.0)))
    assert not is_noisy(between(moment(busy_s=None), quiet))


def test_a_record_of_an_older_ledger_is_read():
    record = between(moment(), moment(at_s=10.0, busy_s=8.0, own_s=8.0))
    del record["stopped_share"], record["hot_events"]
    assert in_words([record], 5.0, 2000.0) == []


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="ascii")


def test_the_highest_clock_of_all_cpus_is_taken(tmp_path):
    for cpu, clock in (("cpu0", "800000"), ("cpu1", "2400000"), ("cpu10", "no number")):
        write(tmp_path / f"sys/devices/system/cpu/{cpu}/cpufreq/scaling_cur_freq", clock)
    assert clock_mhz(tmp_path) == 2400.0


def test_thermal_protection_is_counted_over_cpus(tmp_path):
    for cpu, count in (("cpu0", "2"), ("cpu1", "5")):
        write(
            tmp_path / f"sys/devices/system/cpu/{cpu}/thermal_throttle/core_throttle_count", count
        )
    assert hot_events(tmp_path) == 7


@pytest.mark.parametrize(
    ("group", "place", "text"),
    [
        ("0::/box/inner", "box", "usage_usec 9\nthrottled_usec 1500000\n"),
        ("3:cpu,cpuacct:/box", "cpu,cpuacct/box", "nr_periods 9\nthrottled_time 1500000000\n"),
    ],
)
def test_what_a_quota_stopped_is_read_in_both_versions(tmp_path, group, place, text):
    write(tmp_path / "proc/self/cgroup", f"2:memory:/\n{group}\n")
    write(tmp_path / "sys/fs/cgroup" / place / "cpu.stat", text)
    assert stopped_s(tmp_path) == pytest.approx(1.5)


def test_a_system_that_says_nothing_is_unknown(tmp_path):
    assert clock_mhz(tmp_path) is hot_events(tmp_path) is stopped_s(tmp_path) is None
