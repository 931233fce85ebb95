"""Fits the rule that judges a field by the blast probabilities of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...runtime.cells.field_rule import FieldRule, field_features
from .calibration_fitting import SENSITIVITY, fit_decision

PENALTY = 1.0  # of the squared weights of standardised features; scikit-learn's 1 / C
DIGITS = 6  # decimals of the rule; the loss is flat below that

Floats = NDArray[np.float64]


def fit_field_rule(
    probabilities: Sequence[ArrayLike],
    truth_positive: ArrayLike,
    sensitivity: float = SENSITIVITY,
) -> FieldRule | None:
    """Fit the rule of fields, its threshold and its band.

    Parameters
    ----------
    probabilities : sequence of (N,) array_like of float
        Of each field, the calibrated blast probabilities of its leucocytes. Fields without a
        leucocyte are left out.
    truth_positive : (F,) array_like of bool
        Whether each field has a blast.
    sensitivity : float
        Wanted at the threshold, in (0, 1].

    Returns
    -------
    FieldRule or None
        None if the fields with a leucocyte are not of both classes.

    References
    ----------
    The weights are those of a logistic regression with a squared penalty on standardised
    features; T. Hastie, R. Tibshirani, J. Friedman, "The elements of statistical learning"
    (2009), section 4.4.4. They are bounded: neither is negative.

    Examples
    --------
    >>> rule = fit_field_rule([[0.1], [0.2, 0.1], [0.9], [0.3, 0.8]], [False, False, True, True])
    >>> rule.probability([0.1]) < rule.threshold < rule.probability([0.9])
    True
    """
    answered = [index for index, p in enumerate(probabilities) if np.size(p)]
    truth = np.asarray(truth_positive, dtype=bool)[answered]
    if len(set(truth.tolist())) < 2:
        return None
    features = np.array([field_features(probabilities[index]) for index in answered])
    bias, largest, total = (round(value, DIGITS) for value in _fit_weights(features, truth))
    rule = FieldRule(bias, largest, total)
    p = [rule.probability(probabilities[index]) for index in answered]
    decision = fit_decision(truth, np.array(p, dtype=float), sensitivity)
    return replace(rule, threshold=decision.threshold, band=(decision.low, decision.high))


def _fit_weights(features: Floats, truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return bias and weights of (F, 2) features; no weight is negative."""
    from scipy.optimize import minimize
    from scipy.special import expit

    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    table = np.column_stack([np.ones(len(truth)), (features - centre) / spread])
    signs = np.where(truth, 1.0, -1.0)
    penalty = np.array([0.0, PENALTY, PENALTY])

    def loss(weights: Floats) -> tuple[float, Floats]:
        margins = signs * (table @ weights)
        value = np.logaddexp(0.0, -margins).sum() + penalty @ weights**2 / 2
        return float(value), penalty * weights - table.T @ (signs * expit(-margins))

    bounds = [(None, None), (0.0, None), (0.0, None)]
    start = np.array([0.0, 1.0, 1.0])
    best = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-12).x
    weights = best[1:] / spread
    return float(best[0] - weights @ centre), float(weights[0]), float(weights[1])
