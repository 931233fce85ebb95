"""Fits the network of bodies to fields with known bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from .network import MAPS, body_network
from .patches import BodySample, random_batch

BATCH = 16
RATE = 3e-3


def centre_loss(truth: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Return the focal loss of peaks, over the number of centres.

    References
    ----------
    Zhou, Wang, Krähenbühl, "Objects as Points", arXiv 1904.07850, 2019, equation 1.
    """
    maps, weight = truth[..., :MAPS], truth[..., MAPS:]
    score = ops.sigmoid(logits)
    is_centre = ops.cast(maps > 0.999, "float32")
    centre = is_centre * (1 - score) ** 2 * -ops.log_sigmoid(logits)
    rest = (1 - is_centre) * (1 - maps) ** 4 * score**2 * -ops.log_sigmoid(-logits)
    return ops.sum(weight * (centre + rest)) / (ops.sum(is_centre) + 1)


def fit_bodies(
    sources: Sequence[Sequence[BodySample]],
    shares: Sequence[float],
    *,
    unit: float,
    steps: int,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> keras.Model:
    """Return a network fitted to random patches of samples.

    Parameters
    ----------
    sources : sequence of sequence of BodySample
    shares : sequence of float
        Share of the patches from each source; their sum is 1.
    unit : float
        Pixels of an erythrocyte in a sample.
    steps : int
        Number of batches.
    seed : int
    progress : callable, optional
        Called with the number of the step and the mean loss since the last call.
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    network = body_network()
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 20, alpha=0.01, warmup_target=RATE, warmup_steps=steps // 20
    )
    network.compile(keras.optimizers.Adam(rate, clipnorm=5.0), centre_loss)
    losses = []
    for step in range(1, steps + 1):
        patches, targets = random_batch(rng, sources, shares, BATCH, unit)
        losses.append(float(network.train_on_batch(patches, targets)))
        if progress and step % 100 == 0:
            progress(step, float(np.mean(losses[-100:])))
    return network
