"""What a row is held against: waiting, memory, sensitivity, and the limits on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What a person can live with; None is no limit.

    Parameters
    ----------
    latency_ms : float, optional
        From the file to the answer, 95th percentile; the median of a row whose samples are too
        few for that, and the model alone of one that has no more, which is then said.
    memory_mib : float, optional
        Of the process, at its most.
    sensitivity : float, optional
        On the images it was measured on.
    """

    latency_ms: float | None = None
    memory_mib: float | None = None
    sensitivity: float | None = None

    def in_words(self) -> str:
        """Word the limits."""
        parts = []
        if self.latency_ms is not None:
            parts.append(f"at most {self.latency_ms:g} ms from the file to the answer")
        if self.memory_mib is not None:
            parts.append(f"at most {self.memory_mib:g} MiB")
        if self.sensitivity is not None:
            parts.append(f"a sensitivity of at least {self.sensitivity:g}")
        return ", ".join(parts) or "no limits"

    def broken_by(self, row: Json) -> dict[str, float]:
        """Return the limits a row breaks, each with how many times over; infinite if unknown."""
        unknown = float("inf")
        broken = {}
        if self.latency_ms is not None and (waited := wait_ms(row)) > self.latency_ms:
            broken["latency"] = waited / self.latency_ms
        if self.memory_mib is not None:
            peak = row["peak_mib"]
            if peak is None or peak > self.memory_mib:
                broken["memory"] = peak / self.memory_mib if peak else unknown
        if self.sensitivity is not None:
            value = sensitivity(row)
            if value is None or value < self.sensitivity:
                broken["sensitivity"] = self.sensitivity / value if value else unknown
        return broken


def wait_ms(row: Json) -> float:
    """Return what is compared with a limit: end to end where known, the 95th percentile first."""
    return _wait(row)[0]


def wait_is(row: Json) -> str:
    """Word what `wait_ms` is of this row: the median where samples are too few for more."""
    return _wait(row)[1]


def _wait(row: Json) -> tuple[float, str]:
    blocks = ((row["end_to_end"], "from the file"), (row["latency"], "the model alone"))
    figures = (("p95_ms", "95th percentile"), ("p50_ms", "median"))
    for block, way in blocks:
        for name, figure in figures:
            if block and block[name] is not None:
                return float(block[name]), f"{way}, {figure}"
    return float("inf"), "unknown"


def sensitivity(row: Json) -> float | None:
    """Return the measured sensitivity; None where there is none, or seen images are in it."""
    found = row["accuracy"]
    if found is None or found["include_seen"] or found["sensitivity"] is None:
        return None
    return float(found["sensitivity"]["value"])


def specificity(row: Json) -> float | None:
    """Return the measured specificity, as `sensitivity`."""
    found = row["accuracy"]
    if found is None or found["include_seen"] or found["specificity"] is None:
        return None
    return float(found["specificity"]["value"])


def data_of(row: Json) -> Json:
    """Return the data set that a row's accuracy was measured on; empty where unknown."""
    found: Json = (row.get("judged") or {}).get("data") or {}
    return found


def is_model_alone(row: Json) -> bool:
    """Return whether the way from the file is not known of a row, as of every estimate."""
    return not row["end_to_end"]


def name(row: Json) -> str:
    """Word a configuration."""
    plural = "" if row["threads"] == 1 else "s"
    head = "" if row["head"] in (None, "gap") else f" ({row['head']} head)"
    what = f"{row['model']}{head} {row['precision']}"
    return f"{what}, {row['backend']}, {row['threads']} thread{plural}"
