"""Builds Keras networks that scale their input themselves: RGB of 0 to 255 to probabilities."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ...errors import MissingPackageError, RunError, UsageError
from .architectures import INPUT_SIZE, Architecture, Head, architecture, head_row, trains_base
from .artifact_weights import load_artifact_weights
from .base_weights import ARTIFACT_SUFFIX, IMAGENET, NONE, weights_file
from .tensorflow_import import keras

# names of layers
SCALING, BASE, HEAD, SCORES = "scaling", "base", "head", "scores"
# With the default (0.99 to 0.999), training from scratch on a small data set has too few steps for
# the statistics to follow the weights.
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
        Number of labels, >= 2. Two labels share one sigmoid unit.
    weights : {"imagenet", "none", "builtin"} or path
        Keras' own download, random weights, those of the bundle that alledge contains, a
        ``.weights.h5`` of the base without its top, or the ``.tflite`` of a bundle.
    seed : int
        Seed of the random weights. Sets Keras' global seeds too.
    size : int
        Side of the input, in pixels.

    Returns
    -------
    keras.Model
        Maps ``(None, size, size, 3)`` in 0 to 255 to ``(None, 1)`` (sigmoid) or
        ``(None, classes)`` (softmax), float32. The base is trainable if `trains_base` is true.

    Raises
    ------
    UsageError
        If there is no such model, head or file, or the file belongs to another architecture.
    RunError
        If the weights cannot be downloaded.
    """
    row, top = architecture(model), head_row(head)
    keras.utils.set_random_seed(seed)
    base = _build_base(row, weights, size)
    if weights == NONE:
        for layer in _norm_layers(base):
            layer.momentum = SCRATCH_MOMENTUM
    scaling = keras.layers.Rescaling(
        list(row.scaling.scale), list(row.scaling.offset), name=SCALING
    )
    layers = _build_head(base.output_shape[1:], top, classes, seed)
    network = _connect(row.bgr, scaling, base, layers, name=model)
    freeze(network, base=not trains_base(row, top))
    return network


def check_weights(model: str, weights: str | Path) -> None:
    """Raise an error if the base of a model cannot start with these weights.

    Raises
    ------
    UsageError, RunError
        As `build`.
    """
    if weights != NONE:
        _build_base(architecture(model), weights, INPUT_SIZE)


def base_of(network: keras.Model) -> keras.Model:
    """Return the part of a network that maps scaled pixels to features. It shares the weights."""
    return network.get_layer(BASE)


def head_of(network: keras.Model) -> keras.Model:
    """Return the part of a network that maps features to probabilities. It shares the weights."""
    return network.get_layer(HEAD)


def features_of(network: keras.Model) -> keras.Model:
    """Return a network that maps pixels to features. It shares the base and its weights."""
    row = architecture(network.name)
    return _connect(row.bgr, network.get_layer(SCALING), base_of(network), None, name="features")


def layers_of(network: keras.Model) -> list[Any]:
    """Return all layers of a network, including those of its base and its head."""
    layers = []
    for layer in network.layers:
        layers += layers_of(layer) if isinstance(layer, keras.Model) else [layer]
    return layers


def freeze(network: keras.Model, *, base: bool, norm: bool = False) -> None:
    """Freeze or unfreeze the base of a network.

    Parameters
    ----------
    network : keras.Model
    base : bool
        True freezes all of it, False unfreezes it.
    norm : bool
        True freezes its batch normalization even if the rest is trained. It then stays in
        inference mode. For small batches the statistics of ImageNet are better than new ones.
    """
    base_network = base_of(network)
    base_network.trainable = not base
    if norm and not base:
        for layer in _norm_layers(base_network):
            layer.trainable = False


def _connect(
    bgr: bool, scaling: Any, base: keras.Model, head: keras.Model | None, *, name: str
) -> keras.Model:
    """Return the network of scaling, base and head. Without a head it returns features."""
    pixels = keras.Input(base.input_shape[1:], name="pixels")
    features = base(scaling(pixels[..., ::-1] if bgr else pixels))
    return keras.Model(pixels, features if head is None else head(features), name=name)


def _build_head(feature_shape: tuple[int, ...], head: Head, classes: int, seed: int) -> keras.Model:
    layers = [
        keras.Input(feature_shape),
        keras.layers.Flatten(name="flatten")
        if head.flatten
        else keras.layers.GlobalAveragePooling2D(name="average"),
    ]
    if head.dropout:
        layers.append(keras.layers.Dropout(head.dropout, seed=seed, name="dropout"))
    for units in head.dense:
        layers.append(keras.layers.Dense(units, activation="relu", name=f"dense_{units}"))
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    # always in float32: half precision cannot represent probabilities near 0 and 1
    layers.append(keras.layers.Dense(units, activation=activation, name=SCORES, dtype="float32"))
    return keras.Sequential(layers, name=HEAD)


def _build_base(row: Architecture, weights: str | Path, size: int) -> keras.Model:
    file, factory = weights_file(weights), getattr(keras.applications, row.title)
    keras_weights = IMAGENET if weights == IMAGENET else None
    try:
        base = factory(
            include_top=False, weights=keras_weights, input_shape=(size, size, 3), name=BASE
        )
    except Exception as error:  # Keras raises a bare Exception when its download fails
        if keras_weights is None or "URL fetch failure" not in str(error):
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
            warnings.simplefilter("ignore")  # Keras warns about every layer before it raises
            if path.suffix == ARTIFACT_SUFFIX:
                load_artifact_weights(base, path)
            else:
                base.load_weights(path)
    except MissingPackageError:
        raise
    except Exception as error:  # h5py and Keras raise OSError, ValueError, KeyError and others
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UsageError(
            f"the weights in {path} do not fit {row.title}: {reason}",
            allowed=f"those of keras.applications.{row.title}(include_top=False), "
            f"or the {ARTIFACT_SUFFIX} of a bundle of this model",
            fix="name a file for this model, or --model with the model that the file belongs to",
        ) from None


def _norm_layers(base: keras.Model) -> list[Any]:
    return [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
