"""What an image is recognised by: perceptual hashes of itself and of the patches about its cells.

A hash of the whole image is blind to a shifted stage, so that each landmark (a cell, a gap) gets a
hash of what lies around it. Two fields that overlap share such hashes at one and the same shift.
Imports numpy, scipy and the image path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import ImageError
from ....runtime.imaging import load_picture, open_image, read_header

LEVEL_SIDE = 400  # pixels: the scale is halved until the largest image of all is no wider
FEW_IMAGES = 1000  # so many are compared at twice that scale, where there is time for it
PATCH = 24  # pixels of the level that a hash looks at
LANDMARKS = 160  # an image, the most contrasty; twice as many at twice the scale
SPACING = 3  # pixels between landmarks, at least
FEW = 8  # an image with fewer landmarks (a crop) is hashed everywhere in its middle
DENSE = 81  # places at most of such an image
FREQUENCIES = 12  # of the hash of a patch, along each axis
WHOLE = 32  # side of the square the whole image is hashed in
BITS = 64
DETAIL = 8.0  # pixels of the level: what a blur this wide keeps is shading, not detail
BLACK = 16  # grey levels: darker is the border of a cell that was cut out
FLAT = 1.5  # grey levels of spread below which a patch shows nothing

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Signature:
    """What is kept of an image.

    Parameters
    ----------
    size : tuple of int
        Width and height of the image itself, in pixels.
    detail : (H, W) ndarray of int8
        Grey at the common scale, without what is blurred.
    whole : (64,) ndarray of int8
        The image's own perceptual hash, -1 and 1.
    places : (K, 2) ndarray of int16
        Landmarks (x, y) at the level.
    hashes : (K,) ndarray of uint64
        Of the patches about them.
    """

    size: tuple[int, int]
    detail: NDArray[np.int8]
    whole: NDArray[np.int8]
    places: NDArray[np.int16]
    hashes: NDArray[np.uint64]


@dataclass(frozen=True)
class Level:
    """The scale at which images are compared, common to all of them.

    Parameters
    ----------
    factor : int
        By which it is smaller than the images, a power of two.
    landmarks : int
        An image.
    """

    factor: int
    landmarks: int


def common_level(sides: Sequence[int]) -> Level:
    """Return the scale for images of these longer sides, in pixels."""
    finer = 2 if len(sides) <= FEW_IMAGES else 1
    factor = 1
    while max(sides, default=1) / factor > LEVEL_SIDE * finer:
        factor *= 2
    return Level(factor, LANDMARKS * finer)


def sign(path: Path, level: Level) -> Signature | None:
    """Return what an image is recognised by; None where it cannot be read.

    Parameters
    ----------
    path : Path
    level : Level
        The same for all images that are compared.
    """
    grey = load_grey(path, level.factor)
    if grey is None:
        return None
    smooth = _blur(grey.astype(np.float32), 1.0)
    places = _landmarks(smooth, level.landmarks)
    hashes, kept = _hashes(smooth, places)
    header = read_header(path)
    detail = np.clip(np.rint(smooth - _blur(smooth, DETAIL)), -127, 127).astype(np.int8)
    return Signature(
        (header.width, header.height),
        detail,
        _whole_hash(grey),
        places[kept].astype(np.int16),
        hashes,
    )


def load_grey(path: Path, factor: int) -> NDArray[np.uint8] | None:
    """Return an image in grey, upright, this many times smaller; None where it cannot be read."""
    try:
        with open_image(path) as image:
            side = max(1, round(max(image.size) / factor))
            image.draft("L", (image.width // factor, image.height // factor))
            return _without_border(np.asarray(load_picture(image, side).convert("L")))
    except (ImageError, OSError, ValueError, SyntaxError, EOFError):  # what decoders raise
        return None


def _without_border(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill the black about a cell that was cut out: else its rim is what two have in common."""
    if np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).mean() >= BLACK:
        return grey
    black = grey <= BLACK
    if black.all():
        return grey
    return np.where(black, np.uint8(grey[~black].mean()), grey)


def _whole_hash(grey: NDArray[np.uint8]) -> NDArray[np.int8]:
    from PIL import Image

    small = np.asarray(Image.fromarray(grey).resize((WHOLE, WHOLE), Image.Resampling.BOX))
    waves = _WHOLE_WAVES @ small.astype(np.float32) @ _WHOLE_WAVES.T
    few = waves.ravel()[1:]
    return np.where(np.append(few, 0) > np.median(few), 1, -1).astype(np.int8)


def _landmarks(smooth: Floats, most: int) -> NDArray[np.int64]:
    """Return places (x, y) whose patch lies inside: extrema of the difference of two blurs.

    References
    ----------
    D. G. Lowe, "Distinctive image features from scale-invariant keypoints", Int. J. Comput. Vis.
    60 (2004), 91-110, section 3: here at one scale, since the fields compared share theirs.
    """
    from scipy import ndimage

    half = PATCH // 2
    height, width = smooth.shape
    if min(height, width) < PATCH:
        return np.empty((0, 2), dtype=np.int64)
    blobs = np.abs(_blur(smooth, 1.7) - _blur(smooth, 3.0))
    inside = blobs[half : height - half + 1, half : width - half + 1]
    peak = (ndimage.maximum_filter(inside, 2 * SPACING + 1) == inside) & (inside > 0.5)
    y, x = np.nonzero(peak)
    best = np.argsort(-inside[y, x], kind="stable")[:most]
    if len(best) >= FEW:
        return np.stack([x[best], y[best]], axis=1) + half
    step = max(1, int(np.ceil(np.sqrt(inside.size / DENSE))))
    y, x = np.mgrid[0 : inside.shape[0] : step, 0 : inside.shape[1] : step]
    return np.stack([x.ravel(), y.ravel()], axis=1) + half


def _hashes(
    smooth: Floats, places: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the hash of each patch and which patches show anything."""
    if not len(places):
        return np.empty(0, dtype=np.uint64), np.zeros(0, dtype=bool)
    half = PATCH // 2
    windows = np.lib.stride_tricks.sliding_window_view(smooth, (PATCH, PATCH))
    patches = windows[places[:, 1] - half, places[:, 0] - half]
    kept = patches.std(axis=(1, 2)) > FLAT
    # one large product along each axis: many small ones would each wake every core
    along = patches[kept].reshape(-1, PATCH) @ _WAVES.T
    across = along.reshape(-1, PATCH, FREQUENCIES).swapaxes(1, 2).reshape(-1, PATCH) @ _WAVES.T
    waves = across.reshape(-1, FREQUENCIES, FREQUENCIES).swapaxes(1, 2)
    bits = (waves.reshape(-1, FREQUENCIES**2)[:, _LOWEST] > 0).astype(np.uint8)
    packed = np.ascontiguousarray(np.packbits(bits, axis=1))
    return packed.view(np.uint64).ravel(), kept


def _blur(image: Floats, sigma: float) -> Floats:
    from scipy import ndimage

    blurred: Floats = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3.0)
    return blurred


def _cosines(size: int, count: int) -> Floats:
    """Return the first rows of the discrete cosine transform (type II) of this size."""
    at = (np.arange(size) + 0.5) * np.pi / size
    waves: Floats = np.cos(np.outer(np.arange(count), at)).astype(np.float32)
    return waves


_WAVES = _cosines(PATCH, FREQUENCIES)
_WHOLE_WAVES = _cosines(WHOLE, 8)
# the lowest frequencies but the mean, nearest to the origin first
_ORDER = np.add.outer(np.arange(FREQUENCIES) ** 2, np.arange(FREQUENCIES) ** 2).ravel()
_LOWEST = np.argsort(_ORDER, kind="stable")[1 : BITS + 1]
