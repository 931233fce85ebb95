"""Features of the frozen bases, from the cache or computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....train.fitting.augmentation import PAPER_AUGMENTATION, Augmentation
from ....train.fitting.feature_cache import AugmentationPass, Base, FeatureCache, weights_digest

AUGMENTED_PASSES = 2
SEED = 0  # of augmented copies and of random weights

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class BaseFeatures:
    """Computes features.

    Parameters
    ----------
    weights : Path
        Folder with ``MODEL.weights.h5`` of every model.
    cache : FeatureCache
    say : callable
        Takes a text when a pass through a base begins.
    """

    weights: Path
    cache: FeatureCache
    say: Callable[[str], Any]

    def passes(
        self,
        pixels: NDArray[np.uint8],
        model: str,
        augmentation: Augmentation | None,
        *,
        random_base: bool = False,
    ) -> list[Floats]:
        """Return the features, (N, D), of images as they are, then of each augmented copy.

        Parameters
        ----------
        pixels : (N, S, S, 3) ndarray of uint8
        model : str
        augmentation : Augmentation, optional
            None makes no copies.
        random_base : bool
        """
        weights = "none" if random_base else str(self.weights / f"{model}.weights.h5")
        numbers = range(1 + (AUGMENTED_PASSES if augmentation else 0))
        base: list[Base] = []  # built once, and only if a pass is not in the cache

        def load(number: int) -> Base:
            self.say(f"{model}, {pixels.shape[1]} pixels: pass {number}")
            if not base:
                base.append(_build(model, weights, pixels.shape[1]))
            return base[0]

        return [
            self.cache.get(
                pixels,
                weights_digest(model, weights, SEED),
                AugmentationPass(augmentation or PAPER_AUGMENTATION, SEED, number),
                partial(load, number),
            )[0]
            for number in numbers
        ]


def _build(model: str, weights: str, size: int) -> Base:
    from ....train.fitting.training_loop import forward
    from ....train.networks.network import build, features_of

    return partial(forward, features_of(build(model, weights=weights, seed=SEED, size=size)))
