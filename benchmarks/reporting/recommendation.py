"""Chooses which configuration to use under given limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .recommendation_text import UNJUDGED, judged_reasons, limit_reasons, missed_reasons, row_reason
from .result_merging import Site
from .selection_criteria import (
    Limits,
    configuration_name,
    data_of,
    sensitivity,
    specificity,
    wait_ms,
)
from .types import Row

Candidate = tuple[Site, Row]

EQUALLY_QUICK = 1.05  # times the quickest waiting time; within it the smaller one is chosen


@dataclass(frozen=True)
class Advice:
    """A recommendation.

    Parameters
    ----------
    site : Site or None
        None where no configuration is within the limits.
    row : Row or None
    kicker : str
        The kind of advice. It is a recommendation only where a sensitivity was measured.
    title : str
    reasons : tuple of str
        Sentences.
    """

    site: Site | None
    row: Row | None
    kicker: str
    title: str
    reasons: tuple[str, ...]


def recommend(sites: Sequence[Site], limits: Limits) -> Advice:
    """Return which configuration to use.

    Parameters
    ----------
    sites : sequence of Site
    limits : Limits

    Returns
    -------
    Advice
        Of the rows within the limits: the highest sensitivity, then the highest specificity, then
        the quickest, and of about equally quick ones the smallest. Measured rows come before
        estimated ones, and judged rows before others. Accuracies on different data sets are not
        ranked: real images come before generated ones, then the larger set. A row that failed
        parity is never chosen.
    """
    every = [(site, row) for site in sites for row in site.rows if row["status"] == "ok"]
    sound = [(site, row) for site, row in every if row.get("parity") != "fail"]
    within = [(site, row) for site, row in sound if not limits.broken_by(row)]
    if not within:
        return _no_advice([row for _, row in every], sound, limits)
    measured = [(site, row) for site, row in within if row["kind"] == "measured"] or within
    judged = [(site, row) for site, row in measured if sensitivity(row) is not None]
    same_data = _judged_on_best_data(judged)
    best_rank = max((rank(row) for _, row in same_data), default=None)
    best = [(site, row) for site, row in same_data if rank(row) == best_rank] or measured
    shortest = min(wait_ms(row) for _, row in best)
    quick = [(site, row) for site, row in best if wait_ms(row) <= EQUALLY_QUICK * shortest]
    site, row = min(quick, key=lambda one: (one[1]["peak_mib"] or float("inf"), wait_ms(one[1])))
    reasons = [row_reason(site.title, row)]
    reasons += limit_reasons(row, limits, len(every), len(sound), len(within))
    if judged:
        groups = tuple([row for _, row in group] for group in (judged, same_data, best))
        reasons += judged_reasons(row, groups, limits)
    else:
        reasons.append(UNJUDGED)
    if row["noise"]:
        reasons.append(f"While it was measured, {'; '.join(row['noise'])}.")
    return Advice(site, row, _kicker(row, limits), configuration_name(row), tuple(reasons))


def rank(row: Row) -> tuple[float, float]:
    """Return what judged rows are ranked by: sensitivity, then specificity."""
    return sensitivity(row) or 0.0, specificity(row) or 0.0


def _judged_on_best_data(judged: Sequence[Candidate]) -> list[Candidate]:
    """Return the rows judged on one data set: a real one if there is one, then the largest."""
    sets = {_fingerprint(row): data_of(row) for _, row in judged}
    if not sets:
        return []

    def preference(fingerprint: str | None) -> tuple[bool, int]:
        data = sets[fingerprint]
        return (data["generated"], -data["images"]) if data else (False, 0)

    first = min(sets, key=preference)
    return [(site, row) for site, row in judged if _fingerprint(row) == first]


def _fingerprint(row: Row) -> str | None:
    data = data_of(row)
    return data["fingerprint"] if data else None


def _kicker(row: Row, limits: Limits) -> str:
    if sensitivity(row) is None:
        return "Quickest within the limits" if limits != Limits() else "Quickest of all"
    data = data_of(row)
    return "Recommendation" + (", on generated images" if data and data["generated"] else "")


def _no_advice(every: Sequence[Row], sound: Sequence[Candidate], limits: Limits) -> Advice:
    """Return the advice for the case that no row is left."""
    if not every:
        empty = ("No configuration was measured.",)
        return Advice(None, None, "Recommendation", "Nothing to recommend", empty)
    nearest = None
    if sound:

        def excess(one: Candidate) -> tuple[int, float]:
            broken = limits.broken_by(one[1])
            return len(broken), sum(broken.values())

        site, row = min(sound, key=excess)
        nearest = site.title, row
    title = "Nothing is within the limits" if sound else "Every configuration failed parity"
    reasons = missed_reasons(every, [row for _, row in sound], limits, nearest)
    return Advice(None, None, "Recommendation", title, tuple(reasons))
