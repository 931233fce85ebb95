"""The points of a ROC curve, for the plots of runs and studies; needs scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def roc_points(truth_positive: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats]:
    """Return the ROC curve, one point for every distinct score.

    Parameters
    ----------
    truth_positive : (N,) ndarray of bool
    score : (N,) ndarray of float64
        Higher means positive.

    Returns
    -------
    false_alarms, sensitivity : (M,) ndarray of float64
        Rates in [0, 1]; both begin with 0. The rate of a class without images is 0.

    Examples
    --------
    >>> roc_points(np.array([False, True]), np.array([0.2, 0.9]))
    (array([0., 0., 1.]), array([0., 1., 1.]))
    """
    from sklearn.exceptions import UndefinedMetricWarning
    from sklearn.metrics import roc_curve

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        false_alarms, sensitivity, _ = roc_curve(
            truth_positive, score, pos_label=True, drop_intermediate=False
        )
    return np.nan_to_num(false_alarms), np.nan_to_num(sensitivity)
