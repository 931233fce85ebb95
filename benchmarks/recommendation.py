"""What to take under given limits, and why, in words; no engine, no page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .merge import Site
from .tables import mib, milliseconds

Json = dict[str, Any]
Candidate = tuple[Site, Json]

AS_QUICK = 1.05  # within so much of the quickest, the smaller one is taken


@dataclass(frozen=True)
class Limits:
    """What a person can live with; None is no limit.

    Parameters
    ----------
    latency_ms : float, optional
        From the file to the answer, 95th percentile; the median of a row whose samples are too
        few for that, and the model alone of one that has no more.
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


@dataclass(frozen=True)
class Advice:
    """A recommendation.

    Parameters
    ----------
    site : Site or None
        None where nothing is within the limits.
    row : dict or None
    title : str
    reasons : tuple of str
        Sentences.
    """

    site: Site | None
    row: Json | None
    title: str
    reasons: tuple[str, ...]


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


def recommend(sites: Sequence[Site], limits: Limits) -> Advice:
    """Return what to take.

    Parameters
    ----------
    sites : sequence of Site
    limits : Limits

    Returns
    -------
    Advice
        Of the rows within the limits the one with the highest measured sensitivity, of equal ones
        the quickest, of about equally quick ones the smallest. Measured rows come before
        estimated ones.
    """
    every = [(site, row) for site in sites for row in site.rows if row["status"] == "ok"]
    within = [one for one in every if not limits.broken_by(one[1])]
    if not within:
        return _nothing(every, limits)
    measured = [one for one in within if one[1]["kind"] == "measured"] or within
    best = max((sensitivity(row) or 0.0 for _, row in measured), default=0.0)
    sharp = [one for one in measured if (sensitivity(one[1]) or 0.0) == best]
    quickest = min(wait_ms(row) for _, row in sharp)
    quick = [one for one in sharp if wait_ms(one[1]) <= AS_QUICK * quickest]
    site, row = min(quick, key=lambda one: (one[1]["peak_mib"] or float("inf"), wait_ms(one[1])))
    return Advice(site, row, name(row), tuple(_reasons(site, row, limits, every, within, sharp)))


def name(row: Json) -> str:
    """Word a configuration."""
    plural = "" if row["threads"] == 1 else "s"
    head = "" if row["head"] in (None, "gap") else f" ({row['head']} head)"
    what = f"{row['model']}{head} {row['precision']}"
    return f"{what}, {row['backend']}, {row['threads']} thread{plural}"


def _reasons(
    site: Site,
    row: Json,
    limits: Limits,
    every: Sequence[Candidate],
    within: Sequence[Candidate],
    sharp: Sequence[Candidate],
) -> list[str]:
    estimated = " (estimated, not measured)" if row["kind"] == "estimated" else ""
    reasons = [
        f"On {site.title} it takes {milliseconds(wait_ms(row))} ms ({wait_is(row)}) and "
        f"{mib(row['peak_mib'])} MiB{estimated}.",
    ]
    if limits != Limits():
        reasons.append(
            f"{len(within)} of {len(every)} configurations are within the limits "
            f"({limits.in_words()})."
        )
    found = row["accuracy"]
    if sensitivity(row) is not None:
        figure = found["sensitivity"]
        reasons.append(
            f"Its sensitivity is {figure['value']:.3f} (95 % interval {figure['low']:.3f} to "
            f"{figure['high']:.3f}) on {figure['n']} images with blasts that it was not trained "
            f"on; {len(sharp)} of those within the limits are as sensitive, and it is the "
            "quickest of them, or the smallest of the about equally quick."
        )
        if limits.sensitivity is not None and figure["low"] < limits.sensitivity:
            reasons.append(
                "The lower end of that interval is below the limit: so few images do not prove it."
            )
    else:
        reasons.append(
            "No sensitivity was measured for any of them: it is the quickest, or the smallest of "
            "the about equally quick. That says nothing about how well it finds leukaemia."
        )
    if row["noise"]:
        reasons.append(f"While it was measured, {'; '.join(row['noise'])}.")
    return reasons


def _nothing(every: Sequence[Candidate], limits: Limits) -> Advice:
    if not every:
        return Advice(None, None, "Nothing to recommend", ("No configuration was measured.",))
    counts: dict[str, int] = {}
    for _, row in every:
        for key in limits.broken_by(row):
            counts[key] = counts.get(key, 0) + 1
    unmeasured = sum(sensitivity(row) is None for _, row in every)
    said = ", ".join(f"{count} of {len(every)} by {key}" for key, count in counts.items())
    reasons = [f"The limits are {limits.in_words()}; excluded are {said}."]
    if limits.sensitivity is not None and unmeasured:
        reasons.append(
            f"{unmeasured} of {len(every)} have no measured sensitivity and cannot meet a limit "
            "on it: alledge benchmark BUNDLE --data D measures it."
        )

    def excess(one: Candidate) -> tuple[int, float]:
        broken = limits.broken_by(one[1])
        return len(broken), sum(broken.values())

    site, row = min(every, key=excess)
    broken = {key: over for key, over in limits.broken_by(row).items() if over < float("inf")}
    if broken:
        over = ", ".join(f"{key} by {share - 1:.0%}" for key, share in broken.items())
        reasons.append(f"Nearest is {name(row)} on {site.title}: it misses {over}.")
    return Advice(None, None, "Nothing is within the limits", tuple(reasons))
