"""Perceptual hashes of an image and of the patches around its landmarks.

A hash of the whole image does not survive a moved microscope stage. Each landmark (a cell, a gap)
therefore gets a hash of the patch around it. Two overlapping fields share such hashes, all at the
same shift. Imports numpy, scipy and the image loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import ImageError
from ....runtime.imaging import load_picture, open_image, read_header

MAX_LEVEL_SIDE = 400  # pixels: the scale is halved until the largest image is no longer than this
FEW_IMAGES = 1000  # up to this number, images are compared at twice that scale
PATCH_SIDE = 24  # pixels of the pyramid level
MAX_LANDMARKS = 160  # per image, those of highest contrast; twice as many at twice the scale
LANDMARK_DISTANCE = 3  # pixels between landmarks, at least
MIN_LANDMARKS = 8  # an image with fewer (a crop of one cell) gets landmarks on a grid
GRID_LANDMARKS = 81  # of such an image, about
FREQUENCIES = 12  # along each axis of a patch
IMAGE_FREQUENCIES = 8  # along each axis of the whole image
IMAGE_HASH_SIDE = 32  # pixels: the whole image is reduced to a square of this side
BITS = 64
SHADING_SIGMA = 8.0  # pixels of the pyramid level: blur that leaves only the shading
BLACK = 16  # grey levels: the border around a cut-out cell is darker than this
MIN_PATCH_DEVIATION = 1.5  # grey levels: a patch with a lower standard deviation shows nothing

Floats = NDArray[np.float32]

# the lowest frequencies except the mean, nearest to the origin first
_RADII = np.add.outer(np.arange(FREQUENCIES) ** 2, np.arange(FREQUENCIES) ** 2).ravel()
_LOWEST = np.argsort(_RADII, kind="stable")[1 : BITS + 1]


@dataclass(frozen=True)
class Signature:
    """The reduced form of an image that the search compares.

    Parameters
    ----------
    size : tuple of int
        Width and height of the original image, in pixels.
    detail : (H, W) ndarray of int8
        Grey levels at the pyramid level, minus the shading.
    image_hash : (64,) ndarray of int8
        Perceptual hash of the whole image, bits as -1 and 1.
    landmarks : (K, 2) ndarray of int16
        Positions (x, y) at the pyramid level, in pixels.
    patch_hashes : (K,) ndarray of uint64
        Perceptual hash of the patch around each landmark.
    """

    size: tuple[int, int]
    detail: NDArray[np.int8]
    image_hash: NDArray[np.int8]
    landmarks: NDArray[np.int16]
    patch_hashes: NDArray[np.uint64]


@dataclass(frozen=True)
class PyramidLevel:
    """The reduced scale at which all images are compared.

    Parameters
    ----------
    factor : int
        Pixels of an image per pixel of the level, a power of two.
    landmarks : int
        Maximum number of landmarks of an image.
    """

    factor: int
    landmarks: int


def common_level(sides: Sequence[int]) -> PyramidLevel:
    """Return the pyramid level for images whose longer sides have these lengths, in pixels.

    Examples
    --------
    >>> common_level([2592, 1712])
    PyramidLevel(factor=4, landmarks=320)
    """
    finer = 2 if len(sides) <= FEW_IMAGES else 1
    factor = 1
    while max(sides, default=1) / factor > MAX_LEVEL_SIDE * finer:
        factor *= 2
    return PyramidLevel(factor, MAX_LANDMARKS * finer)


def compute_signature(path: Path, level: PyramidLevel) -> Signature | None:
    """Return the signature of an image file, or None if it cannot be read.

    Parameters
    ----------
    path : Path
    level : PyramidLevel
        The same for all images that are compared.
    """
    grey = load_grey(path, level.factor)
    if grey is None:
        return None
    smooth = _blur(grey.astype(np.float32), 1.0)
    landmarks = _landmarks(smooth, level.landmarks)
    hashes, has_detail = _patch_hashes(smooth, landmarks)
    header = read_header(path)
    detail = np.clip(np.rint(smooth - _blur(smooth, SHADING_SIGMA)), -127, 127).astype(np.int8)
    return Signature(
        size=(header.width, header.height),
        detail=detail,
        image_hash=_image_hash(grey),
        landmarks=landmarks[has_detail].astype(np.int16),
        patch_hashes=hashes,
    )


def load_grey(path: Path, factor: int) -> NDArray[np.uint8] | None:
    """Return an image in grey, upright and reduced by a factor, or None if it cannot be read.

    Parameters
    ----------
    path : Path
    factor : int
        1 gives the image at its own scale.

    Returns
    -------
    (H, W) ndarray of uint8, or None
    """
    try:
        with open_image(path) as image:
            side = max(1, round(max(image.size) / factor))
            image.draft("L", (image.width // factor, image.height // factor))
            return _fill_black_border(np.asarray(load_picture(image, side).convert("L")))
    except (ImageError, OSError, ValueError, SyntaxError, EOFError):  # decoders raise all of these
        return None


def _fill_black_border(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace the black around a cut-out cell by its mean grey.

    Otherwise two such cells would agree in the edge between the cell and the black.
    """
    if np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).mean() >= BLACK:
        return grey
    black = grey <= BLACK
    if black.all():
        return grey
    return np.where(black, np.uint8(grey[~black].mean()), grey)


def _image_hash(grey: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the hash of the whole image: a bit is 1 if a low frequency exceeds the median."""
    from PIL import Image
    from scipy import fft

    square = (IMAGE_HASH_SIDE, IMAGE_HASH_SIDE)
    small = np.asarray(Image.fromarray(grey).resize(square, Image.Resampling.BOX), np.float32)
    frequencies = fft.dctn(small)[:IMAGE_FREQUENCIES, :IMAGE_FREQUENCIES].ravel()[1:]
    bits = np.append(frequencies, 0) > np.median(frequencies)  # 63 frequencies, padded to 64
    return np.where(bits, 1, -1).astype(np.int8)


def _landmarks(smooth: Floats, count: int) -> NDArray[np.int64]:
    """Return up to `count` positions (x, y), (K, 2): extrema of a difference of Gaussians.

    The patch around each lies inside the image.

    References
    ----------
    D. G. Lowe, "Distinctive image features from scale-invariant keypoints", Int. J. Comput. Vis.
    60 (2004), 91-110, section 3. One scale is enough here, because the compared fields share it.
    """
    from scipy import ndimage

    half = PATCH_SIDE // 2
    height, width = smooth.shape
    if min(height, width) < PATCH_SIDE:
        return np.empty((0, 2), dtype=np.int64)
    blobs = np.abs(_blur(smooth, 1.7) - _blur(smooth, 3.0))
    inside = blobs[half : height - half + 1, half : width - half + 1]
    neighbourhood = 2 * LANDMARK_DISTANCE + 1
    peak = (ndimage.maximum_filter(inside, neighbourhood) == inside) & (inside > 0.5)
    y, x = np.nonzero(peak)
    best = np.argsort(-inside[y, x], kind="stable")[:count]
    if len(best) >= MIN_LANDMARKS:
        return np.stack([x[best], y[best]], axis=1) + half
    step = max(1, int(np.ceil(np.sqrt(inside.size / GRID_LANDMARKS))))
    y, x = np.mgrid[0 : inside.shape[0] : step, 0 : inside.shape[1] : step]
    return np.stack([x.ravel(), y.ravel()], axis=1) + half


def _patch_hashes(
    smooth: Floats, landmarks: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the hashes of the patches with enough detail, and a mask of these patches.

    A bit of a hash is the sign of one of the lowest frequencies of the patch.
    """
    from scipy import fft

    if not len(landmarks):
        return np.empty(0, dtype=np.uint64), np.zeros(0, dtype=bool)
    half = PATCH_SIDE // 2
    windows = np.lib.stride_tricks.sliding_window_view(smooth, (PATCH_SIDE, PATCH_SIDE))
    patches = windows[landmarks[:, 1] - half, landmarks[:, 0] - half]
    has_detail = patches.std(axis=(1, 2)) > MIN_PATCH_DEVIATION
    frequencies = fft.dctn(patches[has_detail], axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES]
    bits = (frequencies.reshape(-1, FREQUENCIES**2)[:, _LOWEST] > 0).astype(np.uint8)
    packed = np.ascontiguousarray(np.packbits(bits, axis=1))
    return packed.view(np.uint64).ravel(), has_detail


def _blur(image: Floats, sigma: float) -> Floats:
    from scipy import ndimage

    blurred: Floats = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3.0)
    return blurred
