"""Refits the last dense layer of a model to checked examples of one microscope; numpy only.

Multinomial logistic regression whose weights are drawn towards the shipped ones. First the shipped
logits are rescaled and shifted; then a change of the weights is fitted on top, as large as
cross-validation by group justifies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..bundle.last_layers import LastLayer
from ..metrics.decisions import is_positive

# Penalties of the change of the weights, for features of mean squared length 1 and a mean loss.
# The first one allows no change of the weights.
STRENGTHS = (np.inf, 0.1, 0.03, 0.01, 0.003)
INNER_FOLDS = 5
STEPS, NEWTON_STEPS = 80, 12
TOLERANCE = 1e-4
SCALES = (0.0, 3.0)  # of the shipped logits
SCALE_PENALTY = 1e-3  # draws the scale towards 1
TEMPERATURES = np.geomspace(0.5, 4.0, 25)  # more is not justified by so few examples
BAND_LEAST = 1e-6  # probabilities are kept so far from 0 and 1 before their log-odds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Strengths = tuple[float, ...]


@dataclass(frozen=True)
class Examples:
    """Checked examples: what the model has under its last layer, and what a person says.

    Parameters
    ----------
    features : (N, D) ndarray of float
    truth : (N,) ndarray of int
        Index of the label.
    groups : (N,) ndarray of int
        Examples of one smear or image have one number.
    """

    features: NDArray[np.floating]
    truth: Ints
    groups: Ints

    def __len__(self) -> int:
        return len(self.truth)


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
class Problem:
    """Examples as far as a fit needs them: inner products instead of features.

    Parameters
    ----------
    gram : (N, N) ndarray of float64
        Inner products of the features.
    given : (N, C) ndarray of float64
        Logits of the shipped layer.
    truth, groups : (N,) ndarray of int
        As of `Examples`.
    """

    gram: Floats
    given: Floats
    truth: Ints
    groups: Ints

    @classmethod
    def of_examples(cls, examples: Examples, shipped: LastLayer) -> Problem:
        """Return the problem of refitting a layer to examples."""
        features = np.asarray(examples.features, dtype=np.float64)
        given = shipped.logits(features)
        return cls(features @ features.T, given, examples.truth, examples.groups)

    def take(self, rows: NDArray[np.generic]) -> Problem:
        """Return the problem of some of the examples, (N,) bool or indices."""
        gram = self.gram[rows][:, rows]
        return Problem(gram, self.given[rows], self.truth[rows], self.groups[rows])


@dataclass(frozen=True)
class Solution:
    """A fitted layer, as scale and shift of the shipped logits and a sum over the examples.

    Parameters
    ----------
    scale : float
    shift : (C,) ndarray of float64
    coefficients : (N, C) ndarray of float64
        Of the centred features of the examples that it was fitted to.
    """

    scale: float
    shift: Floats
    coefficients: Floats

    def logits(self, cross: Floats, given: Floats, gram: Floats) -> Floats:
        """Return the logits of other examples, (M, C).

        Parameters
        ----------
        cross : (M, N) ndarray of float64
            Inner products of their features and those of the examples that were fitted.
        given : (M, C) ndarray of float64
            Shipped logits.
        gram : (N, N) ndarray of float64
            Of the examples that were fitted.
        """
        means = gram.mean(axis=0)
        centred = cross - cross.mean(axis=1, keepdims=True) - means + means.mean()
        return np.asarray(self.scale * given + self.shift + centred @ self.coefficients)

    def layer(self, features: NDArray[np.floating], shipped: LastLayer) -> LastLayer:
        """Return the layer itself, from the features of the examples that it was fitted to."""
        rows = np.asarray(features, dtype=np.float64)
        mean = rows.mean(axis=0)
        change = (rows - mean).T @ self.coefficients
        weights = self.scale * shipped.weights + change
        return LastLayer(weights, self.scale * shipped.bias + self.shift - mean @ change)


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

    References
    ----------
    D. Böhning, "Multinomial logistic regression algorithm", Ann. Inst. Stat. Math. 44 (1992),
    197-200: the upper bound of the curvature. J. Platt, "Probabilistic outputs for support vector
    machines" (1999): the targets. B. O'Donoghue, E. Candès, "Adaptive restart for accelerated
    gradient schemes", Found. Comput. Math. 15 (2015), 715-732.
    """
    folds = group_folds(problem.truth, problem.groups, sides, INNER_FOLDS)
    logits = np.zeros((len(strengths), *problem.given.shape))
    for fold in range(int(folds.max()) + 1):
        test, train = folds == fold, folds != fold
        part = problem.take(train)
        cross = problem.gram[test][:, train]
        for number, solution in enumerate(_fit_path(part, strengths)):
            logits[number, test] = solution.logits(cross, problem.given[test], part.gram)
    targets = platt_targets(problem.truth, problem.given.shape[1])
    best = int(np.argmin([_loss(row, targets) for row in logits]))
    temperature = float(min(TEMPERATURES, key=lambda t: _loss(logits[best] / t, targets)))
    p = softmax(logits[best] / temperature)[:, sides].sum(axis=1)
    threshold = _threshold(sides[problem.truth], p, shipped_threshold)
    solution = _fit_path(problem, strengths[: best + 1])[-1]
    return FittedRule(solution, strengths[best], temperature, threshold)


def fit_solution(problem: Problem, strength: float) -> Solution:
    """Return the solution for one penalty."""
    return _fit_path(problem, (strength,))[0]


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


def platt_targets(truth: Ints, labels: int) -> Floats:
    """Return target probabilities, (N, C): (n + 1) / (n + 2) for a label with n examples."""
    doubt = 1 / (np.bincount(truth, minlength=labels)[truth] + 2)
    targets = np.repeat(doubt[:, None] / (labels - 1), labels, axis=1)
    targets[np.arange(len(truth)), truth] = 1 - doubt
    return np.asarray(targets, dtype=np.float64)


def _fit_path(problem: Problem, strengths: Strengths) -> list[Solution]:
    """Return the solution for each penalty, the strongest first."""
    count, labels = problem.given.shape
    targets = platt_targets(problem.truth, labels)
    scale, shift = _rescaled(problem.given, targets)
    means = problem.gram.mean(axis=0)
    centred = problem.gram - means - means[:, None] + means.mean()
    size = float(np.trace(centred)) / count or 1.0
    values, vectors = np.linalg.eigh(centred / size)
    used = values > 1e-9 * max(float(values[-1]), 1e-30)
    roots, vectors = np.sqrt(values[used]), vectors[:, used]
    # the examples in the basis of their own variation, beside a column for the bias
    table = np.concatenate([np.ones((1, count)), (vectors * roots).T])
    squares = np.append(float(count), roots**2)
    offset, target_rows = (scale * problem.given + shift).T.copy(), targets.T.copy()
    change, solutions = np.zeros((labels, len(table))), []
    for strength in strengths:
        if np.isfinite(strength):
            change = _descend(table, squares, offset, target_rows, strength, change)
        coefficients = vectors @ (change[:, 1:] / roots).T / size
        solutions.append(Solution(scale, shift + change[:, 0], coefficients))
    return solutions


def _rescaled(given: Floats, targets: Floats) -> tuple[float, Floats]:
    """Return the scale and the shifts of logits with the smallest loss, by Newton's method."""
    count, labels = given.shape
    design = np.zeros((count, labels, labels + 1))
    design[:, :, 0] = given
    design[:, np.arange(labels), 1 + np.arange(labels)] = 1.0
    middle = np.zeros(labels + 1)
    middle[0] = 1.0
    penalty = np.full(labels + 1, 1e-6)
    penalty[0] = SCALE_PENALTY
    values = middle.copy()

    def objective(at: Floats) -> float:
        return _loss(design @ at, targets) + float((penalty * (at - middle) ** 2).sum() / 2)

    for _ in range(NEWTON_STEPS):
        p = softmax(design @ values)
        slope = np.einsum("ncp,nc->p", design, p - targets) / count + penalty * (values - middle)
        mean = np.einsum("ncp,nc->np", design, p)
        curvature = np.einsum("ncp,nc,ncq->pq", design, p, design) / count - mean.T @ mean / count
        step = np.linalg.solve(curvature + np.diag(penalty + 1e-9), slope)
        size, before = 1.0, objective(values)
        while size > 1e-4 and objective(values - size * step) > before:
            size /= 2
        values = values - size * step
        values[0] = np.clip(values[0], *SCALES)
        if np.abs(size * step).max() < TOLERANCE:
            break
    return float(values[0]), values[1:] - values[1:].mean()


def _descend(
    table: Floats,
    squares: Floats,
    offset: Floats,
    targets: Floats,
    strength: float,
    change: Floats,
) -> Floats:
    """Return the (C, R) change of the layer with the smallest penalised loss.

    The (R, N) `table` has orthogonal rows, with the squared lengths `squares`, so that the bound of
    the curvature is diagonal. The first row is that of the bias, which has no penalty.
    """
    count = table.shape[1]
    penalty = np.full(len(table), strength)
    penalty[0] = 0.0
    rates = 1 / (squares / (2 * count) + penalty)
    columns = table.T.copy()
    ahead, momentum = change, 1.0
    for _ in range(STEPS):
        logits = offset + ahead @ table
        weights = np.exp(logits - logits.max(axis=0))
        rest = (weights / weights.sum(axis=0) - targets) / count
        following = ahead - rates * (rest @ columns + penalty * ahead)
        move = following - change
        turns_back = float(np.vdot(ahead - following, move)) > 0
        change = following
        if float(np.abs(move).max()) < TOLERANCE:
            break
        after = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = change if turns_back else change + (momentum - 1) / after * move
        momentum = 1.0 if turns_back else after
    return change


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


def _loss(logits: Floats, targets: Floats) -> float:
    """Return the mean cross-entropy of logits."""
    top = logits.max(axis=1, keepdims=True)
    normal = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return float((normal - (targets * logits).sum(axis=1)).mean())


def softmax(logits: Floats) -> Floats:
    """Return the (N, C) probabilities of (N, C) logits."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def rounded(head: SiteHead) -> SiteHead:
    """Return a head with its layer in float32, as it is stored."""
    layer = LastLayer(head.layer.weights.astype(np.float32), head.layer.bias.astype(np.float32))
    return replace(head, layer=layer)
