"""What an engine computes of an image: calibrated scores, features; whether all requests hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError
from .metrics.decisions import apply_temperature
from .watchdog import report_progress

if TYPE_CHECKING:
    from .backends import Backend
    from .bundle.last_layers import LastLayer
    from .types import RGB

# An engine creates its second request when it is first needed. That takes as long as about this
# many predictions, and needs memory.
CROPS_PER_WORKER = 4

Scores = NDArray[np.float64]
Features = NDArray[np.float32] | None


class Outputs(NamedTuple):
    """What a model says of an image or a cell: (C,) scores, and (D,) features if asked for."""

    scores: Scores
    features: Features = None


class EngineScores:
    """Computes calibrated scores; thread-safe.

    Parameters
    ----------
    backend : Backend
    labels : tuple of str
        Of the bundle, in the order of the scores.
    temperature : float
        Of the bundle's format, > 0.
    features : bool
        Whether the features are wanted; `backend` was then opened with them.
    last_layer : LastLayer, optional
        Stands for the last layer of the artifact; needs the features.
    """

    def __init__(
        self,
        backend: Backend,
        labels: tuple[str, ...],
        temperature: float,
        *,
        features: bool = False,
        last_layer: LastLayer | None = None,
    ) -> None:
        self._backend, self._labels, self._temperature = backend, labels, temperature
        self._features, self._last_layer = features or last_layer is not None, last_layer
        self._starts: dict[int, float] = {}  # by thread, of the predictions that run

    def of_image(self, rgb: RGB) -> Outputs:
        """Return scores and features of an image or a cell; as `Classifier.scores`."""
        thread = threading.get_ident()
        self._starts[thread] = time.monotonic()
        try:
            raw, features = self._predict(rgb[np.newaxis])
        finally:
            del self._starts[thread]
        report_progress()
        if raw.shape != (1, len(self._labels)) or not np.isfinite(raw).all():
            raise BackendError(
                f"{self._backend.engine} answered {raw.tolist()}",
                allowed=f"a finite score for each of {', '.join(self._labels)}",
                fix="`alledge verify BUNDLE` shows which backends work on this machine",
            )
        calibrated: Scores = apply_temperature(raw, self._temperature)[0]
        return Outputs(calibrated, features)

    def _predict(self, batch: NDArray[np.uint8]) -> tuple[NDArray[np.floating], Features]:
        """Return the raw scores of an image, (1, C), and its features."""
        if not self._features:
            return self._backend.predict(batch), None
        raw, features = self._backend.predict_with_features(batch)
        if not np.isfinite(features).all():
            raise BackendError(f"{self._backend.engine} gives features that are not finite")
        if self._last_layer is None:
            return raw, features
        return self._last_layer.scores(features[np.newaxis]), features

    def of_crops(self, crops: NDArray[np.uint8], workers: int) -> list[Outputs]:
        """Return scores and features of the cells of a field.

        Parameters
        ----------
        crops : (N, S, S, 3) ndarray of uint8
        workers : int
            Most cells that are in work at once; fewer are if there are few cells.
        """
        return outputs_of_crops(self.of_image, crops, workers)

    def all_hang(self, requests: int, limit_s: float | None) -> bool:
        """Return whether every request of the engine runs for longer than the time limit."""
        if limit_s is None or len(self._starts) < requests:
            return False
        latest_start_s = time.monotonic() - limit_s
        starts = list(self._starts.values())
        return sum(start_s <= latest_start_s for start_s in starts) >= requests


def outputs_of_crops(
    of_image: Callable[[RGB], Outputs], crops: NDArray[np.uint8], workers: int
) -> list[Outputs]:
    """Return the outputs of crops, (N, S, S, 3); of many crops, some are in work at once."""
    workers = min(workers, -(-len(crops) // CROPS_PER_WORKER))
    if workers < 2:
        return [of_image(crop) for crop in crops]
    from .pipeline import in_order

    outputs = []
    for row in in_order(crops, lambda crop: crop, of_image, workers):
        outputs.append(row)
        report_progress()  # of this thread, which has the time limit
    return outputs
