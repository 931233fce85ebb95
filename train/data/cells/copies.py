"""Finds turned, mirrored, brightened and resized copies of images, as augmentation makes them.

`find_overlaps` finds images that share content in the same orientation, this module the whole
images in another one. Imports numpy, Pillow and scipy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....runtime.cells.one_cell import BLACK_LEVEL, is_on_black

if TYPE_CHECKING:
    from ....runtime.types import RGB

SIDE = 64  # pixels of the square that is compared
SHADING_SIGMA = 2.0  # pixels of the square: blur that leaves only what is no detail
FREQUENCIES = 12  # along each axis
NEIGHBOURS = 10  # images that are compared with each image, those with the nearest descriptors
LEAST_SIMILARITY = 0.9  # cosine between descriptors; copies of ALL-IDB1 and 2 have 0.94 or more
# Correlation of detail in the best orientation: copies of ALL-IDB1 and 2 have at least 0.95,
# different images at most 0.56 (copy_benchmark.py).
SCORE = 0.75
CHUNK = 1000  # images compared at once

Floats = NDArray[np.float32]
Thumbnails = NDArray[np.uint8]


def thumbnail(rgb: RGB) -> NDArray[np.uint8]:
    """Return an image as the small grey square that is compared, (64, 64).

    Black around a cell that was cut out becomes the mean grey of the cell, so that two cells do
    not agree in the edge between cell and black.
    """
    square = Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    grey = np.asarray(square, dtype=np.uint8)
    if not is_on_black(rgb):
        return grey
    black = grey <= BLACK_LEVEL
    return grey if black.all() else np.where(black, np.uint8(grey[~black].mean()), grey)


def find_copies(thumbnails: Thumbnails) -> list[tuple[int, int]]:
    """Return the pairs of images of which one is a copy of the other, in any of 8 orientations.

    Brightness and contrast may differ. Turns by other angles than a quarter are not found.

    Parameters
    ----------
    thumbnails : (N, 64, 64) ndarray of uint8
        As `thumbnail` returns them.

    Returns
    -------
    list of (int, int)
        Indices, sorted, the lower one first.
    """
    if len(thumbnails) < 2:
        return []
    details = normalized_details(thumbnails)
    return sorted(
        (a, b)
        for a, b in _near_pairs(_descriptors(details))
        if best_correlation(details[a], details[b]) >= SCORE
    )


def normalized_details(thumbnails: Thumbnails) -> Floats:
    """Return squares without shading, of mean 0 and length 1; 0 for flat ones.

    Parameters
    ----------
    thumbnails : (N, 64, 64) ndarray of uint8

    Returns
    -------
    (N, 64, 64) ndarray of float32
    """
    from scipy import ndimage

    grey = thumbnails.astype(np.float32)
    shading = ndimage.gaussian_filter(grey, (0, SHADING_SIGMA, SHADING_SIGMA), mode="nearest")
    detail = grey - shading
    detail -= detail.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((detail**2).sum(axis=(1, 2), keepdims=True))
    unit: Floats = detail / np.maximum(length, 1.0)
    return unit


def best_correlation(one: Floats, other: Floats) -> float:
    """Return the correlation of two squares in the best of the 8 orientations.

    Parameters
    ----------
    one, other : (64, 64) ndarray of float32
        As `normalized_details` returns them.

    Returns
    -------
    float
        From -1 to 1.
    """
    turns = [np.rot90(other, turn) for turn in range(4)]
    return max(float((one * way).sum()) for turn in turns for way in (turn, turn[:, ::-1]))


def _descriptors(details: Floats) -> Floats:
    """Return a vector of length 1 for each square, the same in all 8 orientations.

    Mirroring changes the signs of frequencies, a turn by a quarter exchanges the two axes: the
    sum and the difference of the amplitudes at (u, v) and (v, u) change with neither.
    """
    from scipy import fft

    amplitudes = np.abs(fft.dctn(details, axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES])
    turned = amplitudes.transpose(0, 2, 1)
    u, v = np.triu_indices(FREQUENCIES)
    parts = amplitudes + turned, np.abs(amplitudes - turned)
    vectors = np.concatenate([part[:, u, v] for part in parts], axis=1)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(length, 1e-6)
    return unit


def _near_pairs(descriptors: Floats) -> set[tuple[int, int]]:
    """Return the pairs of images with similar descriptors, the lower index first."""
    pairs: set[tuple[int, int]] = set()
    count = min(NEIGHBOURS, len(descriptors) - 1)
    for start in range(0, len(descriptors), CHUNK):
        similarity = descriptors[start : start + CHUNK] @ descriptors.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -1.0
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(similarity, nearest, 1) >= LEAST_SIMILARITY
        for row, column in np.argwhere(near).tolist():
            a, b = start + row, int(nearest[row, column])
            pairs.add((min(a, b), max(a, b)))
    return pairs
