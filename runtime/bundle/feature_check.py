"""Whether the features that an artifact gives on this machine lead to its scores; for `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError
from ..backends import open_backend
from .last_layers import read_last_layer

if TYPE_CHECKING:
    from ..types import FeaturesRecord
    from .bundle import Bundle

# Largest difference of a score. In float32 and int8 artifacts the last layer is float32: 1e-6 was
# measured. In float16 artifacts of ONNX it is computed with 11 bits.
TOLERANCE, HALF_TOLERANCE = 1e-4, 1e-2


def check_features(
    bundle: Bundle,
    name: str,
    inputs: NDArray[np.uint8],
    scores: NDArray[np.floating],
    threads: int | None = None,
) -> FeaturesRecord | None:
    """Compare the scores of an artifact with those that follow from its features.

    Parameters
    ----------
    bundle : Bundle
    name : str
        One of its formats, whose engine is installed.
    inputs : (N, S, S, 3) ndarray of uint8
    scores : (N, C) ndarray of float
        Raw, of `inputs`, by the engine without features.
    threads : int, optional
        As `load_backend`.

    Returns
    -------
    dict or None
        None for a bundle that records no features.

    Raises
    ------
    TamperedError, BundleError
        As `read_last_layer`.
    BackendError
        If the engine fails.
    """
    output = bundle.formats[name].features
    if output is None:
        return None
    layer = read_last_layer(bundle, name)
    backend = open_backend(bundle, name, threads, features=True)
    try:
        rows = [backend.predict_with_features(image[np.newaxis]) for image in inputs]
    finally:
        backend.close()
    if sizes := {len(features) for _, features in rows} - {output.size}:
        raise BackendError(f"{backend.engine} gives {sizes.pop()} features, not {output.size}")
    beside = _largest(np.concatenate([row for row, _ in rows]) - scores)
    layered = _largest(layer.scores(np.stack([features for _, features in rows])) - scores)
    tolerance = HALF_TOLERANCE if bundle.record["precision"] == "float16" else TOLERANCE
    return {
        "status": "pass" if max(beside, layered) <= tolerance else "fail",
        "size": output.size,
        "max_dp": beside,
        "max_dp_of_layer": layered,
        "tolerance": tolerance,
    }


def _largest(difference: NDArray[np.floating]) -> float:
    """Return the largest difference of scores; 1 if one is not finite."""
    return float(min(np.abs(difference).max(), 1.0)) if np.isfinite(difference).all() else 1.0
