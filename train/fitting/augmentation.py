"""Augmentation as in the paper (rotation, flipping, scaling, brightness), on uint8 pixels.

A pure function of (seed, epoch, sample), so that a resumed run sees what the first one saw.
Imports numpy and Pillow only.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from ...runtime.metrics.metrics import Json
from ...runtime.types import RGB

# Tells this use of the run's seed from the others.
_PURPOSE = 0xA06
_MARGIN = 0.3  # share of the side mirrored outwards at least, so that no corner stays empty


@dataclass(frozen=True)
class Augmentation:
    """How far each kind of change may go; drawn evenly between its limits.

    Parameters
    ----------
    quarter_turns : bool
        Turns by 90, 180 and 270 degrees: a smear has no upright.
    rotation : float
        Further degrees to either side.
    flip : bool
        Left to right, and upside down.
    scale : float
        0.1 means from 1/1.1 to 1.1 times the size.
    brightness : float
        0.15 means from 1/1.15 to 1.15 times the value.
    """

    quarter_turns: bool = True
    rotation: float = 15.0
    flip: bool = True
    scale: float = 0.1
    brightness: float = 0.15

    def to_json(self) -> Json:
        """Return the limits as a JSON object."""
        return asdict(self)


PAPER = Augmentation()
NO_AUGMENTATION = Augmentation(False, 0.0, False, 0.0, 0.0)


def augment(pixels: RGB, how: Augmentation, *, seed: int, epoch: int, sample: int) -> RGB:
    """Return one changed copy of an image.

    Parameters
    ----------
    pixels : (S, S, 3) ndarray of uint8
    how : Augmentation
    seed, epoch, sample : int
        The same three give the same copy, whatever was drawn before.

    Returns
    -------
    (S, S, 3) ndarray of uint8
    """
    random = np.random.default_rng([_PURPOSE, seed, epoch, sample])
    turns, across, down = random.integers(4), random.integers(2), random.integers(2)
    angle, size, light = random.uniform(-1, 1, 3)
    if how.quarter_turns:
        pixels = np.rot90(pixels, int(turns))
    if how.flip:
        pixels = pixels[:: 1 - 2 * down, :: 1 - 2 * across]
    if how.rotation or how.scale:
        pixels = _turned(pixels, math.radians(how.rotation * angle), (1 + how.scale) ** size)
    if how.brightness:
        factor = (1 + how.brightness) ** light
        table = np.clip(np.arange(256) * factor + 0.5, 0, 255).astype(np.uint8)
        pixels = table[pixels]
    return np.ascontiguousarray(pixels)


def _turned(pixels: RGB, angle: float, zoom: float) -> RGB:
    """Return the image turned about its centre and zoomed, its surroundings mirrored."""
    side = pixels.shape[0]
    cosine, sine, centre = math.cos(angle) / zoom, math.sin(angle) / zoom, side / 2
    reach = centre * (abs(cosine) + abs(sine))
    margin = math.ceil(max(_MARGIN * side, reach - centre + 1))
    wide = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    start = margin + centre
    matrix = (
        cosine,
        sine,
        start - centre * (cosine + sine),
        -sine,
        cosine,
        start + centre * (sine - cosine),
    )
    turned = Image.fromarray(wide).transform(
        (side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(turned, dtype=np.uint8)
