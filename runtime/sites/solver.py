"""Solves the refit of a last dense layer for one penalty after the other; numpy only.

Multinomial logistic regression in the inner products of the features, so that neither a fold nor a
penalty costs more than the number of examples makes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bundle.last_layers import LastLayer

STEPS, NEWTON_STEPS = 80, 12
TOLERANCE = 1e-4
SCALES = (0.0, 3.0)  # of the shipped logits
SCALE_PENALTY = 1e-3  # draws the scale towards 1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
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


def platt_targets(truth: Ints, labels: int) -> Floats:
    """Return target probabilities, (N, C): (n + 1) / (n + 2) for a label with n examples."""
    doubt = 1 / (np.bincount(truth, minlength=labels)[truth] + 2)
    targets = np.repeat(doubt[:, None] / (labels - 1), labels, axis=1)
    targets[np.arange(len(truth)), truth] = 1 - doubt
    return np.asarray(targets, dtype=np.float64)


def fit_path(problem: Problem, strengths: Strengths) -> list[Solution]:
    """Return the solution for each penalty.

    Parameters
    ----------
    problem : Problem
    strengths : tuple of float
        Penalties for a change of the weights, the strongest first. An infinite one allows none.

    Returns
    -------
    list of Solution

    References
    ----------
    D. Böhning, "Multinomial logistic regression algorithm", Ann. Inst. Stat. Math. 44 (1992),
    197-200: the upper bound of the curvature. J. Platt, "Probabilistic outputs for support vector
    machines" (1999): the targets. B. O'Donoghue, E. Candès, "Adaptive restart for accelerated
    gradient schemes", Found. Comput. Math. 15 (2015), 715-732.
    """
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
        return cross_entropy(design @ at, targets) + float((penalty * (at - middle) ** 2).sum() / 2)

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


def cross_entropy(logits: Floats, targets: Floats) -> float:
    """Return the mean cross-entropy of (N, C) logits and target probabilities."""
    top = logits.max(axis=1, keepdims=True)
    normal = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return float((normal - (targets * logits).sum(axis=1)).mean())


def softmax(logits: Floats) -> Floats:
    """Return the (N, C) probabilities of (N, C) logits."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)
