"""Statistics of an image as the model sees it: light, stain, texture and focus; numpy only.

The guards compare them with those of the training images. The computation avoids BLAS, which
would start threads that compete with the engine's threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..imaging import UNKNOWN_CAMERA, Header

if TYPE_CHECKING:
    from ..types import RGB, Statistics

CAMERA, SIZE = "camera", "size"  # the two statistics that are no number

# Hue and sign of the stain. Romanowsky stains absorb green most and red least, and a cell is darker
# than the background: programs that exchange channels, turn hues or invert an image change that,
# whatever the microscope.
STAIN = ("red_least", "green_most", "red_depth", "blue_depth", "skew")
# What is the same for a stained smear under every microscope: white-balanced stain, arrangement.
SMEAR = (
    "depth_50", "depth_75", "cover", "hue_2", "hue_3", "red_green", "green_blue", "red_depth",
    "blue_depth", "direction", "grid", "uneven", "uneven_hue", "contrast",
)  # fmt: skip
BANDS = 4  # octaves of detail, the finest (two pixels) first
# What also differs between microscopes, stains and cameras.
MICROSCOPE = (
    *SMEAR, "light", "light_red_green", "light_green_blue", "depth_95", "hue_1", "edges",
    "sharpness", *(f"band_{number}" for number in range(BANDS)), "red_least", "green_most", "skew",
    "flat",
)  # fmt: skip
EXPOSURE = ("light", "brightness", "white", "black")
# Bars, frames, mosaics, few levels and strong compression make areas of one colour.
FRAME = ("border", "flat")

STRIDE = 4  # every fourth row and column: enough for stain, light and sharpness
DEPTH_OF_CELL = 0.12  # optical density of green above the background's
WHITE_SUM, BLACK_SUM = 750, 24  # sums of three channels, at most 765

Floats32 = NDArray[np.float32]
_LOG = np.log(np.arange(256, dtype=np.float32) + 1)
# The logarithm of the grey value plus 8, from the sum of three channels, and from that of twelve
# (two by two pixels). The 8 keeps noise in dark pixels small.
_LOG_OF_3 = np.log(np.arange(766, dtype=np.float32) / 3 + 8)
_LOG_OF_12 = np.log(np.arange(3061, dtype=np.float32) / 12 + 8)


def image_statistics(rgb: RGB, header: Header | None = None) -> Statistics:
    """Return the statistics of an image; takes about 1 ms.

    Parameters
    ----------
    rgb : (S, S, 3) ndarray of uint8
        As `load_rgb` returns it.
    header : Header, optional
        The file's header, for the name of the camera and the size of the file.

    Returns
    -------
    dict
        ``camera`` (str; ``"unknown"`` without a header), ``size`` (the file's longer and shorter
        side in pixels; missing without a header), and a float for every other name.
    """
    logs = _LOG.take(rgb[::STRIDE, ::STRIDE].transpose(2, 0, 1))
    background = percentiles(logs.reshape(3, -1), (90,))[0]
    wide = rgb.astype(np.uint16)
    sums = wide[..., 0] + wide[..., 1]
    sums += wide[..., 2]
    sampled = sums[::STRIDE, ::STRIDE]
    return {
        CAMERA: header.camera if header else UNKNOWN_CAMERA,
        **({SIZE: sorted((header.width, header.height), reverse=True)} if header else {}),
        "light": float(background.mean()),
        "light_red_green": float(background[0] - background[1]),
        "light_green_blue": float(background[1] - background[2]),
        "brightness": float(sampled.sum()) / (765 * sampled.size),
        "white": np.count_nonzero(sampled >= WHITE_SUM) / sampled.size,
        "black": np.count_nonzero(sampled <= BLACK_SUM) / sampled.size,
        **_stain_statistics(background[:, None, None] - logs),
        **_texture_statistics(sums),
    }


def percentiles(values: Floats32, percents: Sequence[float]) -> Floats32:
    """Return percentiles along the last axis, with linear interpolation.

    `numpy.percentile` does the same, but imports ``numpy.ma``, which slows the start down.

    Parameters
    ----------
    values : (..., N) ndarray of float32
    percents : sequence of float
        In [0, 100].

    Returns
    -------
    (len(percents), ...) ndarray of float32
    """
    ordered = np.sort(values, axis=-1)
    rows = []
    for percent in percents:
        position = percent / 100 * (ordered.shape[-1] - 1)
        low = int(position)
        high = min(low + 1, ordered.shape[-1] - 1)
        step = ordered[..., high] - ordered[..., low]
        rows.append(ordered[..., low] + np.float32(position - low) * step)
    return np.stack(rows)


def _stain_statistics(depth: Floats32) -> dict[str, float]:
    """Return statistics of the optical density, (3, H, W), over pixels, colours and the field."""
    flat = depth.reshape(3, -1)
    count = flat.shape[1]
    green = percentiles(flat[1], (50, 75, 95))
    stained = np.maximum(flat[1], 0)
    red_sum, green_sum, blue_sum = np.einsum("n,cn->c", stained, flat).tolist()
    centred = flat - (flat.sum(axis=1) / count)[:, None]
    covariance = np.einsum("cn,dn->cd", centred, centred).astype(np.float64) / count
    variances = np.maximum(np.linalg.eigvalsh(covariance), 0) + 1e-6
    deviations = np.sqrt(covariance.diagonal() + 1e-9)
    side = depth.shape[1] // 4
    corners = np.arange(4) * side
    square = depth[:, : 4 * side, : 4 * side]
    blocks = np.add.reduceat(np.add.reduceat(square, corners, axis=1), corners, axis=2) / side**2
    return {
        "depth_50": float(green[0]),
        "depth_75": float(green[1]),
        "depth_95": float(green[2]),
        "cover": np.count_nonzero(flat[1] > DEPTH_OF_CELL) / count,
        "red_depth": red_sum / (green_sum + 1e-3),
        "blue_depth": blue_sum / (green_sum + 1e-3),
        "hue_1": float(np.log(variances[2])),
        "hue_2": float(np.log(variances[1] / variances[2])),
        "hue_3": float(np.log(variances[0] / variances[2])),
        "red_green": float(covariance[0, 1] / (deviations[0] * deviations[1])),
        "green_blue": float(covariance[1, 2] / (deviations[1] * deviations[2])),
        **_hue_and_sign(flat),
        "uneven": math.log(_deviation(blocks[1]) + 0.01),
        "uneven_hue": math.log(_deviation(blocks[0] - blocks[2]) + 0.01),
    }


def _hue_and_sign(depth: Floats32) -> dict[str, float]:
    """Return in which order a stain absorbs the colours, and whether cells are dark; (3, N)."""
    red, green, blue = depth
    # comparisons, because argmin and argmax along the first axis are slow
    is_cell = np.maximum(np.maximum(red, green), blue) > DEPTH_OF_CELL
    area = np.count_nonzero(is_cell) + 1e-9
    red_is_least = (red <= np.minimum(green, blue)) & is_cell
    green_is_most = (green > np.maximum(red, blue)) & is_cell
    centred = green - green.sum() / green.size
    variance = _mean_square(centred)
    third_moment = float(np.einsum("n,n,n->", centred, centred, centred)) / green.size
    return {
        "red_least": _log_odds(np.count_nonzero(red_is_least) / area),
        "green_most": _log_odds(np.count_nonzero(green_is_most) / area),
        "skew": math.asinh(third_moment / (variance**1.5 + 1e-9)),
    }


def _texture_statistics(sums: NDArray[np.uint16]) -> dict[str, float]:
    """Return how detail is distributed over scales and directions.

    Parameters
    ----------
    sums : (S, S) ndarray of uint16
        The three channels of each pixel, added.

    References
    ----------
    A. Haar, "Zur Theorie der orthogonalen Funktionensysteme", Math. Ann. 69 (1910), 331-371. The
    detail of an octave is the difference of the image and its means of two by two pixels.
    """
    side = len(sums) // 2 * 2
    rows = sums[0:side:2, :side] + sums[1:side:2, :side]
    grey = _LOG_OF_12.take(rows[:, ::2] + rows[:, 1::2])
    edges = 0.0
    energy = np.empty((BANDS, 3))  # of each octave: horizontal, vertical, diagonal
    for octave in range(BANDS):
        grey, details = _haar_step(grey)
        energy[octave] = [_mean_square(detail) / 16 + 1e-9 for detail in details]
        if octave == 0:
            strength = details[0] * details[0] + details[1] * details[1]
            mean = float(strength.sum()) / strength.size
            edges = _mean_square(strength) / (mean**2 + 1e-9)
    bands = energy.sum(axis=1)
    directions = energy[:3].sum(axis=0)
    return {
        "contrast": float(np.log(bands.sum())),
        "direction": float(abs(directions[0] - directions[1]) / directions.sum()),
        "grid": float(directions[2] / directions.sum()),
        "edges": float(np.log(edges + 1e-3)),
        **_line_statistics(sums),
        **{
            f"band_{number}": float(np.log(band / bands.sum())) for number, band in enumerate(bands)
        },
    }


def _haar_step(grey: Floats32) -> tuple[Floats32, tuple[Floats32, Floats32, Floats32]]:
    """Return the means of two by two pixels, and the detail: horizontal, vertical, diagonal."""
    side = len(grey) // 2 * 2
    top, bottom = grey[0:side:2, :side], grey[1:side:2, :side]
    total, step = top + bottom, top - bottom
    horizontal, vertical = total[:, ::2] - total[:, 1::2], step[:, ::2] + step[:, 1::2]
    diagonal = step[:, ::2] - step[:, 1::2]
    means = (total[:, ::2] + total[:, 1::2]) * np.float32(0.25)
    return means, (horizontal, vertical, diagonal)


def _line_statistics(sums: NDArray[np.uint16]) -> dict[str, float]:
    """Return statistics of neighbouring pixels, along every fourth row and column.

    ``sharpness`` is the logarithm of mean squared curvature over mean squared slope: defocus
    reduces the curvature more than the slope. ``flat`` is the logarithm of the share of
    neighbours that are the same, ``border`` the least range of grey values along one of the
    four sides.
    """
    sides = (sums[0], sums[-1], sums[:, 0], sums[:, -1])
    lines = _LOG_OF_3.take(np.concatenate([sums[::STRIDE], sums[:, ::STRIDE].T]))
    step = lines[:, 1:] - lines[:, :-1]
    # twice: the mean of the rows plus the mean of the columns
    slope, curvature = 2 * _mean_square(step), 2 * _mean_square(step[:, 1:] - step[:, :-1])
    return {
        "sharpness": float(np.log((curvature + 1e-9) / (slope + 1e-9))),
        "flat": math.log(0.01 + np.count_nonzero(step == 0) / step.size),
        "border": min(float(side.max()) - float(side.min()) for side in sides) / 3,
    }


def _log_odds(share: float) -> float:
    """Return the logarithm of the odds, which are limited to 51."""
    return math.log((share + 0.02) / (1.02 - share))


def _mean_square(values: Floats32) -> float:
    flat = np.ascontiguousarray(values).ravel()
    return float(np.einsum("n,n->", flat, flat)) / flat.size


def _deviation(values: Floats32) -> float:
    return math.sqrt(_mean_square(values - values.sum() / values.size))
