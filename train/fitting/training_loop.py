"""Fitting one network: a plain loop over epochs whose every random choice can be made again.

Order, augmentation, dropout and learning rate are functions of (seed, epoch, step), and all
that is not is in the state file: a fit that was cut off goes on as if nothing had happened.
"""

from __future__ import annotations

import json
import math
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.files import replace_file
from ...runtime.metrics.metrics import Json
from ..networks.hardware import Hardware
from ..networks.network import layers_of
from ..networks.tensorflow_import import keras
from .recipe import Recipe
from .targets import FitImages, balanced_loss, targets

_ORDER = 0x0DE  # tells this use of the seed from the others
_DAMAGED = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)
PREDICT_BATCH = 16  # images; the last batch is padded, since every new shape is a new trace

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Weights = list[Floats]
# (indices of images, epoch; None for the images as they are) -> what the network sees
Source = Callable[[Ints, "int | None"], Floats]
Report = Callable[[Json], None]


@dataclass
class State:
    """A fit between two epochs.

    Parameters
    ----------
    weights, average, best : list of ndarray
        As they are, their moving average, and the average of the best epoch.
    optimizer : list of ndarray
    epoch : int
        Epochs done.
    best_epoch : int
    best_loss : float
    steps : int
    history : list of dict
    """

    weights: Weights
    average: Weights
    best: Weights
    optimizer: Weights = field(default_factory=list)
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    steps: int = 0
    history: list[Json] = field(default_factory=list)

    _LISTS = ("weights", "average", "best", "optimizer")
    _PLAIN = ("epoch", "best_epoch", "best_loss", "steps", "history")

    def save(self, path: Path) -> None:
        """Write the state beside its file and rename."""
        arrays = {
            f"{name}{index}": array
            for name in self._LISTS
            for index, array in enumerate(getattr(self, name))
        }
        text = json.dumps({name: getattr(self, name) for name in self._PLAIN})
        with replace_file(path) as beside, beside.open("wb") as stream:
            np.savez(stream, state=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)

    @classmethod
    def load(cls, path: Path) -> State | None:
        """Read what `save` wrote; None where there is nothing, or what is there is damaged."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                plain = json.loads(arrays["state"].tobytes().decode())
                lists: dict[str, Any] = {}
                for name in cls._LISTS:
                    count = sum(key.startswith(name) for key in arrays.files)
                    lists[name] = [arrays[f"{name}{index}"] for index in range(count)]
        except _DAMAGED:
            return None
        return cls(**lists, **plain)


class Fitter:
    """Fits one compiled network, again and again from given weights.

    Parameters
    ----------
    network : keras.Model
        Compiled here; its trainable layers are what is fitted.
    recipe : Recipe
    seed : int
    hardware : Hardware, optional
        What the network was built for.
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
        self._fresh = _values(network.optimizer)
        self._random = [
            layer.seed_generator for layer in layers_of(network) if hasattr(layer, "seed_generator")
        ]

    def fit(
        self,
        part: FitImages,
        source: Source,
        start: Weights,
        *,
        epochs: int,
        state_file: Path,
        report: Report,
    ) -> State:
        """Fit from `start`, or go on where the state file stands; a damaged one counts for nothing.

        Parameters
        ----------
        part : FitImages
        source : callable
        start : list of ndarray
            Weights to begin with; they are epoch 0 and may turn out to be the best.
        epochs : int
            At most; the schedule of the rates is the recipe's own length.
        state_file : Path
            Written after every epoch.
        report : callable
            Given a row of the history after every epoch.

        Returns
        -------
        State
            Its `best` are the weights to keep.
        """
        state = State.load(state_file) or State(start, start, start)
        self._put(state)
        if not state.history:
            self._choose(state, part, source, {"epoch": 0, "loss": None, "accuracy": None})
            report(state.history[-1])
        while state.epoch < epochs and not self._stopped(state, part):
            row = self._epoch(state, part, source)
            self._choose(state, part, source, row)
            state.save(state_file)
            report(state.history[-1])
        self.network.set_weights(state.best)
        return state

    def _put(self, state: State) -> None:
        self.network.set_weights(state.weights)
        values = state.optimizer or self._fresh
        for variable, value in zip(self.network.optimizer.variables, values, strict=True):
            variable.assign(value)

    def _stopped(self, state: State, part: FitImages) -> bool:
        return bool(len(part.validation)) and state.epoch - state.best_epoch >= self.recipe.patience

    def _epoch(self, state: State, part: FitImages, source: Source) -> Json:
        """Go once through the training part; the state holds all that changed."""
        began, epoch = time.perf_counter(), state.epoch + 1
        order = np.random.default_rng([_ORDER, self.seed, epoch]).permutation(part.train)
        size = self.hardware.batch_size(min(self.recipe.batch_size, len(order)))
        steps = math.ceil(len(order) / size)
        order = np.resize(order, steps * size)  # the last batch is filled up
        target, weight = targets(part, self.recipe.class_weights)
        for generator in self._random:
            generator.state.assign([self.seed % 2**32, epoch * 2**16])
        losses, right, weighed = [], 0.0, 0.0
        for step in range(steps):
            batch = order[step * size : (step + 1) * size]
            self.network.optimizer.learning_rate = self.rate(state.epoch + step / steps)
            figures = self.hardware.train_on_batch(
                self.network, source(batch, epoch), target[batch], weight[batch]
            )
            losses.append(figures["loss"])
            right += figures["accuracy"] * float(weight[batch].sum())
            weighed += float(weight[batch].sum())
            state.steps += 1
            self._average(state, steps)
        state.epoch = epoch
        state.weights = self.network.get_weights()
        state.optimizer = _values(self.network.optimizer)
        return {
            "epoch": epoch,
            "loss": float(np.mean(losses)),  # of all batches, which are of one size
            "accuracy": right / weighed,
            "lr": self.rate(epoch - 1 / steps),
            "seconds": time.perf_counter() - began,
        }

    def _average(self, state: State, steps: int) -> None:
        """Move the average towards the weights; early on it forgets faster."""
        memory = self.recipe.averaged_epochs * steps
        keep = min(1 - 1 / memory, (1 + state.steps) / (10 + state.steps)) if memory > 1 else 0.0
        state.average = [
            keep * old + (1 - keep) * new
            for old, new in zip(state.average, self.network.get_weights(), strict=True)
        ]

    def _choose(self, state: State, part: FitImages, source: Source, row: Json) -> None:
        """Measure the averaged weights on the inner part, and keep them if they are the best."""
        row = {"lr": 0.0, "seconds": 0.0} | row | {"val_loss": None, "val_accuracy": None}
        if len(part.validation):
            self.network.set_weights(state.average)
            said = predict(self.network, source(part.validation, None))
            self.network.set_weights(state.weights)
            row["val_loss"] = balanced_loss(part.truth[part.validation], said)
            row["val_accuracy"] = float(np.mean(said.argmax(axis=1) == part.truth[part.validation]))
        # from scratch epoch 0 knows nothing, and beats every epoch that is surely wrong somewhere
        candidate = state.epoch > 0 or self.recipe.head_first
        if candidate and (not len(part.validation) or row["val_loss"] < state.best_loss):
            state.best, state.best_epoch = state.average, state.epoch
            state.best_loss = math.inf if row["val_loss"] is None else row["val_loss"]
        state.history.append(row)

    def rate(self, epochs_done: float) -> float:
        """Return the learning rate at a point of the schedule: a short rise, then a cosine."""
        recipe = self.recipe
        rise = min(1.0, (epochs_done + 0.1) / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
        wave = (1 + math.cos(math.pi * min(1.0, epochs_done / max(recipe.epochs, 1)))) / 2
        return recipe.lr * rise * (recipe.lr_last + (1 - recipe.lr_last) * wave)


def _values(optimizer: Any) -> Weights:
    return [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]


def predict(network: keras.Model, inputs: Floats) -> Floats:
    """Return probabilities in the order of the labels, two columns for a sigmoid.

    Parameters
    ----------
    network : keras.Model
    inputs : (N, ...) ndarray

    Returns
    -------
    (N, C) ndarray of float32
    """
    said = forward(network, inputs)
    return np.hstack([1 - said, said]) if said.shape[1] == 1 else said


def forward(network: keras.Model, inputs: Sequence[Any] | NDArray[Any]) -> Floats:
    """Return a network's raw output for any number of inputs, in batches of one shape."""
    rows = []
    for start in range(0, len(inputs), PREDICT_BATCH):
        batch = np.asarray(inputs[start : start + PREDICT_BATCH], dtype=np.float32)
        short = PREDICT_BATCH - len(batch)
        padded = np.concatenate([batch, np.repeat(batch[-1:], short, axis=0)]) if short else batch
        rows.append(np.asarray(network.predict_on_batch(padded))[: len(batch)])
    return np.concatenate(rows)
