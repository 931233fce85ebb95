"""What disturbs a round: other programs, the hypervisor, throttling and heat."""

from __future__ import annotations

import pytest

from alledge.benchmarks.measuring.machine_noise import (
    MachineState,
    clock_mhz,
    describe_noise,
    hot_events,
    is_noisy,
    noise_between,
    throttled_s,
)

START = MachineState(
    calibration_ms=5.0,
    at_s=0.0,
    busy_s=0.0,
    stolen_s=0.0,
    own_s=0.0,
    mhz=2000.0,
    celsius=50.0,
    throttled_s=0.0,
    hot_events=3,
)


def after(**changes):
    """Return the state after 10 s in which only this process used 8 s of CPU time."""
    values = {**vars(START), "at_s": 10.0, "busy_s": 8.0, "own_s": 8.0, **changes}
    return MachineState(**values)


def test_an_undisturbed_round_has_no_note():
    noise = noise_between(START, after())
    assert noise["others_cores"] == 0
    assert describe_noise([noise], 5.0, 2000.0) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"busy_s": 18.0}, "other programs took up to 1.0 cores"),
        ({"stolen_s": 5.0}, "the hypervisor took up to 0.5 cores"),
        ({"calibration_ms": 8.0}, "calibration loop was up to 30% slower"),
        ({"mhz": 1200.0}, "throttled: the clock fell to 1200 of 2000 MHz"),
        ({"celsius": 85.0}, "the CPU was at 85 °C"),
        ({"throttled_s": 5.0}, "the CPU quota stopped it for up to 50% of the time"),
        ({"hot_events": 7}, "thermal protection set in (4 counts)"),
    ],
)
def test_each_disturbance_is_described(change, message):
    notes = describe_noise([noise_between(START, after(**change))], 5.0, 2000.0)
    assert len(notes) == 1
    assert message in notes[0]


def test_a_round_is_noisy_because_of_others_and_never_because_it_is_slow():
    assert not is_noisy(noise_between(START, after()))
    assert not is_noisy(noise_between(START, after(calibration_ms=9.0)))
    assert is_noisy(noise_between(START, after(busy_s=12.0)))
    assert is_noisy(noise_between(START, after(stolen_s=4.0)))


def test_a_round_is_not_noisy_if_the_system_counts_no_cpu_time():
    noise = noise_between(START, after(busy_s=None, stolen_s=None))
    assert noise["others_cores"] is noise["stolen_cores"] is None
    assert not is_noisy(noise)


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="ascii")


def test_the_clock_is_the_highest_of_all_cpus(tmp_path):
    for cpu, clock in (("cpu0", "800000"), ("cpu1", "2400000"), ("cpu10", "no number")):
        write(tmp_path / f"sys/devices/system/cpu/{cpu}/cpufreq/scaling_cur_freq", clock)
    assert clock_mhz(tmp_path) == 2400.0


def test_thermal_events_are_summed_over_cpus(tmp_path):
    for cpu, count in (("cpu0", "2"), ("cpu1", "5")):
        write(
            tmp_path / f"sys/devices/system/cpu/{cpu}/thermal_throttle/core_throttle_count", count
        )
    assert hot_events(tmp_path) == 7


@pytest.mark.parametrize(
    ("group", "folder", "text"),
    [
        ("0::/box/inner", "box", "usage_usec 9\nthrottled_usec 1500000\n"),
        ("3:cpu,cpuacct:/box", "cpu,cpuacct/box", "nr_periods 9\nthrottled_time 1500000000\n"),
    ],
)
def test_paused_time_is_read_from_control_groups_of_both_versions(tmp_path, group, folder, text):
    write(tmp_path / "proc/self/cgroup", f"2:memory:/\n{group}\n")
    write(tmp_path / "sys/fs/cgroup" / folder / "cpu.stat", text)
    assert throttled_s(tmp_path) == pytest.approx(1.5)


def test_a_system_without_these_files_gives_none(tmp_path):
    assert clock_mhz(tmp_path) is hot_events(tmp_path) is throttled_s(tmp_path) is None
