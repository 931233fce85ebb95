"""Measures how much a round was disturbed: other programs, the hypervisor, throttling.

No engine is imported. `read_machine_state` is called before and after a round;
`noise_between` compares the two states.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ...runtime.machine import cgroup_files
from ..types import Noise

LOOPS = 5  # repetitions of the calibration loop; noise only adds time, so the fastest counts
LOOP_BYTES, LOOP_STEPS = 1 << 20, 20_000
# A note is added to a row from these values on.
SLOW_CALIBRATION = 1.10  # calibration loop relative to the session's median
OTHERS_CORES = 0.15  # CPU time taken by others, in cores
CLOCK_FELL = 0.95  # clock relative to the highest clock of the session
HOT_CELSIUS = 80.0
THROTTLED_SHARE = 0.01  # share of the time during which a CPU quota paused this process
ROOT = Path("/")
CPUS, ZONES = "sys/devices/system/cpu", "sys/class/thermal"
# Counters of paused time in cpu.stat and their unit in seconds: cgroup version 2, version 1.
THROTTLED_COUNTERS = {"throttled_usec": 1e-6, "throttled_time": 1e-9}


def calibration_ms() -> float:
    """Return the time of a fixed amount of work that uses no engine.

    Returns
    -------
    float
        Milliseconds for hashing 1 MiB and running a Python loop: the fastest of five.
    """
    block = bytes(LOOP_BYTES)
    best = float("inf")
    for _ in range(LOOPS):
        started = time.perf_counter()
        hashlib.sha256(block).digest()
        total = 0
        for step in range(LOOP_STEPS):
            total += step * step
        best = min(best, time.perf_counter() - started)
    return best * 1000


@dataclass(frozen=True)
class MachineState:
    """The counters of the machine at one moment. None means that the system does not report it.

    Parameters
    ----------
    calibration_ms : float
    at_s : float
        Monotonic clock, in seconds.
    busy_s, stolen_s : float or None
        CPU seconds of all processes since boot, and CPU seconds that a hypervisor took.
    own_s : float
        CPU seconds of this process and of the child processes that it waited for.
    mhz, celsius : float or None
        The highest clock of all CPUs, and the warmest thermal zone.
    throttled_s : float or None
        Seconds during which a control group's CPU quota paused this process.
    hot_events : int or None
        How often the thermal protection of an x86 CPU lowered the clock.
    """

    calibration_ms: float
    at_s: float
    busy_s: float | None
    stolen_s: float | None
    own_s: float
    mhz: float | None
    celsius: float | None
    throttled_s: float | None = None
    hot_events: int | None = None


def read_machine_state() -> MachineState:
    """Read the counters of the machine and run the calibration loop."""
    clock = clock_mhz()  # first, because the calibration loop raises the clock
    calibration = calibration_ms()
    busy, stolen = _cpu_seconds()
    times = os.times()
    return MachineState(
        calibration_ms=calibration,
        at_s=time.monotonic(),
        busy_s=busy,
        stolen_s=stolen,
        own_s=times.user + times.system + times.children_user + times.children_system,
        mhz=clock,
        celsius=_celsius(),
        throttled_s=throttled_s(),
        hot_events=hot_events(),
    )


def noise_between(before: MachineState, after: MachineState) -> Noise:
    """Return what disturbed the machine between two states."""
    elapsed = max(after.at_s - before.at_s, 1e-9)

    def share(start: float | None, end: float | None) -> float | None:
        if start is None or end is None:
            return None
        return round(max(end - start, 0.0) / elapsed, 3)

    hot = None
    if before.hot_events is not None and after.hot_events is not None:
        hot = max(after.hot_events - before.hot_events, 0)
    return {
        "calibration_ms": round((before.calibration_ms + after.calibration_ms) / 2, 4),
        "others_cores": share(_others_s(before), _others_s(after)),
        "stolen_cores": share(before.stolen_s, after.stolen_s),
        "stopped_share": share(before.throttled_s, after.throttled_s),
        "hot_events": hot,
        "mhz": after.mhz,
        "celsius": after.celsius,
    }


def is_noisy(noise: Noise) -> bool:
    """Return whether others used so much of the machine that the round is measured again.

    The measured times have no influence: a round is never excluded because it is slow.
    """
    taken = noise["others_cores"] or 0.0, noise["stolen_cores"] or 0.0
    return max(taken) > OTHERS_CORES


def describe_noise(
    rounds: Sequence[Noise], usual_calibration_ms: float, highest_mhz: float | None
) -> list[str]:
    """Return messages about what disturbed the rounds of one configuration.

    Parameters
    ----------
    rounds : sequence of Noise
        One for each round.
    usual_calibration_ms, highest_mhz
        As `session_reference` returns them.

    Returns
    -------
    list of str
        Empty if nothing disturbed the rounds.
    """
    notes = []
    slow = [noise["calibration_ms"] / usual_calibration_ms - 1 for noise in rounds]
    if worst := [share for share in slow if share > SLOW_CALIBRATION - 1]:
        notes.append(
            f"in {len(worst)} of {len(rounds)} rounds the calibration loop was up to "
            f"{max(worst):.0%} slower than usual"
        )
    for who, cores in (
        ("other programs", [noise["others_cores"] or 0.0 for noise in rounds]),
        ("the hypervisor", [noise["stolen_cores"] or 0.0 for noise in rounds]),
    ):
        if taken := [value for value in cores if value > OTHERS_CORES]:
            notes.append(
                f"in {len(taken)} of {len(rounds)} rounds {who} took up to {max(taken):.1f} cores"
            )
    return notes + _describe_throttling(rounds, highest_mhz)


def _describe_throttling(rounds: Sequence[Noise], highest_mhz: float | None) -> list[str]:
    notes = []
    clocks = [noise["mhz"] for noise in rounds if noise["mhz"]]
    if highest_mhz and clocks and min(clocks) < CLOCK_FELL * highest_mhz:
        notes.append(f"throttled: the clock fell to {min(clocks):.0f} of {highest_mhz:.0f} MHz")
    paused = [noise["stopped_share"] or 0.0 for noise in rounds]
    if worst := [share for share in paused if share > THROTTLED_SHARE]:
        notes.append(
            f"throttled: in {len(worst)} of {len(rounds)} rounds the CPU quota stopped it for up "
            f"to {max(worst):.0%} of the time"
        )
    if hot := sum(noise["hot_events"] or 0 for noise in rounds):
        notes.append(f"throttled: the CPU's thermal protection set in ({hot} counts)")
    warmest = max((noise["celsius"] or 0.0 for noise in rounds), default=0.0)
    if warmest >= HOT_CELSIUS:
        notes.append(f"the CPU was at {warmest:.0f} °C")
    return notes


def session_reference(rounds: Sequence[Noise]) -> tuple[float, float | None]:
    """Return what the rounds of a session are compared with.

    Returns
    -------
    usual_calibration_ms : float
        The median of all rounds.
    highest_mhz : float or None
        The highest clock of all rounds. None if the system does not report it.
    """
    clocks = [noise["mhz"] for noise in rounds if noise["mhz"]]
    return median(noise["calibration_ms"] for noise in rounds), max(clocks, default=None)


def _others_s(state: MachineState) -> float | None:
    return None if state.busy_s is None else state.busy_s - state.own_s


def _cpu_seconds() -> tuple[float | None, float | None]:
    """Return the CPU seconds of all processes and those that a hypervisor took, on Linux."""
    if sys.platform != "linux":
        return None, None
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
        user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None, None
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


def clock_mhz(root: Path = ROOT) -> float | None:
    """Return the highest clock of all CPUs, in MHz.

    The highest is used because the system moves the work between CPUs.

    Parameters
    ----------
    root : Path
        The folder that holds ``sys``. Tests pass another folder.

    Returns
    -------
    float or None
        None if the system does not report the clock.
    """
    clocks = _integers((root / CPUS).glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
    return max(clocks, default=0) / 1000 or None


def hot_events(root: Path = ROOT) -> int | None:
    """Return how often thermal protection lowered the clock since boot, on x86.

    Parameters
    ----------
    root : Path
        As `clock_mhz`.

    Returns
    -------
    int or None
        Sum over cores and packages. None if the system does not count it.
    """
    counts = _integers((root / CPUS).glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
    return sum(counts) if counts else None


def throttled_s(root: Path = ROOT) -> float | None:
    """Return for how long a control group's CPU quota paused this process.

    Parameters
    ----------
    root : Path
        The folder that holds ``proc`` and ``sys``. Tests pass another folder.

    Returns
    -------
    float or None
        Seconds. The longest of the process's control group (version 1 or 2) and of all groups
        above it. None if no group counts it.
    """
    paused = []
    for text in cgroup_files(root, "cpu.stat", "cpu"):
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name in THROTTLED_COUNTERS and value.isdigit():
                paused.append(int(value) * THROTTLED_COUNTERS[name])
    return max(paused, default=None)


def _celsius() -> float | None:
    temperatures = _integers((ROOT / ZONES).glob("thermal_zone*/temp"))
    return max(temperatures) / 1000 if temperatures else None


def _integers(files: Iterable[Path]) -> list[int]:
    """Return the integers that files hold. Files that cannot be read are skipped."""
    values = []
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            values.append(int(file.read_text(encoding="ascii")))
    return values
