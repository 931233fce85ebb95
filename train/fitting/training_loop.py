"""Fits one network in a loop over epochs that can be interrupted and resumed with the same result.

The order of images, the augmentation, the dropout and the learning rate are functions of
(seed, epoch, step). Everything else is saved in the state file after every epoch.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.files import replace_file
from ..networks.hardware import Hardware
from ..networks.network import layers_of
from ..networks.tensorflow_import import keras
from .damaged_arrays import DAMAGED
from .recipe import Recipe
from .targets import FitImages, balanced_loss, targets
from .types import EpochRow, Floats, InputSource, Weights

_ORDER_SEED = 0x0DE  # separates these random numbers from other uses of the seed
PREDICT_BATCH = 16  # images; the last batch is padded, because Keras compiles every new shape

Report = Callable[[EpochRow], None]


@dataclass
class FitState:
    """The state of a fit between two epochs.

    Parameters
    ----------
    weights : list of ndarray
        Of the network.
    average : list of ndarray
        Moving average of the weights.
    best : list of ndarray
        The average after the best epoch.
    optimizer : list of ndarray
        Variables of the optimizer.
    epoch : int
        Number of finished epochs.
    best_epoch : int
    best_loss : float
        Validation loss of the best epoch.
    steps : int
        Number of finished steps.
    history : list of dict
        One row per epoch, from epoch 0, which is before training.
    """

    weights: Weights
    average: Weights
    best: Weights
    optimizer: Weights = field(default_factory=list)
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    steps: int = 0
    history: list[EpochRow] = field(default_factory=list)

    _ARRAYS = ("weights", "average", "best", "optimizer")
    _VALUES = ("epoch", "best_epoch", "best_loss", "steps", "history")

    def save(self, path: Path) -> None:
        """Write the state to a file, atomically."""
        arrays = {
            f"{name}{index}": array
            for name in self._ARRAYS
            for index, array in enumerate(getattr(self, name))
        }
        values = json.dumps({name: getattr(self, name) for name in self._VALUES})
        with replace_file(path) as beside, beside.open("wb") as stream:
            np.savez(stream, state=np.frombuffer(values.encode(), dtype=np.uint8), **arrays)

    @classmethod
    def load(cls, path: Path) -> FitState | None:
        """Read a state that `save` wrote. None if there is none, or the file is damaged."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                values = json.loads(arrays["state"].tobytes().decode())
                lists: dict[str, Any] = {}
                for name in cls._ARRAYS:
                    count = sum(key.startswith(name) for key in arrays.files)
                    lists[name] = [arrays[f"{name}{index}"] for index in range(count)]
                return cls(**lists, **{name: values[name] for name in cls._VALUES})
        except DAMAGED:
            return None


class Fitter:
    """Fits one compiled network, any number of times, each time from given weights.

    Parameters
    ----------
    network : keras.Model
        Is compiled here. Its trainable layers are fitted.
    recipe : Recipe
    seed : int
    hardware : Hardware, optional
        The hardware that the network was built for.
    """

    def __init__(
        self, network: keras.Model, recipe: Recipe, seed: int, hardware: Hardware | None = None
    ) -> None:
        self.network, self.recipe, self.seed = network, recipe, seed
        self.hardware = hardware or Hardware()
        binary = network.output_shape[-1] == 1
        with self.hardware.scope():
            network.compile(
                optimizer=keras.optimizers.Adam(recipe.lr),
                loss="binary_crossentropy" if binary else "categorical_crossentropy",
                weighted_metrics=["accuracy"],
            )
            network.optimizer.build(network.trainable_variables)
        self._initial_optimizer = _optimizer_values(network.optimizer)
        self._seed_generators = [
            layer.seed_generator for layer in layers_of(network) if hasattr(layer, "seed_generator")
        ]

    def fit(
        self,
        images: FitImages,
        source: InputSource,
        start: Weights,
        *,
        epochs: int,
        state_file: Path,
        report: Report,
    ) -> FitState:
        """Fit from `start`, or resume from the state file. A damaged state file is ignored.

        Parameters
        ----------
        images : FitImages
        source : callable
            Returns the network's inputs for some images in an epoch.
        start : list of ndarray
            Initial weights. They are epoch 0, which may be the best one.
        epochs : int
            Greatest number of epochs. The schedule of the learning rate has the recipe's length.
        state_file : Path
            Written after every epoch.
        report : callable
            Called with a row of the history after every epoch.

        Returns
        -------
        FitState
            Its `best` weights are set in the network.
        """
        state = FitState.load(state_file) or FitState(start, start, start)
        self._restore(state)
        if not state.history:
            self._finish_epoch(state, images, source, _row(0, None, None, lr=0.0, seconds=0.0))
            report(state.history[-1])
        while state.epoch < epochs and not self._is_stopped(state, images):
            row = self._train_epoch(state, images, source)
            self._finish_epoch(state, images, source, row)
            state.save(state_file)
            report(state.history[-1])
        self.network.set_weights(state.best)
        return state

    def _restore(self, state: FitState) -> None:
        self.network.set_weights(state.weights)
        values = state.optimizer or self._initial_optimizer
        for variable, value in zip(self.network.optimizer.variables, values, strict=True):
            variable.assign(value)

    def _is_stopped(self, state: FitState, images: FitImages) -> bool:
        without_improvement = state.epoch - state.best_epoch
        return bool(len(images.validation)) and without_improvement >= self.recipe.patience

    def _train_epoch(self, state: FitState, images: FitImages, source: InputSource) -> EpochRow:
        """Train on all training images once and update the state."""
        began, epoch = time.perf_counter(), state.epoch + 1
        rng = np.random.default_rng([_ORDER_SEED, self.seed, epoch])
        order = rng.permutation(images.train)
        size = self.hardware.batch_size(min(self.recipe.batch_size, len(order)))
        steps = math.ceil(len(order) / size)
        order = np.resize(order, steps * size)  # fills the last batch with the first images
        target, weight = targets(images, self.recipe.class_weights)
        for generator in self._seed_generators:
            generator.state.assign([self.seed % 2**32, epoch * 2**16])
        losses, correct_weight, total_weight = [], 0.0, 0.0
        for step in range(steps):
            batch = order[step * size : (step + 1) * size]
            self.network.optimizer.learning_rate = self.rate(state.epoch + step / steps)
            metrics = self.hardware.train_on_batch(
                self.network, source(batch, epoch), target[batch], weight[batch]
            )
            losses.append(metrics["loss"])
            correct_weight += metrics["accuracy"] * float(weight[batch].sum())
            total_weight += float(weight[batch].sum())
            state.steps += 1
            self._update_average(state, steps)
        state.epoch = epoch
        state.weights = self.network.get_weights()
        state.optimizer = _optimizer_values(self.network.optimizer)
        return _row(
            epoch,
            loss=float(np.mean(losses)),  # all batches have the same size
            accuracy=correct_weight / total_weight,
            lr=self.rate(epoch - 1 / steps),
            seconds=time.perf_counter() - began,
        )

    def _update_average(self, state: FitState, steps: int) -> None:
        """Move the average towards the weights, faster in the first steps."""
        memory = self.recipe.averaged_epochs * steps
        keep = min(1 - 1 / memory, (1 + state.steps) / (10 + state.steps)) if memory > 1 else 0.0
        state.average = [
            keep * old + (1 - keep) * new
            for old, new in zip(state.average, self.network.get_weights(), strict=True)
        ]

    def _finish_epoch(
        self, state: FitState, images: FitImages, source: InputSource, row: EpochRow
    ) -> None:
        """Validate the averaged weights, keep them if they are the best, and add the row."""
        if len(images.validation):
            self.network.set_weights(state.average)
            scores = predict(self.network, source(images.validation, None))
            self.network.set_weights(state.weights)
            truth = images.truth[images.validation]
            row["val_loss"] = balanced_loss(truth, scores)
            row["val_accuracy"] = float(np.mean(scores.argmax(axis=1) == truth))
        # Random weights give every image about the same score. Their loss would be lower than that
        # of later epochs, which are confident and sometimes wrong.
        is_candidate = state.epoch > 0 or self.recipe.head_first
        loss = row["val_loss"]
        if is_candidate and (loss is None or loss < state.best_loss):
            state.best, state.best_epoch = state.average, state.epoch
            state.best_loss = math.inf if loss is None else loss
        state.history.append(row)

    def rate(self, epochs_done: float) -> float:
        """Return the learning rate after this many epochs: linear warm-up times a cosine decay."""
        recipe = self.recipe
        warmup = (
            min(1.0, (epochs_done + 0.1) / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
        )
        cosine = (1 + math.cos(math.pi * min(1.0, epochs_done / max(recipe.epochs, 1)))) / 2
        return recipe.lr * warmup * (recipe.lr_last + (1 - recipe.lr_last) * cosine)


def _row(
    epoch: int, loss: float | None, accuracy: float | None, lr: float, seconds: float
) -> EpochRow:
    """Return a row of the history that is not validated yet."""
    return {
        "epoch": epoch, "loss": loss, "accuracy": accuracy, "lr": lr, "seconds": seconds,
        "val_loss": None, "val_accuracy": None,
    }  # fmt: skip


def _optimizer_values(optimizer: Any) -> Weights:
    return [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]


def predict(network: keras.Model, inputs: Floats) -> Floats:
    """Return probabilities in the order of the labels.

    Parameters
    ----------
    network : keras.Model
    inputs : (N, ...) ndarray

    Returns
    -------
    (N, C) ndarray of float32
        Two columns for a network with one sigmoid unit.
    """
    scores = forward(network, inputs)
    return np.hstack([1 - scores, scores]) if scores.shape[1] == 1 else scores


def forward(network: keras.Model, inputs: Sequence[Any] | NDArray[Any]) -> Floats:
    """Return the output of a network for any number of inputs, in batches of one shape.

    Parameters
    ----------
    network : keras.Model
    inputs : (N, ...) array_like

    Returns
    -------
    (N, ...) ndarray of float32
    """
    outputs = []
    for start in range(0, len(inputs), PREDICT_BATCH):
        batch = np.asarray(inputs[start : start + PREDICT_BATCH], dtype=np.float32)
        padding = np.repeat(batch[-1:], PREDICT_BATCH - len(batch), axis=0)
        padded = np.concatenate([batch, padding])
        outputs.append(np.asarray(network.predict_on_batch(padded))[: len(batch)])
    return np.concatenate(outputs)
