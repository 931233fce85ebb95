"""Reads all 16 bits of a colour file that Pillow reduces to 8 bits.

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
        high = np.asarray(image)
    with opened() as image:
        image.tile = [tile._replace(args=_opposite(tile.args)) for tile in image.tile]
        low = np.asarray(image)
    samples = high.astype(np.uint16)
    samples <<= 8
    samples |= low
    return samples


def _opposite(arguments: Any) -> Any:
    """Return the arguments of a decoder for the opposite byte order."""
    if isinstance(arguments, str):
        return arguments[:-1] + _OPPOSITE[arguments[-1]]
    return (_opposite(arguments[0]), *arguments[1:])
