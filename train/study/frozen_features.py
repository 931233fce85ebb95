"""The features of the models of a study: from the cache, or computed by the frozen base."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fitting.feature_cache import FeatureCache
from ..networks.architectures import head_row
from .numpy_head import Source
from .plan import Plan

Floats = NDArray[np.float32]


class Features:
    """Features of the frozen bases; those of the last model asked for are kept in memory.

    Parameters
    ----------
    plan : Plan
    cache : FeatureCache
    say : callable
        Takes a text when a pass through a base begins.
    """

    def __init__(self, plan: Plan, cache: FeatureCache, say: Callable[[str], Any]) -> None:
        self.plan, self.cache, self.say = plan, cache, say
        self._model = ""
        self._passes: dict[tuple[float, int], tuple[Floats, float]] = {}
        self._base: Any = None

    def get(self, model: str, strength: float, number: int) -> tuple[Floats, float]:
        """Return the features of all images from one pass.

        Parameters
        ----------
        model : str
        strength : float
            Of the augmentation.
        number : int
            Of the pass; 0 is the one without augmentation.

        Returns
        -------
        features : (N, D) ndarray of float32
        seconds : float
            That the pass took when it was computed.
        """
        if model != self._model:
            self._model, self._passes, self._base = model, {}, None
        passes = self.plan.passes(strength)
        number %= len(passes)
        key = (strength if number else 0.0, number)
        if key not in self._passes:
            features, seconds = self.cache.get(
                self.plan.examples.pixels,
                self.plan.settings["weights"][model],
                passes[number],
                partial(self._load_base, model, f"augmentation {strength:g}, pass {number}"),
                maps=head_row(self.plan.options.head).flatten,
            )
            self._passes[key] = (features.reshape(len(features), -1), seconds)
        return self._passes[key]

    def source(self, model: str, strength: float) -> Source:
        """Return a function from epoch to features, which repeats the augmented passes.

        Epoch 0 has the features without augmentation.
        """
        augmented = len(self.plan.passes(strength)) - 1

        def features(epoch: int) -> Floats:
            number = 1 + (epoch - 1) % augmented if epoch and augmented else 0
            return self.get(model, strength, number)[0]

        return features

    def _load_base(self, model: str, description: str) -> Any:
        """Return a function from pixels to features; tensorflow is imported here."""
        self.say(f"{model}: features of the frozen base, {description}")
        if self._base is None:
            from ..fitting.training_loop import forward
            from ..networks.network import build, features_of

            options = self.plan.options
            network = build(
                model,
                weights=options.weights[model],
                seed=options.seed,
                size=options.image_settings.size,
            )
            self._base = partial(forward, features_of(network))
        return self._base
