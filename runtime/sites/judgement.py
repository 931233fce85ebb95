"""Whether a refitted last layer is better than the shipped one at a site: figures and the rule.

All figures of the refitted layer are cross-validated by group: each group is judged by a layer,
a temperature and a threshold that were fitted to the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ..metrics.decisions import is_positive
from ..metrics.intervals import auc, bootstrap_auc, bootstrap_interval, wilson
from ..metrics.metrics import brier, ece
from .refit import SiteHead, fit_rule, group_folds
from .solver import Examples, Problem, fit_path, softmax

OUTER_FOLDS = 10
RESAMPLES = 1000
CURVE_SHARES, CURVE_REPEATS = (0.25, 0.5, 0.75), 8
LEAST_AUC = 0.7  # a layer whose AUC may be lower than this is of no use
MARGIN = 0.02  # an AUC or a mean of sensitivity and specificity may be so much lower at most
SEED = 16
# the first two are reasons to adopt
FINDINGS = ("better", "calibrated", "useless", "worse", "undecided")
BETTER, CALIBRATED, USELESS, WORSE, UNDECIDED = FINDINGS
MOST_CELLS = 5000  # an answer beyond this is none

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Share(TypedDict):
    """A share of examples, with its 95 % Wilson interval."""

    value: float
    low: float
    high: float
    count: int


class Figures(TypedDict):
    """What a model is worth on the checked examples."""

    auc: float
    auc_interval: list[float]
    sensitivity: Share
    specificity: Share
    brier: float
    ece: float


class Difference(TypedDict):
    """After minus before, with the 95 % bootstrap interval over groups."""

    value: float
    low: float
    high: float


class Differences(TypedDict):
    """The three differences that decide."""

    auc: Difference
    balanced: Difference  # mean of sensitivity and specificity
    brier: Difference  # lower is better


@dataclass(frozen=True)
class Answers:
    """Calibrated positive probabilities of examples, and which of them are called positive."""

    p: Floats
    called: Mask


@dataclass(frozen=True)
class Judgement:
    """The comparison of a refitted layer with the shipped one.

    Parameters
    ----------
    adopted : bool
    finding : str
        Of `FINDINGS`.
    reason : str
        The finding in words, for people.
    before, after : Figures
        `after` is cross-validated by group.
    differences : Differences
    more : int or None
        How many more checked examples like these would settle it; 0 if it is settled, None if no
        number of examples would be expected to.
    """

    adopted: bool
    finding: str
    reason: str
    before: Figures
    after: Figures
    differences: Differences
    more: int | None


def judge_refit(
    examples: Examples, shipped: SiteHead, labels: tuple[str, ...], positive: tuple[str, ...]
) -> Judgement:
    """Compare a refitted last layer with the shipped one by cross-validation.

    Parameters
    ----------
    examples : Examples
    shipped : SiteHead
    labels, positive : tuple of str

    Returns
    -------
    Judgement

    Notes
    -----
    The refitted layer is adopted if all of this holds:

    - It is of use: its AUC interval begins at 0.7 or above.
    - It is better, or equal and better calibrated. *Better*: the interval of the difference of the
      AUCs, or that of the means of sensitivity and specificity, lies above 0. *Better calibrated*:
      the interval of the difference of the Brier scores lies below 0.
    - It is not worse: neither of the first two intervals lies below 0, and neither of the two
      differences is below -0.02.
    """
    sides = is_positive(labels, positive)
    truth = sides[examples.truth]
    before = answers(shipped, examples, sides)
    after = cross_validated(examples, shipped, labels, positive)
    differences = _differences(truth, before, after, examples.groups)
    figures = _figures(truth, after, examples.groups)
    finding, reason = _verdict(figures, differences)
    adopted = finding in (BETTER, CALIBRATED)
    return Judgement(
        adopted,
        finding,
        reason,
        _figures(truth, before, examples.groups),
        figures,
        differences,
        0 if adopted else _more(len(examples), figures, differences),
    )


def answers(head: SiteHead, examples: Examples, sides: Mask) -> Answers:
    """Return what a head makes of examples."""
    p = head.scores(examples.features)[:, sides].sum(axis=1)
    return Answers(p, p >= head.threshold)


def cross_validated(
    examples: Examples, shipped: SiteHead, labels: tuple[str, ...], positive: tuple[str, ...]
) -> Answers:
    """Return what heads make of the groups that they were not fitted to."""
    sides = is_positive(labels, positive)
    problem = Problem.of_examples(examples, shipped.layer)
    folds = group_folds(problem.truth, problem.groups, sides, OUTER_FOLDS)
    p, called = np.zeros(len(examples)), np.zeros(len(examples), dtype=bool)
    for fold in range(int(folds.max()) + 1):
        test, train = folds == fold, folds != fold
        part = problem.take(train)
        rule = fit_rule(part, sides, shipped.threshold)
        cross = problem.gram[test][:, train]
        logits = rule.solution.logits(cross, problem.given[test], part.gram)
        p[test] = softmax(logits / rule.temperature)[:, sides].sum(axis=1)
        called[test] = p[test] >= rule.threshold
    return Answers(p, called)


def _figures(truth: Mask, given: Answers, groups: NDArray[np.int64]) -> Figures:
    low, high = bootstrap_auc(truth, given.p, groups, seed=SEED, resamples=RESAMPLES)
    return {
        "auc": auc(truth, given.p),
        "auc_interval": [low, high],
        "sensitivity": _share(given.called[truth]),
        "specificity": _share(~given.called[~truth]),
        "brier": brier(truth, given.p),
        "ece": ece(truth.astype(int), np.stack([1 - given.p, given.p], axis=1)),
    }


def _share(right: Mask) -> Share:
    count, total = int(right.sum()), len(right)
    low, high = wilson(count, total)
    return {"value": count / total, "low": low, "high": high, "count": total}


def _differences(
    truth: Mask, before: Answers, after: Answers, groups: NDArray[np.int64]
) -> Differences:
    def balanced(weights: Floats) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            moved = weights * (after.called.astype(float) - before.called.astype(float))
            found = moved[truth].sum() / weights[truth].sum()
            cleared = -moved[~truth].sum() / weights[~truth].sum()
        return float(found + cleared) / 2

    squares = (after.p - truth) ** 2 - (before.p - truth) ** 2
    return {
        "auc": _difference(_auc_difference(truth, before.p, after.p), groups),
        "balanced": _difference(balanced, groups),
        "brier": _difference(lambda w: float((w * squares).sum() / w.sum()), groups),
    }


def _auc_difference(truth: Mask, before: Floats, after: Floats) -> Callable[[Floats], float]:
    """Return the difference of two AUCs of examples that occur so often."""
    wins = []
    for p in (before, after):
        gaps = p[truth][:, None] - p[~truth]
        wins.append((gaps > 0) + 0.5 * (gaps == 0))
    gain = wins[1] - wins[0]

    def difference(weights: Floats) -> float:
        rows, columns = weights[truth], weights[~truth]
        pairs = rows.sum() * columns.sum()
        return float(rows @ gain @ columns / pairs) if pairs else math.nan

    return difference


def _difference(statistic: Callable[[Floats], float], groups: NDArray[np.int64]) -> Difference:
    low, high = bootstrap_interval(groups, statistic, seed=SEED, resamples=RESAMPLES)
    return {"value": statistic(np.ones(len(groups))), "low": low, "high": high}


def _verdict(after: Figures, differences: Differences) -> tuple[str, str]:
    area, balanced, calibration = (differences[key] for key in ("auc", "balanced", "brier"))  # type: ignore[literal-required]
    if not after["auc_interval"][0] >= LEAST_AUC:
        return USELESS, (
            f"the refitted layer may be of no use here: its AUC interval begins at "
            f"{after['auc_interval'][0]:.2f}, below {LEAST_AUC:g}"
        )
    if any(row["high"] < 0 or row["value"] < -MARGIN for row in (area, balanced)):
        return WORSE, "the refitted layer separates the labels less well than the shipped one"
    better = [
        name
        for name, row in (("AUC", area), ("mean of sensitivity and specificity", balanced))
        if row["low"] > 0
    ]
    if better:
        return BETTER, f"better: the interval of the difference of the {better[0]} lies above 0"
    if calibration["high"] < 0:
        return CALIBRATED, (
            "equal, and better calibrated: the interval of the difference of the Brier scores "
            "lies below 0"
        )
    return UNDECIDED, "no difference to the shipped layer is shown"


def _more(count: int, after: Figures, differences: Differences) -> int | None:
    """Return how many more examples would show what these suggest, if it is real.

    The width of an interval falls with the root of the number of examples.
    """
    low, high = after["auc_interval"]
    useful = _needed(count, after["auc"] - LEAST_AUC, (high - low) / 2)
    gains = []
    for key, sign in (("auc", 1), ("balanced", 1), ("brier", -1)):
        row = differences[key]  # type: ignore[literal-required]
        gains.append(_needed(count, sign * row["value"], (row["high"] - row["low"]) / 2))
    needed = max(useful, min(gains))
    return max(math.ceil(needed) - count, 1) if needed <= MOST_CELLS else None


def _needed(count: int, gain: float, half_width: float) -> float:
    """Return the number of examples at which an interval would end at 0."""
    return count * (half_width / gain) ** 2 if gain > 0 else math.inf


def learning_curve(
    examples: Examples,
    shipped: SiteHead,
    labels: tuple[str, ...],
    positive: tuple[str, ...],
    strength: float,
) -> list[tuple[int, float]]:
    """Return the AUC on left-out groups of layers that were fitted to a part of the examples.

    Parameters
    ----------
    examples : Examples
    shipped : SiteHead
    labels, positive : tuple of str
    strength : float
        The penalty that all examples chose.

    Returns
    -------
    list of (int, float)
        Number of examples, and the mean AUC over random choices of groups.
    """
    sides = is_positive(labels, positive)
    problem = Problem.of_examples(examples, shipped.layer)
    random, points = np.random.default_rng(SEED), []
    names = np.unique(examples.groups)
    for share in CURVE_SHARES:
        areas, counts = [], []
        for _ in range(CURVE_REPEATS):
            order = random.permutation(names)
            sizes = np.cumsum([(examples.groups == name).sum() for name in order])
            chosen = order[: 1 + int(np.searchsorted(sizes, share * len(examples)))]
            train = np.isin(examples.groups, chosen)
            if {*sides[examples.truth[train]]} != {*sides[examples.truth[~train]]} or train.all():
                continue
            part = problem.take(train)
            solution = fit_path(part, (strength,))[0]
            logits = solution.logits(
                problem.gram[~train][:, train], problem.given[~train], part.gram
            )
            p = softmax(logits)[:, sides].sum(axis=1)
            areas.append(auc(sides[examples.truth[~train]], p))
            counts.append(int(train.sum()))
        if areas := [area for area in areas if math.isfinite(area)]:
            points.append((round(float(np.mean(counts))), float(np.mean(areas))))
    return points
