"""Provisional: fits a field rule; replaced by the function of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.cells.field_rule import FieldRule, field_features
from ...train.runs.calibration_fitting import fit_decision
from ..types import Floats, Mask


def fit_field_rule(cells: Sequence[Floats], is_positive: Mask, sensitivity: float) -> FieldRule:
    """Return the rule fitted on the cells of fields."""
    from scipy.optimize import minimize

    features = np.array([field_features(p) for p in cells])
    sign = np.where(is_positive, 1.0, -1.0)

    def loss(w: Floats) -> float:
        odds = w[0] + features @ w[1:]
        return float(np.logaddexp(0, -sign * odds).sum() + 0.05 * (w[1:] ** 2).sum())

    found = minimize(
        loss, [0.0, 1.0, 0.0], bounds=[(None, None), (0, None), (0, None)], method="L-BFGS-B"
    )
    rule = FieldRule(*map(float, found.x))
    p = np.array([rule.probability(own) for own in cells], dtype=float)
    fitted = fit_decision(is_positive, p, sensitivity)
    return FieldRule(
        rule.bias, rule.largest, rule.total, fitted.threshold, (fitted.low, fitted.high)
    )
