"""The linear probe of the ablation: a logistic regression with a fixed penalty."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# scikit-learn's C; `fit_probe` of a run chooses it for every fit, which takes 30 times as long
INVERSE_STRENGTH = 1e-3
ITERATIONS = 300
MIN_SPREAD = 1e-20  # the features of a base with random weights hardly vary

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BlastProbe:
    """A logistic regression on standardised features.

    Parameters
    ----------
    centre, spread : (D,) ndarray of float32
    weights : (D,) ndarray of float32
    bias : float
    """

    centre: Floats
    spread: Floats
    weights: Floats
    bias: float

    def probability(self, features: Floats) -> NDArray[np.float64]:
        """Return the blast probabilities, (N,), of features, (N, D)."""
        odds = ((features - self.centre) / self.spread) @ self.weights + self.bias
        return 1.0 / (1.0 + np.exp(-np.clip(odds.astype(np.float64), -60, 60)))


def fit_blast_probe(
    passes: Sequence[Floats],
    rows: Ints,
    positive: NDArray[np.bool_],
    negatives: Floats | None = None,
    *,
    balanced: bool = False,
) -> BlastProbe:
    """Fit the probe on some cells; blasts and other cells have the same total weight.

    Parameters
    ----------
    passes : sequence of (N, D) ndarray of float32
        Features of the cells as they are, and of augmented copies.
    rows : (M,) ndarray of int
        The cells to fit on.
    positive : (N,) ndarray of bool
    negatives : (K, D) ndarray of float32, optional
        Features of further cells that are no blasts.
    balanced : bool
        Give these the same total weight as the other cells that are no blasts.
    """
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([features[rows] for features in passes])
    truth = np.tile(positive[rows], len(passes))
    if negatives is not None:
        features = np.concatenate([features, negatives])
        truth = np.concatenate([truth, np.zeros(len(negatives), dtype=bool)])
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > MIN_SPREAD, spread, np.float32(1))
    # copies of a cell share its weight, so that they do not weaken the penalty
    total = len(truth) / len(passes)
    weight = np.where(truth, total / 2 / truth.sum(), total / 2 / (~truth).sum())
    if balanced and negatives is not None:
        is_added = np.arange(len(truth)) >= len(truth) - len(negatives)
        for source in (~truth & is_added, ~truth & ~is_added):
            weight[source] = total / 4 / source.sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may stop before it has converged
        model = LogisticRegression(C=INVERSE_STRENGTH, max_iter=ITERATIONS).fit(
            (features - centre) / spread, truth, sample_weight=weight.astype(np.float32)
        )
    return BlastProbe(centre, spread, model.coef_[0].astype(np.float32), float(model.intercept_[0]))
