"""How quiet the machine was: a calibration loop, others' CPU time, the clock; no engine here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median
from typing import Any

Json = dict[str, Any]

LOOPS = 5  # of the calibration loop; the fastest counts, since noise only ever adds
LOOP_BYTES, LOOP_STEPS = 1 << 20, 20_000
SLOW = 1.10  # a calibration loop this much slower than the session's median is a note
OTHERS_CORES = 0.15  # CPU time that others took, in cores, from which on it is a note
CLOCK_FELL = 0.95
HOT_CELSIUS = 80.0
STOPPED_SHARE = 0.01  # of the time that a quota stopped this process, from which on it is a note
ROOT = Path("/")
CPUS, ZONES, CGROUPS = "sys/devices/system/cpu", "sys/class/thermal", "sys/fs/cgroup"
# what a control group counts of being stopped by its quota: version 2, and 1
STOPPED = {"throttled_usec": 1e-6, "throttled_time": 1e-9}


def calibration_ms() -> float:
    """Return the time of a fixed piece of work that has nothing to do with any engine.

    Returns
    -------
    float
        Milliseconds: hashing a MiB and a loop of Python, the fastest of five.
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
class Moment:
    """The machine at one moment.

    Parameters
    ----------
    calibration_ms : float
    at_s : float
        Of a clock that only goes forward.
    busy_s, stolen_s : float or None
        CPU seconds of all processes since the start, and those a hypervisor took; None where the
        system does not say.
    own_s : float
        CPU seconds of this process and of those it waited for.
    mhz, celsius : float or None
        The highest clock of all CPUs, and the warmest zone.
    stopped_s : float or None
        Seconds that a control group's quota stopped this process.
    hot_events : int or None
        How often the thermal protection of x86 lowered the clock.
    """

    calibration_ms: float
    at_s: float
    busy_s: float | None
    stolen_s: float | None
    own_s: float
    mhz: float | None
    celsius: float | None
    stopped_s: float | None = None
    hot_events: int | None = None


def look() -> Moment:
    """Return how the machine is now; the calibration loop has run when this returns."""
    clock = clock_mhz()  # first of all: what the work just done has left it at
    calibration = calibration_ms()
    busy, stolen = _cpu_seconds()
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    now = time.monotonic()
    return Moment(
        *(calibration, now, busy, stolen, own, clock, _celsius(), stopped_s(), hot_events())
    )


def between(before: Moment, after: Moment) -> Json:
    """Return what disturbed the machine between two moments, as a record of the ledger."""
    elapsed = max(after.at_s - before.at_s, 1e-9)
    others = stolen = stopped = hot = None
    if before.busy_s is not None and after.busy_s is not None:
        others = after.busy_s - before.busy_s - (after.own_s - before.own_s)
    if before.stolen_s is not None and after.stolen_s is not None:
        stolen = after.stolen_s - before.stolen_s
    if before.stopped_s is not None and after.stopped_s is not None:
        stopped = after.stopped_s - before.stopped_s
    if before.hot_events is not None and after.hot_events is not None:
        hot = max(after.hot_events - before.hot_events, 0)
    return {
        "calibration_ms": round((before.calibration_ms + after.calibration_ms) / 2, 4),
        "others_cores": None if others is None else round(max(others, 0.0) / elapsed, 3),
        "stolen_cores": None if stolen is None else round(max(stolen, 0.0) / elapsed, 3),
        "stopped_share": None if stopped is None else round(max(stopped, 0.0) / elapsed, 3),
        "hot_events": hot,
        "mhz": after.mhz,
        "celsius": after.celsius,
    }


def is_noisy(record: Json) -> bool:
    """Return whether others took enough of the machine that a round should be done again.

    Parameters
    ----------
    record : dict
        What `between` returned. The times themselves have no say: a round is never set aside for
        being slow.
    """
    return any((record[key] or 0.0) > OTHERS_CORES for key in ("others_cores", "stolen_cores"))


def in_words(records: list[Json], calibration_ms: float, highest_mhz: float | None) -> list[str]:
    """Return what disturbed the rounds of one configuration; empty where nothing did.

    Parameters
    ----------
    records : list of dict
        What `between` returned, a round each.
    calibration_ms : float
        Median of the whole session.
    highest_mhz : float or None
        The highest clock seen in the session.
    """
    rounds, notes = len(records), []
    slow = [row["calibration_ms"] / calibration_ms - 1 for row in records]
    if worst := [share for share in slow if share > SLOW - 1]:
        notes.append(
            f"in {len(worst)} of {rounds} rounds the calibration loop was up to "
            f"{max(worst):.0%} slower than usual"
        )
    for key, whose in (("others_cores", "other programs"), ("stolen_cores", "the hypervisor")):
        taken = [row[key] for row in records if row[key] is not None and row[key] > OTHERS_CORES]
        if taken:
            notes.append(
                f"in {len(taken)} of {rounds} rounds {whose} took up to {max(taken):.1f} cores"
            )
    return notes + _throttled(records, highest_mhz)


def _throttled(records: list[Json], highest_mhz: float | None) -> list[str]:
    """Return what slowed the CPU down; a record of an older ledger may lack a figure."""
    rounds, notes = len(records), []
    clocks = [row["mhz"] for row in records if row["mhz"]]
    if highest_mhz and clocks and min(clocks) < CLOCK_FELL * highest_mhz:
        notes.append(f"throttled: the clock fell to {min(clocks):.0f} of {highest_mhz:.0f} MHz")
    stopped = [row.get("stopped_share") or 0.0 for row in records]
    if worst := [share for share in stopped if share > STOPPED_SHARE]:
        notes.append(
            f"throttled: in {len(worst)} of {rounds} rounds the CPU quota stopped it for up to "
            f"{max(worst):.0%} of the time"
        )
    if hot := sum(row.get("hot_events") or 0 for row in records):
        notes.append(f"throttled: the CPU's thermal protection set in ({hot} counts)")
    if (warmest := max((row["celsius"] or 0.0 for row in records), default=0.0)) >= HOT_CELSIUS:
        notes.append(f"the CPU was at {warmest:.0f} °C")
    return notes


def usual(records: list[Json]) -> tuple[float, float | None]:
    """Return the session's median calibration time, and the highest clock it saw."""
    clocks = [row["mhz"] for row in records if row["mhz"]]
    return median(row["calibration_ms"] for row in records), max(clocks, default=None)


def _cpu_seconds() -> tuple[float | None, float | None]:
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None, None
    if sys.platform != "linux" or len(line) < 9:
        return None, None
    user, nice, system, _, _, irq, softirq, steal = (int(value) for value in line[1:9])
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


def clock_mhz(root: Path = ROOT) -> float | None:
    """Return the highest clock of all CPUs, None where the system does not say: work moves.

    Parameters
    ----------
    root : Path
        Where ``/sys`` is; another one in tests.
    """
    clocks = _numbers((root / CPUS).glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
    return max(clocks, default=0) / 1000 or None


def hot_events(root: Path = ROOT) -> int | None:
    """Return how often x86's thermal protection set in since the start, of cores and packages.

    Parameters
    ----------
    root : Path
        As `clock_mhz`.
    """
    counts = _numbers((root / CPUS).glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
    return sum(counts) if counts else None


def stopped_s(root: Path = ROOT) -> float | None:
    """Return the seconds that a control group's quota stopped this process, or one beside it.

    Parameters
    ----------
    root : Path
        Where ``/proc`` and ``/sys`` are; another one in tests.

    Returns
    -------
    float or None
        Of the group, version 1 or 2, or of one above it, that was stopped for longest.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    found: list[float] = []
    for _, controllers, group in (line.split(":", 2) for line in lines if line.count(":") > 1):
        if controllers and "cpu" not in controllers.split(","):
            continue
        folder = PurePosixPath(group.lstrip("/"))
        for level in (folder, *folder.parents):
            found += _stopped(root / CGROUPS / controllers / level / "cpu.stat")
    return max(found, default=None)


def _stopped(file: Path) -> list[float]:
    try:
        lines = [line.split() for line in file.read_text(encoding="ascii").splitlines()]
        return [int(line[1]) * STOPPED[line[0]] for line in lines if line[0] in STOPPED]
    except (OSError, ValueError, IndexError):
        return []


def _celsius() -> float | None:
    zones = _numbers((ROOT / ZONES).glob("thermal_zone*/temp"))
    return max(zones) / 1000 if zones else None


def _numbers(files: Iterable[Path]) -> list[int]:
    """Return the whole numbers that files hold; those that cannot be read are left out."""
    found = []
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            found.append(int(file.read_text(encoding="ascii")))
    return found
