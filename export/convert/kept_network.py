"""Keeps the latest network of a process, and gives it the weights of another of its architecture.

The networks of the folds differ in their weights only. Keras builds one of them, TensorFlow traces
its serving graph once, and the others take its place: that gives the same graph in less time.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from ...train.networks.saved_network import load_network, load_weights
from .serving_graph import INPUT_NAME, fill_last_layer, serving_model

CONFIG = "config.json"  # of a ``model.keras``
INPUT_LAYER = re.compile(
    r'"input_layer(?:_\d+)?"'
)  # Keras numbers them by a counter of the process


class KeptNetwork:
    """A float network with its serving graph.

    Parameters
    ----------
    path : Path
        A ``model.keras``.

    Attributes
    ----------
    network : keras.Model
        Uncompiled.
    """

    def __init__(self, path: Path) -> None:
        self.network = load_network(path)

    def take_weights(self, path: Path) -> None:
        """Take the weights of another network of the same architecture."""
        load_weights(self.network, path)
        if "_serving" in self.__dict__:
            fill_last_layer(self._serving, self.network)

    @cached_property
    def _serving(self) -> Any:
        return serving_model(self.network)

    @cached_property
    def trace(self) -> Any:
        """The concrete function of the serving graph; its variables have the current weights."""
        serving = self._serving  # built before the trace, in which variables have no values
        size = self.network.inputs[0].shape[1]
        return trace_pixels(lambda image: serving(image, training=False), size)


_kept: dict[str, KeptNetwork] = {}  # at most one, by its architecture


def kept_network(path: Path) -> KeptNetwork:
    """Return the network in a ``model.keras``, as it is until the next call.

    Raises
    ------
    RunError
        If the file is missing, is no regular file, or Keras cannot read it.
    """
    key = architecture_key(path)
    if key is not None and key in _kept:
        _kept[key].take_weights(path)
        return _kept[key]
    _kept.clear()  # before another takes as much memory
    network = KeptNetwork(path)
    if key is not None:
        _kept[key] = network
    return network


def architecture_key(path: Path) -> str | None:
    """Return a text that two networks share if they differ in weights only; None if unreadable.

    The names of input layers do not count: Keras numbers them in the order in which a process
    trains the networks of the folds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = archive.read(CONFIG).decode("utf-8")
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    places = {name: place for place, name in enumerate(dict.fromkeys(INPUT_LAYER.findall(config)))}
    return INPUT_LAYER.sub(lambda match: f'"input {places[match[0]]}"', config)


def trace_pixels(function: Callable[[Any], Any], size: int) -> Any:
    """Return the concrete function of a graph that takes one image, uint8 [1, size, size, 3]."""
    import tensorflow as tf

    pixels = tf.TensorSpec((1, size, size, 3), tf.uint8, name=INPUT_NAME)
    return tf.function(function, input_signature=[pixels], autograph=False).get_concrete_function()
