"""The serving graph: uint8 pixels in, float probabilities out, batch one. Loads keras late."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ExportError
from ..types import Images, Scores

INPUT_NAME = "image"
OUTPUT_NAME = "probabilities"
CHANNELS = 3
SCORING_BATCH = 8


def serving_model(model: Any) -> Any:
    """Return the network that the converters take.

    Parameters
    ----------
    model : keras.Model
        Takes pixels in 0..255 and scales them itself; gives one sigmoid or C softmax columns.

    Returns
    -------
    keras.Model
        Takes ``uint8 [1, S, S, 3]``; gives ``float32 [1, C]`` in the order of the labels. One
        sigmoid unit of logit z becomes a softmax over ``[0, z]``, which is ``[1 - p, p]``. That
        is one dense layer and its activation, so that a quantizer can leave exactly those in
        float. The batch size is fixed: otherwise Flatten is no plain reshape, and TFLite does not
        use its fast kernels.

    Raises
    ------
    ExportError
        If the model has a single output that is not a dense sigmoid unit.
    """
    import keras

    size = int(model.inputs[0].shape[1])
    image = keras.Input(batch_shape=(1, size, size, CHANNELS), dtype="uint8", name=INPUT_NAME)
    pixels = keras.ops.cast(image, "float32")
    if int(model.outputs[0].shape[-1]) > 1:
        return keras.Model(image, model(pixels, training=False), name="serving")
    bodies, _ = before_last_dense(model)
    for body in bodies:
        pixels = body(pixels, training=False)
    pair = keras.layers.Dense(2, activation="softmax", name=OUTPUT_NAME)
    serving = keras.Model(image, pair(pixels), name="serving")
    fill_last_layer(serving, model)
    return serving


def fill_last_layer(serving: Any, model: Any) -> None:
    """Give the last layer of a serving graph the weights of its network, if it has its own.

    The other layers are those of the network.
    """
    if int(model.outputs[0].shape[-1]) > 1:
        return
    _, dense = before_last_dense(model)
    kernel, bias = (np.asarray(value) for value in (dense.kernel, dense.bias))
    serving.get_layer(OUTPUT_NAME).set_weights(
        [np.concatenate([np.zeros_like(value), value], axis=-1) for value in (kernel, bias)]
    )


def float_scores(model: Any, images: Images) -> Scores:
    """Return the scores of the float model; a sigmoid gives two columns.

    Parameters
    ----------
    model : keras.Model
        As for `serving_model`.
    images : (N, S, S, 3) ndarray of uint8

    Returns
    -------
    (N, C) ndarray of float32
    """
    parts = [
        np.asarray(model(images[start : start + SCORING_BATCH].astype(np.float32), training=False))
        for start in range(0, len(images), SCORING_BATCH)
    ]
    scores = np.concatenate(parts).astype(np.float32)
    return np.concatenate([1 - scores, scores], axis=1) if scores.shape[1] == 1 else scores


def before_last_dense(model: Any) -> tuple[list[Any], Any]:
    """Return the models before the last dense unit, in order, and that unit.

    Raises
    ------
    ExportError
        If the model does not end in a dense sigmoid unit.
    """
    import keras

    last, node, _ = model.outputs[0]._keras_history  # the layer that gives the output tensor
    before = [keras.Model(model.inputs, last._inbound_nodes[node].input_tensors[0])]
    if isinstance(last, keras.Model):
        inner, dense = before_last_dense(last)
        return [*before, *inner], dense
    if not isinstance(last, keras.layers.Dense) or last.activation is not keras.activations.sigmoid:
        raise ExportError(
            f"the model ends in {type(last).__name__} {last.name!r} with one output",
            allowed="a dense sigmoid unit, or a softmax over the labels",
        )
    return before, last
