"""Quantiles of times and the interval of a median over rounds; numpy and the standard library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, median, stdev
from typing import Any

import numpy as np

Json = dict[str, Any]

CONFIDENCE = 0.95
# A quantile is given from so many samples on that one of them can lie beyond it.
SAMPLES_FOR = {"p50_ms": 1, "p90_ms": 10, "p95_ms": 20, "p99_ms": 100}
# Student's t, two-sided 95 %, for 1 to 30 degrees of freedom (Abramowitz & Stegun, table 26.10).
STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def student_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of what a few rounds gave; None from a single one.

    Parameters
    ----------
    values : sequence of float
        One a round. Rounds are processes of their own, so they are independent; samples within
        one are not.

    References
    ----------
    Student, "The probable error of a mean", Biometrika 6 (1908), 1-25.
    """
    if len(values) < 2:
        return None
    t = STUDENT[min(len(values) - 1, len(STUDENT)) - 1]
    centre, half = mean(values), t * stdev(values) / math.sqrt(len(values))
    return centre - half, centre + half


def median_interval(rounds: Sequence[Sequence[float]]) -> Json | None:
    """Return the interval of the median over rounds, as the documents hold it."""
    medians = [median(samples) for samples in rounds if samples]
    ends = student_interval(medians)
    if ends is None:
        return None
    return {
        "low": _ms(max(ends[0], 0.0)),
        "high": _ms(ends[1]),
        "confidence": CONFIDENCE,
        "rounds": len(medians),
    }


def half_width(rounds: Sequence[Sequence[float]]) -> float:
    """Return half the interval of the median as a share of it; infinite from a single round."""
    medians = [median(samples) for samples in rounds if samples]
    ends = student_interval(medians)
    return math.inf if ends is None else (ends[1] - ends[0]) / 2 / mean(medians)


def widest(found: Sequence[Json]) -> float:
    """Return the larger `half_width` of the model alone and of the way from the file.

    Parameters
    ----------
    found : sequence of dict
        What the worker found, one a round.
    """
    model = [one["samples_ms"] for one in found]
    return max(half_width(model), half_width([one["end_to_end"]["samples_ms"] for one in found]))


def times(
    rounds: Sequence[Sequence[float]], load_ms: Sequence[float], first_ms: Sequence[float]
) -> Json:
    """Return the block of times of a row.

    Parameters
    ----------
    rounds : sequence of sequences of float
        Milliseconds, the samples of each round.
    load_ms, first_ms : sequence of float
        One a round; their medians are given.
    """
    samples = np.concatenate([np.asarray(row, dtype=float) for row in rounds])
    figures: Json = {
        "load_ms": _ms(median(load_ms)) if load_ms else None,
        "first_ms": _ms(median(first_ms)) if first_ms else None,
    }
    for name, needed in SAMPLES_FOR.items():
        share = float(name[1:3])
        enough = len(samples) >= needed
        figures[name] = _ms(float(np.percentile(samples, share))) if enough else None
    return {
        **figures,
        "mean_ms": _ms(float(samples.mean())),
        "sd_ms": _ms(float(samples.std(ddof=1))) if len(samples) > 1 else None,
        "n": len(samples),
        "ci": median_interval(rounds),
    }


def ratio_interval(ours: Sequence[float], theirs: Sequence[float]) -> Json:
    """Return the paired ratio of two things measured round by round, with its 95 % interval.

    Parameters
    ----------
    ours, theirs : sequence of float
        One a round, in the same order.

    Returns
    -------
    dict
        ``ratio``, ``low``, ``high``, ``rounds``: the geometric mean of the rounds' ratios; the
        interval is Student's on their logarithms.
    """
    logs = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    ends = student_interval(logs)
    low, high = (math.nan, math.nan) if ends is None else (math.exp(ends[0]), math.exp(ends[1]))
    return {"ratio": math.exp(mean(logs)), "low": low, "high": high, "rounds": len(logs)}


def _ms(value: float) -> float:
    return round(value, 4)
