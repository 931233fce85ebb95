"""The empty background of a field, and the optical density of what lies on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]

GREEN = 1  # the channel that erythrocytes absorb most
MIN_SHARE = 0.02  # of the pixels, in the background's peak
PEAK_WIDTH = 0.05  # half of a peak's width, as a share of its grey level
SMOOTHING = 5  # grey levels


def background_colour(rgb: NDArray[np.uint8]) -> Colour:
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
    green = rgb[..., GREEN]
    counts = np.bincount(green.ravel(), minlength=256)
    smooth = np.convolve(counts, np.ones(SMOOTHING) / SMOOTHING, "same")
    level = np.arange(256)
    low = np.floor(level * (1 - PEAK_WIDTH)).astype(int)
    high = np.minimum(np.ceil(level * (1 + PEAK_WIDTH)).astype(int), 255) + 1
    total = np.append(0, np.cumsum(counts))
    share = (total[high] - total[low]) / green.size
    peaks = [
        i for i in level if share[i] >= MIN_SHARE and smooth[i] == smooth[low[i] : high[i]].max()
    ]
    best = peaks[-1] if peaks else int(np.argmax(smooth))
    near = rgb[(green >= low[best]) & (green < high[best])]
    red, green_, blue = (max(1.0, _median(near[:, i])) for i in range(3))
    return red, green_, blue


def _median(levels: NDArray[np.uint8]) -> float:
    """Return the median grey level, by counting."""
    total = np.cumsum(np.bincount(levels, minlength=256))
    return float(np.searchsorted(total, total[-1] / 2))


def density_tables(background: Colour) -> NDArray[np.float32]:
    """Return the natural optical density of every grey level of every channel.

    Parameters
    ----------
    background : tuple of float
        Red, green and blue of what absorbs nothing, > 0.

    Returns
    -------
    (3, 256) ndarray of float32
        0 at the background's level, negative above.
    """
    level = np.arange(256) + 1.0  # no logarithm of 0
    white = np.array(background)[:, None] + 1
    return np.asarray(-np.log(level / white), np.float32)


def optical_density(rgb: NDArray[np.uint8], background: Colour) -> NDArray[np.float32]:
    """Return the natural optical density of every pixel, (3, H, W) float32."""
    return look_up(density_tables(background), rgb)


def look_up(tables: NDArray[np.float32], rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the value of every grey level.

    Parameters
    ----------
    tables : (3, 256) ndarray of float32
        Value of each grey level of each channel.
    rgb : (H, W, 3) ndarray of uint8

    Returns
    -------
    (3, H, W) ndarray of float32
    """
    planes = np.empty((3, *rgb.shape[:2]), np.float32)
    for table, levels, plane in zip(tables, np.moveaxis(rgb, -1, 0), planes, strict=True):
        np.take(table, levels, out=plane, mode="clip")  # no level is clipped; "raise" is slower
    return planes
