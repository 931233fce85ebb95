"""The maps of the network for a whole field."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from .network import PITCH, STEPS

Floats = NDArray[np.float32]


def body_maps(network: keras.Model, density: Floats) -> Floats:
    """Return the scores of bodies and of other stained bodies, 0 to 1.

    Parameters
    ----------
    network : keras.Model
        See `body_network`.
    density : (H, W, 3) ndarray of float32
        See `BodySample`.

    Returns
    -------
    (ceil(H / 2), ceil(W / 2), 2) ndarray of float32
    """
    height, width = density.shape[:2]
    padded = np.pad(density, ((0, -height % STEPS), (0, -width % STEPS), (0, 0)))
    logits = keras.ops.convert_to_numpy(network(padded[None], training=False))[0]
    used = logits[: -(-height // PITCH), : -(-width // PITCH)]
    return np.asarray(1 / (1 + np.exp(-used)), np.float32)
