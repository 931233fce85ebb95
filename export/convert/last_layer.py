"""Refits the last dense layer of an int8 artifact to the logits of the float model; numpy only.

Quantization changes the features that reach the last dense layer, which itself stays in float.
Other weights of that layer undo a part of the change: on the calibration images they map the
features of the quantized base to the logits of the float model. No label is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import Floats, Images

# Strengths of the regularisation, relative to the mean squared length of a centred feature vector.
STRENGTHS = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
LEAST_IMAGES = 8  # fewer distinct calibration images determine nothing


@dataclass(frozen=True)
class LastLayer:
    """The last dense layer of a graph: logits = features @ weights + bias.

    Parameters
    ----------
    weights : (D, C) ndarray of float
    bias : (C,) ndarray of float
    features : callable
        From (N, S, S, 3) images of uint8 to the (N, D) features that reach the layer.
    """

    weights: NDArray[np.floating]
    bias: NDArray[np.floating]
    features: Callable[[Images], NDArray[np.floating]]

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Return the (N, C) logits of (N, D) features."""
        logits: Floats = np.asarray(features, np.float64) @ self.weights + self.bias
        return logits


def refit(quantized: LastLayer, logits: Floats, images: Images) -> tuple[Floats, Floats]:
    """Return weights and bias with which a quantized graph gives the logits of the float graph.

    Parameters
    ----------
    quantized : LastLayer
        Of the int8 artifact.
    logits : (N, C) ndarray of float64
        Of the float graph for these images.
    images : (N, S, S, 3) ndarray of uint8
        The calibration images.

    Returns
    -------
    weights : (D, C) ndarray of float64
    bias : (C,) ndarray of float64
        Those of `quantized` unchanged where there are fewer than 8 distinct images, or where the
        refitted layer predicts the logits of a left-out image no better.

    Notes
    -----
    Ridge regression of the differences of the logits on the features, in its dual form. The
    regularisation draws the weights towards the original ones. Its strength has the smallest
    squared error on left-out images: each image is predicted from the others.

    References
    ----------
    A. E. Hoerl, R. W. Kennard, "Ridge regression", Technometrics 12 (1970), 55-67; the error of
    left-out rows: D. M. Allen, "The relationship between variable selection and data
    augmentation and a method for prediction", Technometrics 16 (1974), 125-127.
    """
    unchanged = np.asarray(quantized.weights, float), np.asarray(quantized.bias, float)
    # of copies, one would be predicted from the other
    distinct = list({image.tobytes(): place for place, image in enumerate(images)}.values())
    images, target, count = images[distinct], logits[distinct], len(distinct)
    if count < LEAST_IMAGES:
        return unchanged
    features = np.asarray(quantized.features(images), dtype=np.float64)
    missing = target - quantized.logits(features)
    centre = features.mean(axis=0)
    centred = features - centre
    gram = centred @ centred.T
    scale = np.trace(gram) / count
    if scale <= 0 or not np.isfinite(missing).all():
        return unchanged
    mean = np.full((count, count), 1 / count)
    least_error, best = float((missing**2).sum()), None
    for strength in STRENGTHS:
        inverse = np.linalg.inv(gram + strength * scale * np.eye(count))
        hat = mean + gram @ inverse @ (np.eye(count) - mean)
        left_out = (missing - hat @ missing) / (1 - np.diag(hat))[:, None]
        if (error := float((left_out**2).sum())) < least_error:
            least_error, best = error, inverse
    if best is None:
        return unchanged
    change = centred.T @ best @ (missing - missing.mean(axis=0))
    bias_change = missing.mean(axis=0) - centre @ change
    return unchanged[0] + change, unchanged[1] + bias_change
