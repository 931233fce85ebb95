"""The empty background of a field, and the optical density of everything on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GREEN = 1  # erythrocytes absorb green light most
MIN_SHARE = 0.02  # of the pixels, in the background's peak
PEAK_WIDTH = 0.05  # half of a peak's width, as a share of its grey level
SMOOTHING = 5  # grey levels


def background_colour(rgb: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return the colour of the empty background.

    It is the brightest peak of the green histogram that holds enough pixels: erythrocytes absorb
    green, and few things in a field are brighter than the background.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8

    Returns
    -------
    tuple of float
        Red, green and blue, in [1, 255].
    """
    green = rgb[..., GREEN].ravel()
    counts = np.bincount(green, minlength=256).astype(float)
    smooth = np.convolve(counts, np.ones(SMOOTHING) / SMOOTHING, "same")
    total = np.cumsum(np.append(0, counts))
    level = np.arange(256)
    low = np.floor(level * (1 - PEAK_WIDTH)).astype(int)
    high = np.minimum(np.ceil(level * (1 + PEAK_WIDTH)).astype(int), 255) + 1
    share = (total[high] - total[low]) / green.size
    # the highest level of its neighbourhood
    peak = np.array([smooth[i] >= smooth[lo:hi].max() for i, lo, hi in zip(level, low, high)])
    candidates = np.flatnonzero(peak & (share >= MIN_SHARE) & (smooth > 0))
    best = int(candidates[-1]) if len(candidates) else int(np.argmax(smooth))
    near = (rgb[..., GREEN] >= low[best]) & (rgb[..., GREEN] < high[best])
    red, green_, blue = np.maximum(np.median(rgb[near], axis=0), 1)
    return float(red), float(green_), float(blue)


def optical_density(
    rgb: NDArray[np.uint8], background: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return the natural optical density of every pixel and channel.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    background : tuple of float
        Red, green and blue of what absorbs nothing, > 0.

    Returns
    -------
    (3, H, W) ndarray of float32
        0 on the background, negative where it is brighter.
    """
    level = np.arange(256) + 1.0  # no logarithm of 0
    table = [-np.log(level / (white + 1)) for white in background]
    return np.stack([np.take(table[i].astype(np.float32), rgb[..., i]) for i in range(3)])
