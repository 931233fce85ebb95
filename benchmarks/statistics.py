"""Percentiles of times, and confidence intervals over rounds.

`alledge benchmark` computes these on the device, where only numpy is installed. That is why
Student's quantiles are a table here and not a call to scipy; a test compares them with scipy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, median, stdev

import numpy as np

from .types import Interval, Ratio, TimedRound, Times

CONFIDENCE = 0.95
# Student's t, two-sided 95 %, for 1 to 30 degrees of freedom.
STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def student_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of the mean of a few rounds.

    Parameters
    ----------
    values : sequence of float
        One value for each round. Rounds are separate processes, so they are independent. The
        samples within one round are not.

    Returns
    -------
    (low, high) : tuple of float, or None
        None for fewer than two values.

    References
    ----------
    .. [1] Student, "The probable error of a mean", Biometrika 6 (1908), 1-25.
    .. [2] Abramowitz & Stegun, "Handbook of Mathematical Functions", table 26.10.

    Examples
    --------
    >>> low, high = student_interval([9.0, 10.0, 11.0])
    >>> round(low, 2), round(high, 2)
    (7.52, 12.48)
    """
    if len(values) < 2:
        return None
    # Above 30 degrees of freedom the last entry is used: the interval is slightly too wide.
    t = STUDENT[min(len(values) - 1, len(STUDENT)) - 1]
    centre, half = mean(values), t * stdev(values) / math.sqrt(len(values))
    return centre - half, centre + half


def median_interval(rounds: Sequence[Sequence[float]]) -> Interval | None:
    """Return the confidence interval of the median over rounds.

    Parameters
    ----------
    rounds : sequence of sequences of float
        Milliseconds: the samples of each round.

    Returns
    -------
    Interval or None
        None for fewer than two rounds.
    """
    medians = [median(samples) for samples in rounds if samples]
    ends = student_interval(medians)
    if ends is None:
        return None
    return {
        "low": _round_ms(max(ends[0], 0.0)),
        "high": _round_ms(ends[1]),
        "confidence": CONFIDENCE,
        "rounds": len(medians),
    }


def relative_half_width(rounds: Sequence[Sequence[float]]) -> float:
    """Return half the interval of the median, as a share of the median.

    Returns
    -------
    float
        Infinite for fewer than two rounds.
    """
    medians = [median(samples) for samples in rounds if samples]
    ends = student_interval(medians)
    return math.inf if ends is None else (ends[1] - ends[0]) / 2 / mean(medians)


def widest_interval(rounds: Sequence[TimedRound]) -> float:
    """Return the larger `relative_half_width` of the model alone and of end to end."""
    return max(
        relative_half_width([figures["samples_ms"] for figures in rounds]),
        relative_half_width([figures["end_to_end"]["samples_ms"] for figures in rounds]),
    )


def summarize_times(
    rounds: Sequence[Sequence[float]], load_ms: Sequence[float], first_ms: Sequence[float]
) -> Times:
    """Return the block of times of a row.

    Parameters
    ----------
    rounds : sequence of sequences of float
        Milliseconds: the samples of each round.
    load_ms, first_ms : sequence of float
        One value for each round. The block holds their medians.

    Returns
    -------
    Times
        A percentile is None if there are too few samples for one of them to lie beyond it.
    """
    samples = np.concatenate([np.asarray(row, dtype=float) for row in rounds])

    def percentile(share: int) -> float | None:
        if len(samples) * (100 - share) < 100:
            return None
        return _round_ms(float(np.percentile(samples, share)))

    return {
        "load_ms": _round_ms(median(load_ms)) if load_ms else None,
        "first_ms": _round_ms(median(first_ms)) if first_ms else None,
        "p50_ms": _round_ms(float(np.median(samples))),
        "p90_ms": percentile(90),
        "p95_ms": percentile(95),
        "p99_ms": percentile(99),
        "mean_ms": _round_ms(float(samples.mean())),
        "sd_ms": _round_ms(float(samples.std(ddof=1))) if len(samples) > 1 else None,
        "n": len(samples),
        "ci": median_interval(rounds),
    }


def ratio_interval(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Return the paired ratio of two quantities that were measured round by round.

    Parameters
    ----------
    ours, theirs : sequence of float
        Positive values, one for each round, in the same order.

    Returns
    -------
    Ratio
        ``ratio`` is the geometric mean of the rounds' ratios. ``low`` and ``high`` are Student's
        95 % interval on their logarithms, or NaN for a single round.

    Examples
    --------
    >>> round(ratio_interval([2.0, 4.0], [1.0, 2.0])["ratio"], 3)
    2.0
    """
    logs = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    ends = student_interval(logs)
    low, high = (math.nan, math.nan) if ends is None else (math.exp(ends[0]), math.exp(ends[1]))
    return {"ratio": math.exp(mean(logs)), "low": low, "high": high, "rounds": len(logs)}


def _round_ms(value: float) -> float:
    return round(value, 4)
