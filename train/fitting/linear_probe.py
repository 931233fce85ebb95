"""The linear probe: a regularised logistic regression on features of the frozen base.

It is the starting point of fine-tuning and the reference that fine-tuning is compared with.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.group_folds import group_folds
from .targets import MIN_PROBABILITY
from .types import Ints

# scikit-learn's C, the inverse strength of the penalty; chosen by log loss in the training part
INVERSE_STRENGTHS = tuple(10.0**power for power in range(-5, 2))
CHOICE_FOLDS = 5
DEFAULT_INVERSE_STRENGTH = 0.01  # for a class with a single group, where no choice is possible
MIN_SPREAD = 1e-6  # standard deviation of a feature below which it is constant
ITERATIONS = 2000
# With more rows than this, the penalty is chosen on the first pass over the images alone: choosing
# takes 36 regressions, and a thousand cells with four augmented passes make five thousand rows.
MAX_CHOICE_ROWS = 2000

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Probe:
    """One dense layer on pooled features.

    Parameters
    ----------
    kernel : (D, K) ndarray of float32
        K is 1 for two labels.
    bias : (K,) ndarray of float32
    inverse_strength : float
        The chosen C: inverse strength of the penalty.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    inverse_strength: float

    def scores(self, features: Floats) -> NDArray[np.float64]:
        """Return probabilities, (N, C), of features, (N, D)."""
        from scipy.special import softmax

        logits = features.astype(np.float64) @ self.kernel + self.bias
        if logits.shape[1] == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        return np.asarray(softmax(logits, axis=1))


def fit_probe(
    features: Floats,
    truth: Ints,
    groups: Sequence[str],
    *,
    balanced: bool,
    seed: int,
    passes: int = 1,
) -> Probe:
    """Fit a logistic regression on standardised features and choose its penalty by grouped folds.

    Parameters
    ----------
    features : (M, D) ndarray
    truth : (M,) ndarray of int
        Label of each image. Every label must occur.
    groups : sequence of str
        Group of each image. Images of a group are never in different folds.
    balanced : bool
        True gives all labels the same total weight.
    seed : int
    passes : int
        The rows are this many passes over the same images, one after the other.

    Returns
    -------
    Probe
        For features that are not standardised: its weights include the standardisation.

    References
    ----------
    The one-standard-error rule: L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and
    regression trees" (1984), section 3.4.3.

    Examples
    --------
    >>> probe = fit_probe(features, truth, groups, balanced=True, seed=0)  # doctest: +SKIP
    >>> probe.scores(features).shape  # doctest: +SKIP
    (108, 2)
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > MIN_SPREAD, spread, 1.0)
    standardised = ((features - centre) / spread).astype(np.float64)
    table, axes = _reduce_columns(standardised)
    if passes > 1 and len(table) > MAX_CHOICE_ROWS:
        count = len(table) // passes
        first, _ = _reduce_columns(standardised[:count])
        chosen = _choose_inverse_strength(first, truth[:count], groups[:count], balanced, seed)
        inverse_strength = chosen / passes  # each image has `passes` losses against one penalty
    else:
        inverse_strength = _choose_inverse_strength(table, truth, groups, balanced, seed)
    model = _fit_regression(table, truth, inverse_strength, balanced)
    kernel = (axes @ model.coef_.T if axes is not None else model.coef_.T) / spread[:, None]
    bias = model.intercept_ - centre @ kernel
    return Probe(kernel.astype(np.float32), bias.astype(np.float32), inverse_strength)


def _reduce_columns(table: Floats) -> tuple[Floats, Floats | None]:
    """Rotate (M, D) features into the M dimensions that the rows span, if M < D.

    The penalty is invariant under rotation, so the solution is the same and many times faster to
    compute. Returns the table and the axes of the new space, (D, M); None if it was not rotated.
    """
    if table.shape[1] <= table.shape[0]:
        return table, None
    axes, coordinates = np.linalg.qr(table.T)
    return np.ascontiguousarray(coordinates.T), axes


def _choose_inverse_strength(
    table: Floats, truth: Ints, groups: Sequence[str], balanced: bool, seed: int
) -> float:
    """Return the strongest penalty whose loss is within one standard error of the lowest loss."""
    part = group_folds(truth, groups, CHOICE_FOLDS, seed)
    labels = set(truth.tolist())
    if any(set(truth[part != number].tolist()) != labels for number in np.unique(part)):
        return DEFAULT_INVERSE_STRENGTH
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(group)
    losses = np.array(
        [
            np.bincount(group, _losses(table, truth, part, inverse_strength, balanced)) / sizes
            for inverse_strength in INVERSE_STRENGTHS
        ]
    )
    means = losses.mean(axis=1)
    best = int(means.argmin())
    error = losses[best].std(ddof=1) / np.sqrt(len(sizes))
    return INVERSE_STRENGTHS[int(np.flatnonzero(means <= means[best] + error)[0])]


def _losses(
    table: Floats, truth: Ints, part: Ints, inverse_strength: float, balanced: bool
) -> NDArray[np.float64]:
    """Return the log loss of each row, from a regression on the other parts."""
    losses = np.empty(len(truth))
    for number in np.unique(part):
        test = part == number
        model = _fit_regression(table[~test], truth[~test], inverse_strength, balanced)
        scores = model.predict_proba(table[test])[np.arange(test.sum()), truth[test]]
        losses[test] = -np.log(np.clip(scores, MIN_PROBABILITY, 1))
    return losses


def _fit_regression(table: Floats, truth: Ints, inverse_strength: float, balanced: bool) -> Any:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a weak penalty on separable data converges slowly
        return LogisticRegression(
            C=inverse_strength, max_iter=ITERATIONS, class_weight="balanced" if balanced else None
        ).fit(table, truth)
