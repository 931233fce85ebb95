"""Reads all 16 bits of a file that Pillow reduces to 8 bits.

Pillow has no 16-bit colour mode: it keeps the high byte of each sample. It can also unpack the
samples in the opposite byte order, which keeps the low byte; both together are the sample.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_OPPOSITE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def wide_samples(opened: Callable[[], Image.Image]) -> NDArray[np.uint16]:
    """Return the samples of a 16-bit colour image.

    Parameters
    ----------
    opened : callable
        Opens the file with Pillow, not loaded; called twice.

    Returns
    -------
    (H, W, C) ndarray of uint16
    """
    with opened() as image:
        samples = np.asarray(image).astype(np.uint16)
    samples <<= 8
    with opened() as image:
        image.tile = [tile._replace(args=_opposite(tile.args)) for tile in image.tile]
        samples |= np.asarray(image)
    return samples


def png_samples(opened: Callable[[], Image.Image], colour_type: int) -> NDArray[np.uint16]:
    """Return the 16-bit samples of a PNG.

    Parameters
    ----------
    opened : callable
        Opens the file with Pillow, not loaded; called twice.
    colour_type : int
        0 grey, 2 RGB, 4 grey with alpha, 6 RGB with alpha.

    Returns
    -------
    (H, W, C) ndarray of uint16
    """
    if colour_type in (2, 6):
        return wide_samples(opened)
    with opened() as image:
        if colour_type == 0:
            return np.asarray(image).astype(np.uint16)[..., np.newaxis]
        image.tile = [tile._replace(args="RGBA") for tile in image.tile]  # four bytes a pixel
        return np.ascontiguousarray(np.asarray(image)).view(">u2").astype(np.uint16)


def _opposite(arguments: Any) -> Any:
    """Return the arguments of a decoder for the opposite byte order."""
    if isinstance(arguments, str):
        return arguments[:-1] + _OPPOSITE[arguments[-1]]
    return (_opposite(arguments[0]), *arguments[1:])
