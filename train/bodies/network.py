"""The network: 40,000 weights, maps of half the size of what it sees."""

from __future__ import annotations

import keras
from keras import layers

PITCH = 2  # pixels of the input per pixel of a map
STEPS = 8  # the sides of the input are multiples of it
MAPS = 2  # bodies of leucocytes, other stained bodies
PRIOR = -4.0  # logit of a map before training: most pixels are no centre


def body_network(height: int | None = None, width: int | None = None) -> keras.Model:
    """Return an untrained network.

    Parameters
    ----------
    height, width : int, optional
        Sides of the input, multiples of 8. Any size by default.

    Returns
    -------
    keras.Model
        From (N, H, W, 3) densities to (N, H/2, W/2, 2) logits.
    """
    inputs = layers.Input((height, width, 3))
    x = _convolution(inputs, 16, 2)
    x = _convolution(x, 24, 2)
    fine = _convolution(x, 24, 1)
    x = _convolution(fine, 32, 2)
    x = _convolution(x, 32, 1)
    x = _convolution(x, 32, 1)
    x = layers.UpSampling2D(2, interpolation="nearest")(x)
    x = layers.Concatenate()([fine, x])
    x = layers.Conv2D(24, 1, activation="relu")(x)
    x = _convolution(x, 24, 1)
    x = layers.Conv2DTranspose(
        MAPS, PITCH, PITCH, bias_initializer=keras.initializers.Constant(PRIOR)
    )(x)
    return keras.Model(inputs, x)


def _convolution(x: keras.KerasTensor, channels: int, stride: int) -> keras.KerasTensor:
    return layers.Conv2D(channels, 3, stride, padding="same", activation="relu")(x)
