"""How quiet the machine was: a calibration loop, others' CPU time, the clock; no engine here."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

Json = dict[str, Any]

LOOPS = 5  # of the calibration loop; the fastest counts, since noise only ever adds
LOOP_BYTES, LOOP_STEPS = 1 << 20, 20_000
SLOW = 1.10  # a calibration loop this much slower than the session's median is a note
OTHERS_CORES = 0.15  # CPU time that others took, in cores, from which on it is a note
CLOCK_FELL = 0.95
HOT_CELSIUS = 80.0
CLOCK = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
ZONES = Path("/sys/class/thermal")


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
    """

    calibration_ms: float
    at_s: float
    busy_s: float | None
    stolen_s: float | None
    own_s: float
    mhz: float | None
    celsius: float | None


def look() -> Moment:
    """Return how the machine is now; the calibration loop has run when this returns."""
    calibration = calibration_ms()
    busy, stolen = _cpu_seconds()
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return Moment(calibration, time.monotonic(), busy, stolen, own, _mhz(), _celsius())


def between(before: Moment, after: Moment) -> Json:
    """Return what disturbed the machine between two moments, as a record of the ledger."""
    elapsed = max(after.at_s - before.at_s, 1e-9)
    others = stolen = None
    if before.busy_s is not None and after.busy_s is not None:
        others = after.busy_s - before.busy_s - (after.own_s - before.own_s)
    if before.stolen_s is not None and after.stolen_s is not None:
        stolen = after.stolen_s - before.stolen_s
    return {
        "calibration_ms": round((before.calibration_ms + after.calibration_ms) / 2, 4),
        "others_cores": None if others is None else round(max(others, 0.0) / elapsed, 3),
        "stolen_cores": None if stolen is None else round(max(stolen, 0.0) / elapsed, 3),
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


def in_words(records: list[Json], calibration_ms: float, clock_mhz: float | None) -> list[str]:
    """Return what disturbed the rounds of one configuration; empty where nothing did.

    Parameters
    ----------
    records : list of dict
        What `between` returned, a round each.
    calibration_ms : float
        Median of the whole session.
    clock_mhz : float or None
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
    clocks = [row["mhz"] for row in records if row["mhz"]]
    if clock_mhz and clocks and min(clocks) < CLOCK_FELL * clock_mhz:
        notes.append(f"throttled: the clock fell to {min(clocks):.0f} of {clock_mhz:.0f} MHz")
    if (hot := max((row["celsius"] or 0.0 for row in records), default=0.0)) >= HOT_CELSIUS:
        notes.append(f"the CPU was at {hot:.0f} °C")
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


def _mhz() -> float | None:
    try:
        return int(CLOCK.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None


def _celsius() -> float | None:
    warmest = None
    for zone in ZONES.glob("thermal_zone*/temp"):
        try:
            value = int(zone.read_text(encoding="ascii")) / 1000
        except (OSError, ValueError):
            continue
        warmest = value if warmest is None else max(warmest, value)
    return warmest
