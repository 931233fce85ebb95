"""The paper's augmentation (rotation, flipping, scaling, brightness) of uint8 pixels.

It is a pure function of (seed, epoch, sample), so that a resumed run sees the same images as an
uninterrupted one. Imports numpy and Pillow only.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from ...runtime.types import RGB

_AUGMENTATION_SEED = 0xA06  # separates these random numbers from other uses of the run's seed
_MIN_MARGIN = 0.3  # share of the side that is mirrored at the border, so that no corner is empty


@dataclass(frozen=True)
class Augmentation:
    """Limits of the random changes. Each change is drawn uniformly within its limits.

    Parameters
    ----------
    quarter_turns : bool
        Rotate by 0, 90, 180 or 270 degrees. A smear has no upright orientation.
    rotation : float
        Further rotation to either side, in degrees.
    flip : bool
        Mirror horizontally and vertically.
    scale : float
        0.1 means from 1/1.1 to 1.1 times the size.
    brightness : float
        0.15 means from 1/1.15 to 1.15 times the pixel values.
    """

    quarter_turns: bool = True
    rotation: float = 15.0
    flip: bool = True
    scale: float = 0.1
    brightness: float = 0.15

    def to_json(self) -> dict[str, Any]:
        """Return the limits as a JSON object."""
        return asdict(self)


PAPER_AUGMENTATION = Augmentation()
NO_AUGMENTATION = Augmentation(
    quarter_turns=False, rotation=0.0, flip=False, scale=0.0, brightness=0.0
)


def augment(pixels: RGB, limits: Augmentation, *, seed: int, epoch: int, sample: int) -> RGB:
    """Return a randomly changed copy of an image.

    Parameters
    ----------
    pixels : (S, S, 3) ndarray of uint8
    limits : Augmentation
    seed, epoch, sample : int
        The same three numbers give the same copy.

    Returns
    -------
    (S, S, 3) ndarray of uint8
    """
    rng = np.random.default_rng([_AUGMENTATION_SEED, seed, epoch, sample])
    # all random numbers are drawn in any case, so that the limits do not change the others
    turns, flip_x, flip_y = rng.integers(4), rng.integers(2), rng.integers(2)
    angle, zoom, brightness = rng.uniform(-1, 1, 3)
    if limits.quarter_turns:
        pixels = np.rot90(pixels, int(turns))
    if limits.flip:
        pixels = pixels[:: 1 - 2 * flip_y, :: 1 - 2 * flip_x]
    if limits.rotation or limits.scale:
        radians = math.radians(limits.rotation * angle)
        pixels = _rotate_and_zoom(pixels, radians, (1 + limits.scale) ** zoom)
    if limits.brightness:
        factor = (1 + limits.brightness) ** brightness
        table = np.clip(np.arange(256) * factor + 0.5, 0, 255).astype(np.uint8)
        pixels = table[pixels]
    return np.ascontiguousarray(pixels)


def _rotate_and_zoom(pixels: RGB, angle: float, zoom: float) -> RGB:
    """Return the image rotated about its centre, by radians, and zoomed. Its border is mirrored."""
    side = pixels.shape[0]
    cosine, sine, centre = math.cos(angle) / zoom, math.sin(angle) / zoom, side / 2
    reach = centre * (abs(cosine) + abs(sine))
    margin = math.ceil(max(_MIN_MARGIN * side, reach - centre + 1))
    wide = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    start = margin + centre
    matrix = (
        cosine, sine, start - centre * (cosine + sine),
        -sine, cosine, start + centre * (sine - cosine),
    )  # fmt: skip
    rotated = Image.fromarray(wide).transform(
        (side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(rotated, dtype=np.uint8)
