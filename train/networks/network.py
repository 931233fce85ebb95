"""Keras networks built from the rows: uint8-valued RGB in, probabilities out, scaling inside."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ...errors import RunError, UsageError
from .architectures import INPUT_SIZE, Architecture, Head, architecture, head_row, trains_base
from .base_weights import IMAGENET, NONE, weights_file
from .tensorflow_import import keras

# Names of the layers.
SCALING, BASE, HEAD, SCORES = "scaling", "base", "head", "scores"
# From scratch on a small set the default (0.99 to 0.999) never catches up with the weights.
SCRATCH_MOMENTUM = 0.9


def build(
    model: str,
    head: str = "gap",
    classes: int = 2,
    *,
    weights: str | Path = IMAGENET,
    seed: int = 0,
    size: int = INPUT_SIZE,
) -> keras.Model:
    """Return a new network.

    Parameters
    ----------
    model : str
        A key of `ARCHITECTURES`.
    head : str
        A key of `HEADS`.
    classes : int
        Labels, >= 2; two share one sigmoid unit.
    weights : {"imagenet", "none"} or path
        Keras' own download, random, or a ``.weights.h5`` of the base without its top.
    seed : int
        Of the random weights; Keras' global seeds are set to it.
    size : int
        Side of the input, in pixels.

    Returns
    -------
    keras.Model
        ``(None, size, size, 3)`` in 0..255 to ``(None, 1)`` (sigmoid) or ``(None, classes)``
        (softmax), float32. The base is trainable where `trains_base` says so.

    Raises
    ------
    UsageError
        If there is no such model, head or file, or the file is of another architecture.
    RunError
        If the weights cannot be downloaded.
    """
    row, shape = architecture(model), head_row(head)
    keras.utils.set_random_seed(seed)
    base = _base(row, weights, size)
    if weights == NONE:
        for layer in _norms(base):
            layer.momentum = SCRATCH_MOMENTUM
    top = _top(base.output_shape[1:], shape, classes, seed)
    network = _joined(row.reverse, _scaling(row), base, top, name=model)
    freeze(network, base=not trains_base(row, shape))
    return network


def check_weights(model: str, weights: str | Path) -> None:
    """Refuse weights that the base of a model cannot begin with, before anything else is done.

    Raises
    ------
    UsageError, RunError
        As `build`.
    """
    if weights != NONE:
        _base(architecture(model), weights, INPUT_SIZE)


def base_of(network: keras.Model) -> keras.Model:
    """Return the base inside a network: scaled pixels to features, the same weights."""
    return network.get_layer(BASE)


def head_of(network: keras.Model) -> keras.Model:
    """Return the head inside a network: features to probabilities, the same weights."""
    return network.get_layer(HEAD)


def features_of(network: keras.Model) -> keras.Model:
    """Return a network from pixels to features, with the same base and the same weights."""
    row = architecture(network.name)
    return _joined(row.reverse, network.get_layer(SCALING), base_of(network), None, name="features")


def layers_of(network: keras.Model) -> list[Any]:
    """Return every layer of a network, those inside its base and its head too."""
    found = []
    for layer in network.layers:
        found += layers_of(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def freeze(network: keras.Model, *, base: bool, norm: bool = False) -> None:
    """Freeze or free the base; `norm` keeps its batch normalization in inference mode.

    Parameters
    ----------
    network : keras.Model
    base : bool
        True freezes all of it.
    norm : bool
        True freezes its batch normalization even where the rest is trained: with a handful of
        images a batch the statistics of ImageNet are the better ones.
    """
    inner = base_of(network)
    inner.trainable = not base
    if norm and not base:
        for layer in _norms(inner):
            layer.trainable = False


def _joined(
    reverse: bool, scaling: Any, base: keras.Model, top: keras.Model | None, *, name: str
) -> keras.Model:
    pixels = keras.Input(base.input_shape[1:], name="pixels")
    features = base(scaling(pixels[..., ::-1] if reverse else pixels))
    return keras.Model(pixels, features if top is None else top(features), name=name)


def _scaling(row: Architecture) -> Any:
    return keras.layers.Rescaling(list(row.scale), list(row.offset), name=SCALING)


def _top(features: tuple[int, ...], head: Head, classes: int, seed: int) -> keras.Model:
    layers = [
        keras.Input(features),
        keras.layers.Flatten(name="flatten")
        if head.flatten
        else keras.layers.GlobalAveragePooling2D(name="average"),
    ]
    if head.dropout:
        layers.append(keras.layers.Dropout(head.dropout, seed=seed, name="dropout"))
    for units in head.dense:
        layers.append(keras.layers.Dense(units, activation="relu", name=f"dense_{units}"))
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    # in float32 whatever the rest is computed in: probabilities near 0 and 1 need it
    layers.append(keras.layers.Dense(units, activation=activation, name=SCORES, dtype="float32"))
    return keras.Sequential(layers, name=HEAD)


def _base(row: Architecture, weights: str | Path, size: int) -> keras.Model:
    file, factory = weights_file(weights), getattr(keras.applications, row.title)
    own = IMAGENET if weights == IMAGENET else None
    try:
        base = factory(include_top=False, weights=own, input_shape=(size, size, 3), name=BASE)
    except Exception as error:  # Keras raises a bare Exception when its download fails
        if own is None or "URL fetch failure" not in str(error):
            raise
        raise RunError(
            f"the ImageNet weights of {row.title} cannot be downloaded: {error}",
            fix="--weights FILE with a .weights.h5 of the base (include_top=False), "
            "or --weights none to train from scratch",
        ) from None
    if file is not None:
        _load(base, file, row)
    return base


def _load(base: keras.Model, path: Path, row: Architecture) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns a hundredfold before it raises
            base.load_weights(path)
    except Exception as error:  # h5py and Keras raise OSError, ValueError, KeyError, …
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"the weights in {path} do not fit {row.title}: {first}",
            allowed=f"those of keras.applications.{row.title}(include_top=False)",
            fix="name the file of this model, or --model of the one the file is of",
        ) from None


def _norms(base: keras.Model) -> list[Any]:
    return [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
