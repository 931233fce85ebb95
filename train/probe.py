"""The linear probe: a regularised head on frozen features, solved rather than trained.

It is both where fine-tuning starts from and the reference that it has to beat.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .splits import group_folds

# Inverse strength of the penalty; the best is chosen inside the training part by log loss.
STRENGTHS = tuple(10.0**power for power in range(-5, 2))
CHOOSING_PARTS = 5
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
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 1e-6, spread, 1.0)
    table = ((features - centre) / spread).astype(np.float64)
    strength = _strength(table, truth, groups, balanced, seed)
    fitted = _regression(table, truth, strength, balanced)
    kernel = fitted.coef_.T / spread[:, None]
    bias = fitted.intercept_ - centre @ kernel
    return Probe(kernel.astype(np.float32), bias.astype(np.float32), strength)


def _strength(
    table: Floats, truth: Ints, groups: Sequence[str], balanced: bool, seed: int
) -> float:
    part = group_folds(truth, groups, CHOOSING_PARTS, seed)
    labels = set(truth.tolist())
    usable = [p for p in np.unique(part) if set(truth[part != p].tolist()) == labels]
    if len(usable) < 2:
        return 1e-2
    losses = [
        sum(_loss(table, truth, part == p, strength, balanced) for p in usable)
        for strength in STRENGTHS
    ]
    return STRENGTHS[int(np.argmin(losses))]


def _loss(
    table: Floats, truth: Ints, left_out: NDArray[np.bool_], strength: float, balanced: bool
) -> float:
    fitted = _regression(table[~left_out], truth[~left_out], strength, balanced)
    given = fitted.predict_proba(table[left_out])
    column = np.searchsorted(fitted.classes_, truth[left_out])
    return float(-np.log(np.clip(given[np.arange(len(given)), column], 1e-7, 1)).sum())


def _regression(table: Floats, truth: Ints, strength: float, balanced: bool):  # type: ignore[no-untyped-def]
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a weak penalty on separable data converges slowly
        return LogisticRegression(
            C=strength, max_iter=ITERATIONS, class_weight="balanced" if balanced else None
        ).fit(table, truth)
