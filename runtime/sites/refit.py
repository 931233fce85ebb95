"""Refits the last dense layer of a model to checked examples of one microscope; numpy only.

Multinomial logistic regression whose weights are drawn towards the shipped ones. First the shipped
logits are rescaled and shifted; then a change of the weights is fitted on top, as large as
cross-validation by group justifies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..bundle.last_layers import LastLayer
from ..metrics.decisions import is_positive
from .solver import (
    Examples,
    Ints,
    Problem,
    Solution,
    Strengths,
    cross_entropy,
    fit_path,
    platt_targets,
    softmax,
)

# Penalties of the change of the weights, for features of mean squared length 1 and a mean loss.
# The first one allows no change of the weights.
STRENGTHS = (np.inf, 0.1, 0.03, 0.01, 0.003)
INNER_FOLDS = 5
TEMPERATURES = np.geomspace(0.5, 4.0, 25)  # more is not justified by so few examples
BAND_LEAST = 1e-6  # probabilities are kept so far from 0 and 1 before their log-odds

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SiteHead:
    """What takes the place of the last layer of an artifact, and of its decision rule.

    Parameters
    ----------
    layer : LastLayer
    temperature : float
    threshold : float
        Least calibrated probability of all positive labels together that gives a positive label.
    band : (float, float)
        Probabilities from the first up to below the second are indeterminate.
    strength : float
        The penalty that was chosen; infinite if the weights are the shipped ones, rescaled.
    """

    layer: LastLayer
    temperature: float
    threshold: float
    band: tuple[float, float]
    strength: float = np.inf

    def scores(self, features: NDArray[np.floating]) -> Floats:
        """Return the calibrated scores of (N, D) features, (N, C)."""
        return softmax(self.layer.logits(features) / self.temperature)


@dataclass(frozen=True)
class FittedRule:
    """What a fit chose: a solution, its penalty, a temperature and a threshold."""

    solution: Solution
    strength: float
    temperature: float
    threshold: float


def fit_head(
    examples: Examples, shipped: SiteHead, labels: tuple[str, ...], positive: tuple[str, ...]
) -> SiteHead:
    """Fit the last layer, the temperature and the threshold to checked examples.

    Parameters
    ----------
    examples : Examples
        Both sides of the diagnosis occur, each in two groups at least.
    shipped : SiteHead
        Of the artifact, with its temperature, threshold and band.
    labels, positive : tuple of str

    Returns
    -------
    SiteHead
        Its band has the width of the shipped one in log-odds, around the threshold.
    """
    problem = Problem.of_examples(examples, shipped.layer)
    rule = fit_rule(problem, is_positive(labels, positive), shipped.threshold)
    layer = rule.solution.layer(examples.features, shipped.layer)
    band = _moved_band(shipped, rule.threshold)
    return SiteHead(layer, rule.temperature, rule.threshold, band, rule.strength)


def fit_rule(
    problem: Problem, sides: Mask, shipped_threshold: float, strengths: Strengths = STRENGTHS
) -> FittedRule:
    """Fit a solution, and choose its penalty, temperature and threshold on left-out groups.

    Parameters
    ----------
    problem : Problem
    sides : (C,) ndarray of bool
        Which labels are positive.
    shipped_threshold : float
    strengths : tuple of float
        Penalties to choose from, the strongest first.

    Returns
    -------
    FittedRule

    Notes
    -----
    The penalty has the smallest log loss on left-out groups. The threshold is the nearest to the
    shipped one whose mean of sensitivity and specificity is within one standard error of the best.
    """
    folds = group_folds(problem.truth, problem.groups, sides, INNER_FOLDS)
    logits = np.zeros((len(strengths), *problem.given.shape))
    for fold in range(int(folds.max()) + 1):
        test, train = folds == fold, folds != fold
        part = problem.take(train)
        cross = problem.gram[test][:, train]
        for number, solution in enumerate(fit_path(part, strengths)):
            logits[number, test] = solution.logits(cross, problem.given[test], part.gram)
    targets = platt_targets(problem.truth, problem.given.shape[1])
    best = int(np.argmin([cross_entropy(row, targets) for row in logits]))
    temperature = float(min(TEMPERATURES, key=lambda t: cross_entropy(logits[best] / t, targets)))
    p = softmax(logits[best] / temperature)[:, sides].sum(axis=1)
    threshold = _threshold(sides[problem.truth], p, shipped_threshold)
    solution = fit_path(problem, strengths[: best + 1])[-1]
    return FittedRule(solution, strengths[best], temperature, threshold)


def group_folds(truth: Ints, groups: Ints, sides: Mask, folds: int) -> Ints:
    """Return the fold of each example; groups stay together, the sides are spread evenly.

    Parameters
    ----------
    truth, groups : (N,) ndarray of int
        As of `Examples`.
    sides : (C,) ndarray of bool
        Which labels are positive.
    folds : int
        Fewer if there are fewer groups that have a side.

    Returns
    -------
    (N,) ndarray of int
    """
    is_ill = sides[truth]
    names, group = np.unique(groups, return_inverse=True)
    counts = np.stack([np.bincount(group, ~is_ill), np.bincount(group, is_ill)], axis=1)
    folds = max(2, min(folds, int((counts > 0).sum(axis=0).min())))
    totals, fold_of = np.zeros((folds, 2)), np.zeros(len(names), dtype=np.int64)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    for number in np.lexsort((np.arange(len(names)), -shares.max(axis=1))):
        # the emptiest fold on the side that matters most for this group
        side = int(shares[number].argmax())
        order = np.lexsort((totals.sum(axis=1), totals[:, side]))
        fold_of[number] = order[0]
        totals[order[0]] += shares[number]
    return fold_of[group]


def _threshold(truth: NDArray[np.bool_], p: Floats, shipped: float) -> float:
    """Return the threshold nearest to the shipped one that is as good as the best."""
    distinct = np.unique(p)
    cuts = np.append((distinct[1:] + distinct[:-1]) / 2, shipped)
    positives, negatives = np.sort(p[truth]), np.sort(p[~truth])
    found = 1 - np.searchsorted(positives, cuts) / len(positives)
    cleared = np.searchsorted(negatives, cuts) / len(negatives)
    means = (found + cleared) / 2
    best = int(means.argmax())
    error = 0.5 * np.sqrt(
        found[best] * (1 - found[best]) / len(positives)
        + cleared[best] * (1 - cleared[best]) / len(negatives)
    )
    good = cuts[means >= means[best] - error - 1e-12]
    return float(good[np.abs(_log_odds(good) - _log_odds(shipped)).argmin()])


def _moved_band(shipped: SiteHead, threshold: float) -> tuple[float, float]:
    """Return the band around a threshold, as wide in log-odds as the shipped one."""
    moved = _log_odds(threshold) - _log_odds(shipped.threshold)
    ends = 1 / (1 + np.exp(-(_log_odds(np.array(shipped.band)) + moved)))
    low, high = (float(end) for end in ends)
    return min(low, threshold), max(high, threshold)


def _log_odds(p: Floats | float) -> Floats:
    clipped = np.clip(p, BAND_LEAST, 1 - BAND_LEAST)
    return np.asarray(np.log(clipped / (1 - clipped)), dtype=np.float64)


def rounded(head: SiteHead) -> SiteHead:
    """Return a head with its layer in float32, as it is stored."""
    layer = LastLayer(head.layer.weights.astype(np.float32), head.layer.bias.astype(np.float32))
    return replace(head, layer=layer)
