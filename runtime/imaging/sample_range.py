"""Converts samples of more than 8 bits to 8 bits, with the range that the file really has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError

MAX_DEEP_MEGAPIXELS = 64  # of more than 8 bits; decoding needs up to 16 bytes a pixel
ROWS_AT_ONCE = 256  # rows that are converted at once, so that the copies stay small

Samples = NDArray[Any]


def sample_range(highest: int, bits: int, declared: int | None = None) -> tuple[int, bool]:
    """Return the sample value that means full intensity, and whether it is assumed.

    Cameras of 10, 12 and 14 bits write their values into 16-bit samples. A file that says so is
    believed. Of any other file, the range is the smallest power of two that holds its values.

    Parameters
    ----------
    highest : int
        Highest sample value of the image.
    bits : int
        Bits of a stored sample, 9 to 32.
    declared : int, optional
        The full intensity that the file declares. It does not count if a sample exceeds it.

    Returns
    -------
    int
        At least 255.
    bool
        True if the file does not declare it and does not use the highest bit of its samples.

    Raises
    ------
    ImageError
        If samples of more than 16 bits use more than 16 and not all: no camera has such a range.

    Examples
    --------
    >>> sample_range(3900, 16)
    (4095, True)
    >>> sample_range(40_000, 16)
    (65535, False)
    """
    if declared is not None and highest <= declared:
        return declared, False
    used = max(8, highest.bit_length())
    if 16 < used < bits:
        raise ImageError(f"pixels up to {highest} have no known range", fix="save it as 8-bit RGB")
    return 2**used - 1, used < bits


def refuse_large(pixels: int, bits: int) -> None:
    """Refuse an image of more than 8 bits a sample that would need much memory.

    Raises
    ------
    ImageError
        If it has more than 64 megapixels.
    """
    if bits > 8 and pixels > MAX_DEEP_MEGAPIXELS * 1_000_000:
        raise ImageError(
            f"it declares {pixels / 1e6:.0f} megapixels of {bits} bits, refused before decoding",
            allowed=f"{MAX_DEEP_MEGAPIXELS} megapixels of more than 8 bits",
            fix="export the field of view, or save it as 8-bit RGB",
        )


def to_8_bits(
    samples: Samples, bits: int, declared: int | None = None, inverted: bool = False
) -> tuple[NDArray[np.uint8], bool]:
    """Scale integer samples to 0..255 by their range, rounded to the nearest.

    Parameters
    ----------
    samples : (H, W) or (H, W, C) ndarray of integers
    bits : int
        Bits of a stored sample.
    declared : int, optional
        The full intensity that the file declares.
    inverted : bool
        Whether 0 is white.

    Returns
    -------
    ndarray of uint8
        Same shape.
    bool
        Whether the range is assumed.

    Raises
    ------
    ImageError
        If a sample is negative, or as `sample_range`.
    """
    lowest, highest = int(samples.min()), int(samples.max())
    if lowest < 0:
        raise ImageError(
            f"pixels from {lowest} to {highest} have no known range",
            fix="save it as 8-bit RGB",
        )
    full, assumed = sample_range(highest, bits, declared)
    scaled = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), ROWS_AT_ONCE):
        rows = samples[top : top + ROWS_AT_ONCE].astype(np.uint64)
        rows = (rows * 510 + full) // (2 * full)
        scaled[top : top + ROWS_AT_ONCE] = 255 - rows if inverted else rows
    return scaled, assumed
