"""Temperature, threshold and band of a run; and how its own images are read, by other folds' fit.

What a run exports is fitted on all its out-of-fold predictions. What it reports is not: there the
images of a fold are read by what was fitted without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.decisions import apply_temperature, is_positive, positive_score
from ...runtime.metrics.metrics import Json
from .calibration_fitting import SENSITIVITY, fit_decision, fit_temperature
from .run_folder import Predictions

CROSS_FITTED, IN_SAMPLE = "cross-fitted", "in-sample"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossFit:
    """How the images that figures are reported on are read.

    Parameters
    ----------
    kind : {"cross-fitted", "in-sample"}
        In-sample where no other fold is left to fit on: the figures flatter then.
    scores : (N, C) ndarray of float64
        Calibrated.
    thresholds : (N,) ndarray of float64
        One an image.
    folds : list of dict
        Temperature, threshold and band that each fold's images are read by; none in-sample.
    """

    kind: str
    scores: Floats
    thresholds: Floats
    folds: list[Json]


def fit_decision_rule(
    predictions: Predictions,
    labels: Sequence[str],
    positive: Sequence[str],
    sensitivity: float = SENSITIVITY,
) -> Json:
    """Return temperature, threshold and band, fitted on out-of-fold predictions.

    Parameters
    ----------
    predictions : Predictions
        Of positive images and of others.
    labels, positive : sequence of str
    sensitivity : float
        Wanted of the threshold, in (0, 1].

    Returns
    -------
    dict
        ``temperature``, ``threshold``, ``band``, and whether the threshold has the wanted
        sensitivity on these very predictions (``reached``).
    """
    temperature = fit_temperature(predictions.truth, predictions.scores)
    p = positive_score(apply_temperature(predictions.scores, temperature), labels, positive)
    ill = is_positive(labels, positive)[predictions.truth]
    decision = fit_decision(ill, p, sensitivity)
    return {
        "temperature": temperature,
        "threshold": decision.threshold,
        "band": [decision.low, decision.high],
        "reached": decision.reached,
    }


def cross_fit(
    predictions: Predictions,
    labels: Sequence[str],
    positive: Sequence[str],
    settled: Json,
    sensitivity: float = SENSITIVITY,
) -> CrossFit:
    """Read every fold's images by what `fit_decision_rule` makes of the other folds' alone.

    Parameters
    ----------
    predictions : Predictions
        One row an image.
    labels, positive : sequence of str
    settled : dict
        Fitted on all of them: it reads where there are no other folds, or where these have images
        of one side of the diagnosis alone.
    sensitivity : float

    Returns
    -------
    Reading
    """
    ill = is_positive(labels, positive)[predictions.truth]
    scores, thresholds = np.empty_like(predictions.scores), np.empty(len(ill))
    folds: list[Json] = []
    for number in np.unique(predictions.folds):
        inside = predictions.folds == number
        others = ~np.isin(predictions.groups, np.asarray(predictions.groups)[inside])
        if len(set(ill[others].tolist())) < 2:
            whole = apply_temperature(predictions.scores, settled["temperature"])
            return CrossFit(IN_SAMPLE, whole, np.full(len(ill), settled["threshold"]), [])
        fitted = fit_decision_rule(predictions.of(others), labels, positive, sensitivity)
        scores[inside] = apply_temperature(predictions.scores[inside], fitted["temperature"])
        thresholds[inside] = fitted["threshold"]
        row = {key: fitted[key] for key in ("temperature", "threshold", "band")}
        folds.append({"fold": int(number), **row})
    return CrossFit(CROSS_FITTED, scores, thresholds, folds)
