"""The linear probe: a regularised head on frozen features, solved rather than trained.

It is both where fine-tuning starts from and the reference that it has to beat.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.group_folds import group_folds

# Inverse strength of the penalty, chosen inside the training part by log loss.
STRENGTHS = tuple(10.0**power for power in range(-5, 2))
CHOOSING_PARTS = 5
FEW_GROUPS_STRENGTH = 0.01  # where a class has one group and nothing can be chosen
TINY = 1e-7
ITERATIONS = 2000

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """One dense layer on pooled features.

    Parameters
    ----------
    kernel : (D, K) ndarray of float32
        K is 1 for two labels.
    bias : (K,) ndarray of float32
    strength : float
        The inverse penalty that was chosen.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float

    def scores(self, features: Floats) -> NDArray[np.float64]:
        """Return probabilities, (N, C), of features, (N, D)."""
        logits = features.astype(np.float64) @ self.kernel + self.bias
        if logits.shape[1] == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_probe(
    features: Floats, truth: Ints, groups: Sequence[str], *, balanced: bool, seed: int
) -> Probe:
    """Fit a logistic regression on standardised features, its penalty chosen by grouped folds.

    Parameters
    ----------
    features : (M, D) ndarray
    truth : (M,) ndarray of int
        Every label occurs.
    groups : sequence of str
    balanced : bool
        True weighs the classes alike.
    seed : int

    Returns
    -------
    Probe
        The standardisation is folded into its weights.

    References
    ----------
    The rule of one standard error: L. Breiman, J. Friedman, R. Olshen, C. Stone,
    "Classification and regression trees" (1984), section 3.4.3.
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 1e-6, spread, 1.0)
    table = ((features - centre) / spread).astype(np.float64)
    turned, axes = _turned(table)
    strength = _strength(turned, truth, groups, balanced, seed)
    fitted = _regression(turned, truth, strength, balanced)
    kernel = (axes @ fitted.coef_.T if axes is not None else fitted.coef_.T) / spread[:, None]
    bias = fitted.intercept_ - centre @ kernel
    return Probe(kernel.astype(np.float32), bias.astype(np.float32), strength)


def _turned(table: Floats) -> tuple[Floats, Floats | None]:
    """Return fewer columns than there are features where rows are few, and the axes they lie on.

    The penalty does not change when features are turned, and all rows lie in a space with as many
    dimensions as there are rows: the solution is the same, found many times faster.
    """
    if table.shape[1] <= table.shape[0]:
        return table, None
    axes, coordinates = np.linalg.qr(table.T)
    return np.ascontiguousarray(coordinates.T), axes


def _strength(
    table: Floats, truth: Ints, groups: Sequence[str], balanced: bool, seed: int
) -> float:
    """Return the strongest penalty whose loss is within one standard error of the least."""
    part = group_folds(truth, groups, CHOOSING_PARTS, seed)
    labels = set(truth.tolist())
    if any(set(truth[part != number].tolist()) != labels for number in np.unique(part)):
        return FEW_GROUPS_STRENGTH
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(group)
    losses = np.array(
        [
            np.bincount(group, _losses(table, truth, part, strength, balanced)) / sizes
            for strength in STRENGTHS
        ]
    )
    means = losses.mean(axis=1)
    best = int(means.argmin())
    error = losses[best].std(ddof=1) / np.sqrt(len(sizes))
    return STRENGTHS[int(np.flatnonzero(means <= means[best] + error)[0])]


def _losses(
    table: Floats, truth: Ints, part: Ints, strength: float, balanced: bool
) -> NDArray[np.float64]:
    """Return the loss of every row, each from a regression that has not seen its part."""
    losses = np.empty(len(truth))
    for number in np.unique(part):
        out = part == number
        given = _regression(table[~out], truth[~out], strength, balanced).predict_proba(table[out])
        losses[out] = -np.log(np.clip(given[np.arange(len(given)), truth[out]], TINY, 1))
    return losses


def _regression(table: Floats, truth: Ints, strength: float, balanced: bool):  # type: ignore[no-untyped-def]
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a weak penalty on separable data converges slowly
        return LogisticRegression(
            C=strength, max_iter=ITERATIONS, class_weight="balanced" if balanced else None
        ).fit(table, truth)
