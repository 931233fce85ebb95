"""Features of a task's frozen base, computed when they are first needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..networks.hardware import FLOAT32, Hardware
from ..networks.network import features_of
from ..networks.tensorflow_import import keras
from ..progress import TrainingProgress
from .feature_cache import AugmentationPass, FeatureCache, weights_digest
from .linear_probe import Probe, fit_probe
from .task import TrainingTask
from .training_loop import forward
from .types import Floats, InputSource, Ints, Weights


@dataclass
class FrozenFeatures:
    """Features of all images of a task in every augmentation pass, with the initial weights.

    Parameters
    ----------
    task : TrainingTask
    network : keras.Model
        Its weights are changed while features are computed, and restored afterwards.
    start : list of ndarray
        Initial weights of the network.
    maps : bool
        Keep the features of every position, as a head with hidden layers needs them.
    hardware : Hardware
    progress : TrainingProgress
    cache : FeatureCache
    """

    task: TrainingTask
    network: keras.Model
    start: Weights
    maps: bool
    hardware: Hardware
    progress: TrainingProgress
    cache: FeatureCache

    @cached_property
    def passes(self) -> list[Floats]:
        """Features of each pass, (N, D), or (N, H, W, D) with `maps`. Pass 0 is not augmented."""
        weights = self.network.get_weights()
        self.network.set_weights(self.start)
        with self.hardware.scope():
            base = features_of(self.network)

        def run_base(pixels: Floats) -> Floats:
            return forward(base, pixels)

        task, count = self.task, self.task.recipe.head_passes + 1
        identity = weights_digest(task.model, task.weights, task.seed)
        if self.hardware.policy != FLOAT32:
            identity += f" {self.hardware.policy}"
        passes = []
        for number in range(count):
            self.progress.stage(f"features of the frozen base, pass {number + 1} of {count}")
            augmentation_pass = AugmentationPass(task.recipe.augmentation, task.seed, number)
            features, _ = self.cache.get(
                task.examples.pixels, identity, augmentation_pass, lambda: run_base, maps=self.maps
            )
            passes.append(features)
        self.network.set_weights(weights)
        return passes

    @cached_property
    def pooled(self) -> list[Floats]:
        """Features of each pass, averaged over positions, (N, D)."""
        if not self.maps:
            return self.passes
        return [features.mean(axis=(1, 2)) for features in self.passes]

    def source(self) -> InputSource:
        """Return the source of the head's inputs. The epochs cycle through the passes."""
        passes = self.passes

        def inputs(images: Ints, epoch: int | None) -> Floats:
            return passes[0 if epoch is None else epoch % len(passes)][images]

        return inputs

    def fit_probe(self, train: Ints, passes: int) -> Probe:
        """Fit the linear probe on training images, without augmentation and in augmented passes.

        Parameters
        ----------
        train : (M,) ndarray of int
            Indices of the training images.
        passes : int
            Number of augmented passes, in addition to the images without augmentation.
        """
        groups = self.task.split.groups
        return fit_probe(
            np.concatenate([features[train] for features in self.pooled[: passes + 1]]),
            np.tile(self.task.examples.truth[train], passes + 1),
            [groups[index] for index in train] * (passes + 1),
            balanced=self.task.recipe.class_weights,
            seed=self.task.seed,
            passes=passes + 1,
        )
