"""The head on frozen features, fitted with Adam in numpy: an epoch costs milliseconds.

The same layers as the Keras head (dense, ReLU, dropout, a sigmoid or softmax at the end) with
Keras' initial weights, loss and optimizer; its input is centred and brought to one scale, which
folds into the first layer. Imports no keras: a worker whose features are kept starts at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.metrics import Json
from ..fitting.targets import FitImages, balanced_loss, targets

BETAS, EPSILON = (0.9, 0.999), 1e-7  # Keras' defaults of Adam
_ORDER, _DROP, _INIT = 0x5E0, 0x5E1, 0x5E2  # tell these uses of the seed from the others
TINY_SCALE = 1e-20  # of features that do not move at all

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
# epoch (0: the images as they are) -> features of every image of the set, (N, D)
Source = Callable[[int], Floats]


@dataclass(frozen=True)
class HeadRecipe:
    """How a head is fitted.

    Parameters
    ----------
    lr : float
        Of Adam.
    batch_size, epochs : int
    dense : tuple of int
        Units of the hidden layers.
    dropout : float
        Share of features dropped while training.
    balanced : bool
        Every label weighs the same.
    """

    lr: float
    batch_size: int
    epochs: int
    dense: tuple[int, ...] = ()
    dropout: float = 0.2
    balanced: bool = True


class DenseHead:
    """Dense layers on features that are centred and brought to one scale.

    Parameters
    ----------
    centre : (D,) ndarray of float32
    scale : float
    units : sequence of int
        Of every layer; the last is 1 for a sigmoid.
    seed : int
    """

    def __init__(self, centre: Floats, scale: float, units: Sequence[int], seed: int) -> None:
        self.centre, self.scale = centre, np.float32(scale)
        random = np.random.default_rng([_INIT, seed])
        self.layers: list[Floats] = []
        for before, after in zip([len(centre), *units], units, strict=False):
            limit = np.sqrt(6 / (before + after))  # Glorot and Bengio's uniform, as in Keras
            self.layers.append(random.uniform(-limit, limit, (before, after)).astype(np.float32))
            self.layers.append(np.zeros(after, np.float32))

    def scaled(self, features: Floats) -> Floats:
        """Return features as the first layer sees them."""
        return np.asarray((features - self.centre) / self.scale, np.float32)

    def scores(self, features: Floats) -> Floats:
        """Return probabilities in the order of the labels, two columns for a sigmoid."""
        said = self._forward(self.scaled(features))[-1]
        return np.hstack([1 - said, said]) if said.shape[1] == 1 else said

    def gradients(self, inputs: Floats, target: Floats, weight: Floats) -> list[Floats]:
        """Return the gradient of the mean weighted loss for every kernel and bias."""
        passed = self._forward(inputs)
        slope = (passed[-1] - target) * (weight / len(inputs))[:, None]
        found: list[Floats] = []
        for layer in range(len(self.layers) - 2, -1, -2):
            before = passed[layer // 2]
            found += [slope.sum(axis=0), before.T @ slope]
            if layer:
                slope = (slope @ self.layers[layer].T) * (before > 0)
        return found[::-1]

    def _forward(self, inputs: Floats) -> list[Floats]:
        """Return the input of every layer, then the probabilities."""
        passed = [inputs]
        for layer in range(0, len(self.layers), 2):
            out = passed[-1] @ self.layers[layer] + self.layers[layer + 1]
            last = layer == len(self.layers) - 2
            passed.append(_probabilities(out) if last else np.maximum(out, 0))
        return passed


class _Adam:
    def __init__(self, layers: list[Floats], lr: float) -> None:
        self.layers, self.lr, self.step = layers, lr, 0
        self.first = [np.zeros_like(layer) for layer in layers]
        self.second = [np.zeros_like(layer) for layer in layers]

    def apply(self, gradients: list[Floats]) -> None:
        self.step += 1
        one, two = BETAS
        rate = np.float32(self.lr * np.sqrt(1 - two**self.step) / (1 - one**self.step))
        for at, gradient in enumerate(gradients):
            self.first[at] += np.float32(1 - one) * (gradient - self.first[at])
            self.second[at] += np.float32(1 - two) * (gradient * gradient - self.second[at])
            self.layers[at] -= rate * self.first[at] / (np.sqrt(self.second[at]) + EPSILON)


def fit_head(
    part: FitImages, source: Source, recipe: HeadRecipe, *, seed: int
) -> tuple[DenseHead, list[Json]]:
    """Fit a head for all its epochs.

    Parameters
    ----------
    part : FitImages
        Its `chosen` images are measured after every epoch, and choose nothing.
    source : callable
        Features of every image, epoch by epoch; only those of the part are looked at.
    recipe : HeadRecipe
    seed : int

    Returns
    -------
    head : DenseHead
    history : list of dict
        Loss of training and of the chosen images, and seconds, one row an epoch.
    """
    plain = source(0)
    units = [*recipe.dense, 1 if part.classes == 2 else part.classes]
    centre = plain[part.train].mean(axis=0)
    # one scale for all: scaling each feature by its own would blow up those that hardly move
    scale = np.sqrt(np.mean((plain[part.train] - centre).astype(np.float64) ** 2))
    head = DenseHead(centre, max(float(scale), TINY_SCALE), units, seed)
    adam = _Adam(head.layers, recipe.lr)
    target, weight = targets(part, recipe.balanced)
    history: list[Json] = []
    for epoch in range(1, recipe.epochs + 1):
        began = time.perf_counter()
        rows = np.random.default_rng([_ORDER, seed, epoch]).permutation(part.train)
        inputs = _dropped(head.scaled(source(epoch)[rows]), recipe.dropout, seed, epoch)
        for start in range(0, len(rows), recipe.batch_size):
            batch = slice(start, start + recipe.batch_size)
            some = rows[batch]
            adam.apply(head.gradients(inputs[batch], target[some], weight[some]))
        seconds = time.perf_counter() - began
        history.append({"epoch": epoch, **_losses(head, part, plain), "seconds": seconds})
    return head, history


def _dropped(inputs: Floats, share: float, seed: int, epoch: int) -> Floats:
    """Drop features as the Keras head does, the rest raised so that the mean stays."""
    if not share:
        return inputs
    kept = np.random.default_rng([_DROP, seed, epoch]).random(inputs.shape, np.float32) >= share
    return np.asarray(inputs * kept / np.float32(1 - share), np.float32)


def _losses(head: DenseHead, part: FitImages, plain: Floats) -> Json:
    loss = balanced_loss(part.truth[part.train], head.scores(plain[part.train]))
    if not len(part.validation):
        return {"loss": loss, "val_loss": None}
    said = head.scores(plain[part.validation])
    return {"loss": loss, "val_loss": balanced_loss(part.truth[part.validation], said)}


def _probabilities(out: Floats) -> Floats:
    if out.shape[1] == 1:
        return np.asarray(1 / (1 + np.exp(-np.clip(out, -60, 60))), np.float32)
    powers = np.exp(out - out.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
