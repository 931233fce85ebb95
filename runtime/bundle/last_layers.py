"""The last dense layer of an artifact on the device: from its features to its scores; numpy only.

The last dense layer stays in float in every artifact, so that numpy gives the scores of the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import BundleError, UsageError
from .bundle import Bundle
from .feature_output import LAST_LAYERS, FeatureOutput
from .npz import read_arrays
from .record_file import EXPORT_FIX


@dataclass(frozen=True)
class LastLayer:
    """A dense layer with a softmax: scores = softmax(features @ weights + bias).

    Parameters
    ----------
    weights : (D, C) ndarray of float
    bias : (C,) ndarray of float
    """

    weights: NDArray[np.floating]
    bias: NDArray[np.floating]

    def logits(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the (N, C) logits of (N, D) features."""
        # not BLAS, whose threads would compete with those of the engine
        rows = np.asarray(features, dtype=np.float64)
        weights = self.weights.astype(np.float64, copy=False)
        return np.asarray(np.einsum("nd,dc->nc", rows, weights) + self.bias, dtype=np.float64)

    def scores(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the (N, C) raw scores of (N, D) features."""
        logits = self.logits(features)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def feature_output(bundle: Bundle, format_name: str) -> FeatureOutput:
    """Return where an artifact has its features.

    Parameters
    ----------
    bundle : Bundle
    format_name : str
        One of its formats.

    Raises
    ------
    UsageError
        If the bundle names none: it was exported before features were recorded, or its precision
        keeps the last dense layer in integers.
    """
    features = bundle.formats[format_name].features
    if features is None:
        precise = bundle.record["precision"] != "dynamic"
        why = "it was exported before features were recorded" if precise else "its precision is"
        raise UsageError(
            f"the {format_name} artifact of {bundle.name} gives no features: {why}"
            + ("" if precise else " dynamic, which has no last dense layer in float"),
            fix=f"{EXPORT_FIX}, as float32, float16 or int8",
        )
    return features


def read_last_layer(bundle: Bundle, format_name: str) -> LastLayer:
    """Return the last dense layer of an artifact, after a check of its hash.

    Parameters
    ----------
    bundle : Bundle
    format_name : str
        One of its formats.

    Raises
    ------
    UsageError
        As `feature_output`.
    TamperedError
        If the file of the layers is not the file that was exported.
    BundleError
        If it cannot be read, or does not fit the bundle.
    """
    size, labels = feature_output(bundle, format_name).size, len(bundle.labels)
    bundle.check([LAST_LAYERS])
    shapes = {f"{format_name}-weights": (size, labels), f"{format_name}-bias": (labels,)}
    arrays = read_arrays(bundle.path / LAST_LAYERS, shapes, np.float32)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise BundleError(f"{bundle.path / LAST_LAYERS} has values that are not finite")
    return LastLayer(*arrays.values())
