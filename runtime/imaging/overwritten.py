"""Finds rows of a decoded image that were overwritten, in formats without a checksum.

A part of a file that a failing disk replaced by one value, or by bytes of another file, becomes
rows of one colour, or of noise, between rows of the picture. Samples of a few columns find the
candidates, so that the check of an intact image takes about a millisecond.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SAMPLED_COLUMNS = 16
WINDOWS, WINDOW_WIDTH = 8, 8  # for the roughness of rows
MIN_ROWS = 2
MAX_TILE_COLUMNS = 64  # that are checked
CLEAR = 0.9  # share of a row beside the band that has another value than the band
MIN_RAGGED = 8  # pixels of a band's incomplete row
NOISE_ROUGHNESS = 50  # mean difference of neighbours; random bytes have 85
NOISE_FACTOR = 4  # times the median of the image

Pixels = NDArray[np.uint8]


def is_overwritten(image: Image.Image, tile_width: int = 0) -> bool:
    """Return whether a band of rows has one value or noise, and begins and ends abruptly.

    Black or white margins, masked cells and images of one colour have no such band.

    Parameters
    ----------
    image : PIL.Image.Image
        Decoded, with 8 bits a sample.
    tile_width : int
        Width of the tiles in which the file stores the image; 0 for rows.

    Returns
    -------
    bool
    """
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGB")
    width, height = image.size
    step = tile_width if 0 < tile_width < width else width
    if height < 2 * MIN_ROWS:
        return False
    lefts = range(0, width, step)
    return any(
        _part_is_overwritten(image, left, min(left + step, width))
        for left in lefts[:: -(-len(lefts) // MAX_TILE_COLUMNS)]
        if min(left + step, width) - left >= WINDOW_WIDTH
    )


def _part_is_overwritten(image: Image.Image, left: int, right: int) -> bool:
    columns = np.linspace(left, right - 1, SAMPLED_COLUMNS).astype(int)
    sampled = np.concatenate([_columns(image, x, x + 1) for x in columns], axis=1)
    same = sampled.max(axis=1) == sampled.min(axis=1)  # (H, C)
    for channel in range(same.shape[1]):
        for top, bottom in _runs(same[:, channel], sampled[:, 0, channel]):
            if _is_hole(image, (left, right), top, bottom, channel):
                return True
    starts = np.linspace(left, right - WINDOW_WIDTH, WINDOWS).astype(int)
    rough = np.mean(
        [
            np.abs(np.diff(_columns(image, x, x + WINDOW_WIDTH).astype(np.int16), axis=1)).mean(
                axis=1
            )
            for x in starts
        ],
        axis=0,
    )
    noisy = rough > np.maximum(NOISE_ROUGHNESS, NOISE_FACTOR * np.median(rough, axis=0))
    unchanging = np.zeros(len(noisy))
    return any(True for channel in noisy.T for _ in _runs(channel, unchanging))


def _columns(image: Image.Image, left: int, right: int) -> Pixels:
    """Return columns of an image, (H, columns, C)."""
    pixels = np.asarray(image.crop((int(left), 0, int(right), image.height)))
    return pixels.reshape(*pixels.shape[:2], -1)


def _runs(rows: NDArray[np.bool_], values: NDArray[np.generic]) -> Iterator[tuple[int, int]]:
    """Yield first row and end of each run of marked rows of one value, at least MIN_ROWS long."""
    changes = np.flatnonzero((np.diff(rows.astype(np.int8)) != 0) | (np.diff(values) != 0)) + 1
    edges = [0, *changes.tolist(), len(rows)]
    for top, bottom in itertools.pairwise(edges):
        if rows[top] and bottom - top >= MIN_ROWS:
            yield top, bottom


def _is_hole(
    image: Image.Image, columns: tuple[int, int], top: int, bottom: int, channel: int
) -> bool:
    """Return whether rows that look constant are, and end abruptly above and below."""
    first, last = max(0, top - 3), min(image.height, bottom + 3)
    rows = np.asarray(image.crop((columns[0], first, columns[1], last)))
    rows = rows.reshape(*rows.shape[:2], -1)[..., channel]
    value = rows[(top + bottom) // 2 - first, 0]
    other = rows != value  # (rows, columns)
    constant = np.flatnonzero(~other.any(axis=1))
    if len(constant) < MIN_ROWS:
        return False
    above, below = other[: constant[0]][::-1], other[constant[-1] + 1 :]
    at_top, at_bottom = first + constant[0] == 0, first + constant[-1] + 1 == image.height
    if at_top and at_bottom:
        return False
    if at_top or len(above) < 2:
        return _ends_within_a_row(below)
    if at_bottom or len(below) < 2:
        return _ends_within_a_row(above[:, ::-1])
    return bool(above[1].mean() >= CLEAR and below[1].mean() >= CLEAR)


def _ends_within_a_row(beside: NDArray[np.bool_]) -> bool:
    """Return whether the band goes on in the left part of the row beside it, and ends there."""
    if len(beside) < 2 or not beside[0].any():
        return False
    end = int(beside[0].argmax())
    return bool(
        end >= MIN_RAGGED and beside[0][end:].mean() >= CLEAR and beside[1][:end].mean() >= CLEAR
    )
