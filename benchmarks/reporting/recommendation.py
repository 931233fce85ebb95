"""What to take under given limits, and why, in words; no engine, no page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .recommendation_text import UNJUDGED, judged_reasons, limit_reasons, missed_reasons, row_reason
from .result_merging import Site
from .selection_criteria import Limits, data_of, name, sensitivity, specificity, wait_ms

Json = dict[str, Any]
Candidate = tuple[Site, Json]

AS_QUICK = 1.05  # within so much of the quickest, the smaller one is taken


@dataclass(frozen=True)
class Advice:
    """A recommendation.

    Parameters
    ----------
    site : Site or None
        None where nothing is within the limits.
    row : dict or None
    kicker : str
        What kind of advice it is: a recommendation only where a sensitivity was measured.
    title : str
    reasons : tuple of str
        Sentences.
    """

    site: Site | None
    row: Json | None
    kicker: str
    title: str
    reasons: tuple[str, ...]


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
        the highest specificity, of those the quickest, of about equally quick ones the smallest.
        Measured rows come before estimated ones, judged ones before others. Accuracies of unlike
        data sets are not ranked: real images come before generated ones, then the larger set.
        What failed parity is never taken.
    """
    every = [(site, row) for site in sites for row in site.rows if row["status"] == "ok"]
    sound = [one for one in every if one[1].get("parity") != "fail"]
    within = [one for one in sound if not limits.broken_by(one[1])]
    if not within:
        return _nothing([row for _, row in every], sound, limits)
    measured = [one for one in within if one[1]["kind"] == "measured"] or within
    judged = [one for one in measured if sensitivity(one[1]) is not None]
    alike = _same_data(judged)
    sharp = [one for one in alike if rank(one[1]) == max(rank(row) for _, row in alike)] or measured
    quickest = min(wait_ms(row) for _, row in sharp)
    quick = [one for one in sharp if wait_ms(one[1]) <= AS_QUICK * quickest]
    site, row = min(quick, key=lambda one: (one[1]["peak_mib"] or float("inf"), wait_ms(one[1])))
    reasons = [row_reason(site.title, row)]
    reasons += limit_reasons(row, limits, len(every), len(sound), len(within))
    if judged:
        groups = tuple([one for _, one in group] for group in (judged, alike, sharp))
        reasons += judged_reasons(row, groups, limits)
    else:
        reasons.append(UNJUDGED)
    if row["noise"]:
        reasons.append(f"While it was measured, {'; '.join(row['noise'])}.")
    return Advice(site, row, _kicker(row, limits), name(row), tuple(reasons))


def rank(row: Json) -> tuple[float, float]:
    """Return what judged rows are ranked by: sensitivity, then specificity."""
    return sensitivity(row) or 0.0, specificity(row) or 0.0


def _same_data(judged: Sequence[Candidate]) -> list[Candidate]:
    """Return the rows judged on one data set: a real one, of several the largest."""
    sets = {data_of(row).get("fingerprint"): data_of(row) for _, row in judged}
    order = sorted(
        sets, key=lambda key: (sets[key].get("generated", 0), -sets[key].get("images", 0))
    )
    return [one for one in judged if data_of(one[1]).get("fingerprint") == order[0]]


def _kicker(row: Json, limits: Limits) -> str:
    if sensitivity(row) is not None:
        made = ", on generated images" if data_of(row).get("generated") else ""
        return f"Recommendation{made}"
    return "Quickest within the limits" if limits != Limits() else "Quickest of all"


def _nothing(every: Sequence[Json], sound: Sequence[Candidate], limits: Limits) -> Advice:
    """Return what to say where no row is left."""
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
    title = "Nothing is within the limits" if sound else "Nothing computes what it should"
    reasons = missed_reasons(every, [row for _, row in sound], limits, nearest)
    return Advice(None, None, "Recommendation", title, tuple(reasons))
