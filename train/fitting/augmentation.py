"""Augmentation of uint8 pixels: that of the paper for fields, and one for cells.

It is a pure function of (seed, epoch, sample), so that a resumed run sees the same images as an
uninterrupted one. Imports numpy and Pillow only.
"""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ...runtime.types import RGB

_AUGMENTATION_SEED = 0xA06  # separates these random numbers from other uses of the run's seed
_DENSITY = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)  # optical density by pixel value
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
    shift : float
        Horizontally and vertically, to either side, as a share of the side of the image.
    stain : float
        0.2 means from 1/1.2 to 1.2 times the optical density of each of two stains.
    blur : float
        Largest standard deviation of a Gaussian blur, as a share of the side of the image.
    white_point : float
        0.05 means from 1/1.05 to 1.05 times the values of each colour channel.
    noise : float
        Largest standard deviation of Gaussian noise, as a share of 255.
    jpeg : int
        Largest loss of JPEG quality: 40 means qualities from 60 to 100.
    """

    quarter_turns: bool = True
    rotation: float = 15.0
    flip: bool = True
    scale: float = 0.1
    brightness: float = 0.15
    shift: float = 0.0
    stain: float = 0.0
    blur: float = 0.0
    white_point: float = 0.0
    noise: float = 0.0
    jpeg: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the limits as a JSON object."""
        return asdict(self)


PAPER_AUGMENTATION = Augmentation()
NO_AUGMENTATION = Augmentation(
    quarter_turns=False, rotation=0.0, flip=False, scale=0.0, brightness=0.0
)
# A cell has no upright orientation. All crops have one scale and one white point. Random stain,
# size, white point and blur cost accuracy on another camera (docs/cells.md).
CELL_AUGMENTATION = Augmentation(
    quarter_turns=False, rotation=180.0, scale=0.0, brightness=0.0, shift=0.04
)
# Optical densities of red, green and blue of haematoxylin and of eosin, and the rest.
_STAINS = ((0.650, 0.704, 0.286), (0.072, 0.990, 0.105), (0.268, 0.570, 0.776))


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
    shift, stains, white = rng.uniform(-1, 1, 2), rng.uniform(-1, 1, 2), rng.uniform(-1, 1, 3)
    blur, noise, loss = rng.uniform(0, 1, 3).tolist()
    if limits.quarter_turns:
        pixels = np.rot90(pixels, int(turns))
    if limits.flip:
        pixels = pixels[:: 1 - 2 * flip_y, :: 1 - 2 * flip_x]
    if limits.rotation or limits.scale or limits.shift:
        radians, zoom = math.radians(limits.rotation * angle), (1 + limits.scale) ** zoom
        pixels = _move(pixels, radians, zoom, limits.shift * len(pixels) * shift)
    if limits.stain:
        pixels = _restain(pixels, (1 + limits.stain) ** stains)
    if limits.blur:
        smooth = ImageFilter.GaussianBlur(limits.blur * len(pixels) * blur)
        pixels = np.asarray(Image.fromarray(pixels).filter(smooth), dtype=np.uint8)
    if limits.brightness or limits.white_point:
        gains = (1 + limits.brightness) ** brightness * (1 + limits.white_point) ** white
        tables = np.clip(np.arange(256)[:, None] * gains + 0.5, 0, 255).astype(np.uint8)
        pixels = np.take_along_axis(tables, pixels.reshape(-1, 3), axis=0).reshape(pixels.shape)
    if limits.noise:
        grain = rng.normal(0, 255 * limits.noise * noise, pixels.shape)
        pixels = np.clip(pixels + grain + 0.5, 0, 255).astype(np.uint8)
    if limits.jpeg:
        pixels = _compress(pixels, round(100 - limits.jpeg * loss))
    return np.ascontiguousarray(pixels)


def _move(pixels: RGB, angle: float, zoom: float, shift: NDArray[np.float64]) -> RGB:
    """Return the image rotated about its centre, by radians, zoomed, and shifted by pixels.

    Its border is mirrored.
    """
    side = pixels.shape[0]
    cosine, sine, centre = math.cos(angle) / zoom, math.sin(angle) / zoom, side / 2
    reach = centre * (abs(cosine) + abs(sine)) + float(np.abs(shift).max())
    margin = math.ceil(max(_MIN_MARGIN * side, reach - centre + 1))
    wide = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    x, y = margin + centre + shift
    matrix = (
        cosine, sine, x - centre * (cosine + sine),
        -sine, cosine, y + centre * (sine - cosine),
    )  # fmt: skip
    moved = Image.fromarray(wide).transform(
        (side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(moved, dtype=np.uint8)


def _compress(pixels: RGB, quality: int) -> RGB:
    """Return the image after JPEG compression."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return np.asarray(image, dtype=np.uint8)


def _restain(pixels: RGB, factors: NDArray[np.float64]) -> RGB:
    """Return the image with the optical density of haematoxylin and eosin times two factors.

    References
    ----------
    A. C. Ruifrok, D. A. Johnston, "Quantification of histochemical staining by color
    deconvolution", Anal. Quant. Cytol. Histol. 23 (2001), 291-299.
    """
    stains = np.array(_STAINS)
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    change = np.linalg.inv(stains) @ np.diag([*factors, 1.0]) @ stains
    density = _DENSITY[pixels] @ change.astype(np.float32)
    restained: RGB = np.clip(256.0 * np.exp(-density) - 0.5, 0, 255).astype(np.uint8)
    return restained
