"""Fits the last layer of a network on generated smears, for the matrix and for tests.

A random network gives every image the same score, so that a comparison of artifacts would prove
nothing. Loads keras when called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb
from ..convert.serving_graph import SCORING_BATCH

FIELDS = 64  # half of them with blasts
FIELD_PX = 320
SEED = 4
# The largest logit on the fitted smears: both labels occur, and a step of int8 still changes the
# score.
LARGEST_LOGIT = 3.0


def fit(model: str, head: str, weights: str, out: Path) -> None:
    """Write a network whose last layer separates generated blasts from healthy fields.

    Parameters
    ----------
    model, head : str
    weights : str
        ``"none"`` or a file, as for `alledge.train.networks.network.build`.
    out : Path
        ``model.keras``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from ...train.networks.network import build
    from ..convert.serving_graph import before_last_dense

    network = build(model, head, weights=weights, seed=SEED)
    bodies, dense = before_last_dense(network)
    images, blasts = generate_smears()
    features = _features(bodies, images)
    scaler = StandardScaler().fit(features)
    classifier = LogisticRegression(C=1e-2, max_iter=1000).fit(scaler.transform(features), blasts)
    kernel = classifier.coef_[0] / scaler.scale_
    logits = features @ kernel
    factor = LARGEST_LOGIT / max(float(np.abs(logits - np.median(logits)).max()), 1e-9)
    bias = -float(np.median(logits)) * factor
    dense.set_weights([(kernel * factor)[:, None].astype(np.float32), np.array([bias], np.float32)])
    network.save(out)


def generate_smears(
    settings: ImageSettings | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return generated smears, (64, S, S, 3) uint8, and 1 for each that has blasts, (64,)."""
    from ...train.phantom.smears import draw_field

    settings = settings or ImageSettings()
    fields = [
        load_rgb(np.asarray(draw_field(SEED, index, index % 2 == 1, size=FIELD_PX)[0]), settings)
        for index in range(FIELDS)
    ]
    return np.stack(fields), np.arange(FIELDS) % 2


def _features(bodies: list[Any], images: NDArray[np.uint8]) -> NDArray[np.float64]:
    parts = []
    for start in range(0, len(images), SCORING_BATCH):
        values: Any = images[start : start + SCORING_BATCH].astype(np.float32)
        for body in bodies:
            values = body(values, training=False)
        parts.append(np.asarray(values, np.float64))
    return np.concatenate(parts)
