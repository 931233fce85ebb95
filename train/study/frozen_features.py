"""Features of the models of a study: from the cache, or through the frozen base."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fitting.feature_cache import FeatureCache
from ..networks.architectures import head_row
from .plan import Plan

Floats = NDArray[np.float32]


class Features:
    """Frozen features of one model at a time, from the cache or through its base.

    Parameters
    ----------
    plan : Plan
    cache : FeatureCache
    say : callable
        Told in words when a pass through a base begins.
    """

    def __init__(self, plan: Plan, cache: FeatureCache, say: Callable[[str], Any]) -> None:
        self.plan, self.cache, self.say = plan, cache, say
        self._model = ""
        self._kept: dict[tuple[float, int], tuple[Floats, float]] = {}
        self._base: Any = None

    def get(self, model: str, strength: float, number: int) -> tuple[Floats, float]:
        """Return features, (N, D), and the seconds that their pass took."""
        if model != self._model:
            self._model, self._kept, self._base = model, {}, None
        passes = self.plan.passes(strength)
        number %= len(passes)
        at = (strength if number else 0.0, number)
        if at not in self._kept:
            order = self.plan.options
            maps = head_row(order.head).flatten
            found, seconds = self.cache.get(
                self.plan.examples.pixels,
                self.plan.settings["weights"][model],
                passes[number],
                partial(self._network, model, f"augmentation {strength:g}, pass {number}"),
                maps=maps,
            )
            self._kept[at] = (found.reshape(len(found), -1), seconds)
        return self._kept[at]

    def source(self, model: str, strength: float) -> Any:
        """Return what gives a head its features epoch by epoch, going round the passes."""
        count = len(self.plan.passes(strength)) - 1

        def features(epoch: int) -> Floats:
            number = 1 + (epoch - 1) % count if epoch and count else 0
            return self.get(model, strength, number)[0]

        return features

    def _network(self, model: str, what: str) -> Any:
        self.say(f"{model}: features of the frozen base, {what}")
        if self._base is None:
            from ..fitting.training_loop import forward
            from ..networks.network import build, features_of

            order = self.plan.options
            whole = build(
                model, weights=order.weights[model], seed=order.seed, size=order.image_settings.size
            )
            self._base = partial(forward, features_of(whole))
        return self._base
