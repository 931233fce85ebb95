"""Decides whether two candidate images show the same content: aligns them and correlates them.

The correlation is of detail, which is the image minus its blur. Otherwise two round cells on an
even background, or two fields with the same shading, would correlate. Imports numpy and scipy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .candidates import Candidate
from .landmarks import SHADING_SIGMA, Signature

# Thresholds at the pyramid level. A pair below them is not loaded at its own scale. The overlapping
# fields of ALL-IDB1 and 2 have a correlation of at least 0.76 and 3.8 standard errors. One in eight
# of the pairs with nuclei at the same positions by chance reaches the thresholds.
COARSE_SCORE, COARSE_ERRORS = 0.35, 2.5
# Correlation needed at the voted shift to try the shifts around it, and at the best one of them.
VOTED_SCORE, BEST_SCORE = 0.125, 0.25
# Thresholds at the images' own scale. Unrelated fields (of ALL-IDB1 and generated ones) have less
# than 8 standard errors, overlapping ones at least 14. A crop of one cell has too few independent
# details for this test. Unrelated crops of ALL-IDB2 correlate up to 0.6, equal ones at least 0.92.
SCORE, ERRORS, CROP_SCORE = 0.35, 10.0, 0.85
NOISE_SIGMA = 4.0  # pixels: blur that removes camera noise and JPEG artifacts before correlating
SEARCH = 3  # pixels of the pyramid level around the voted shift
SHIFT_PIXELS = 4_000  # pixels of the pyramid level that are enough to compare neighbouring shifts
MIN_SIDE = 24  # pixels of the pyramid level: width and height of an overlap, at least
BLOCKS = 4  # along each side of the common part
WINDOW = 1024  # pixels: side of the part in which the exact shift is searched
SQUARE = 128  # pixels: similar images of different size are compared in a square of this side
CROP_SHARE = 0.3  # share of an image that must be common for `CROP_SCORE` to be enough
WHOLE_SHARE = 0.98  # with this common share or more, the whole image counts as common

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]
Load = Callable[[int], "Grey | None"]


@dataclass(frozen=True)
class Alignment:
    """A candidate pair, aligned at the pyramid level.

    Parameters
    ----------
    candidate : Candidate
    score : float
        Correlation of detail over the common part, -1 to 1. 0 if it is not significant.
    dx, dy : int
        Position of b's origin in a, in pixels of the pyramid level.
    """

    candidate: Candidate
    score: float
    dx: int
    dy: int


@dataclass(frozen=True)
class Overlap:
    """Two images that show the same content.

    Parameters
    ----------
    a, b : int
        Indices of the images, a < b.
    kind : {"identical", "duplicate", "inside", "overlap"}
        Same pixels, same picture, one is a part of the other, or a part is common.
    dx, dy : int
        Position of b's origin in a, in pixels.
    shares : tuple of float
        Share of a and share of b that the other image shows too.
    score : float
        Correlation of detail over the common part, at the images' own scale.
    """

    a: int
    b: int
    kind: str
    dx: int
    dy: int
    shares: tuple[float, float]
    score: float


def align_coarsely(one: Signature, other: Signature, candidate: Candidate) -> Alignment:
    """Align two images at the pyramid level, near the voted shift.

    Parameters
    ----------
    one, other : Signature
        Of images a and b of the candidate.
    candidate : Candidate
    """
    if candidate.dx is None or candidate.dy is None:
        score = correlation(_to_square(one.detail), _to_square(other.detail))
        return Alignment(candidate, score, 0, 0)
    dx, dy = candidate.dx, candidate.dy
    windows = common_windows(one.detail, other.detail, dx, dy)
    if min(windows[0].shape) < MIN_SIDE - SEARCH:
        return Alignment(candidate, -1.0, dx, dy)
    step = _row_step(windows[0])
    score = correlation(*(window[::step] for window in windows))
    if score < VOTED_SCORE:
        return Alignment(candidate, score, dx, dy)
    score, right, down = _best_shift(*windows)
    dx, dy = dx + right, dy + down
    if score < BEST_SCORE:
        return Alignment(candidate, score, dx, dy)
    windows = common_windows(one.detail, other.detail, dx, dy)
    score = _block_correlation(*windows)
    if score >= COARSE_SCORE and _standard_errors(score, *windows) < COARSE_ERRORS:
        score = 0.0
    return Alignment(candidate, score, dx, dy)


def verify_overlap(alignment: Alignment, factor: int, load: Load) -> Overlap | None:
    """Return the overlap of two images at their own scale, or None if there is none.

    Parameters
    ----------
    alignment : Alignment
    factor : int
        Pixels of an image per pixel of the pyramid level.
    load : callable
        Returns an image in grey at its own scale, by its index. None if it cannot be read.
    """
    candidate = alignment.candidate
    a, b = load(candidate.a), load(candidate.b)
    if a is None or b is None:
        return None
    if candidate.dx is None and a.shape != b.shape:
        score = _block_correlation(_detail(_to_square(a)), _detail(_to_square(b)))
        overlap = Overlap(candidate.a, candidate.b, "duplicate", 0, 0, (1.0, 1.0), score)
        return overlap if score >= CROP_SCORE else None
    dx, dy = _exact_shift(a, b, alignment.dx * factor, alignment.dy * factor, 2 * factor)
    one, other = common_windows(a, b, dx, dy)
    if min(one.shape) < MIN_SIDE * factor and one.size < min(a.size, b.size) / 2:
        return None
    details = _detail(one), _detail(other)
    score = _block_correlation(*details)
    shares = (one.size / a.size, one.size / b.size)
    # in a small common part, a single nucleus in both images gives a high correlation too
    agrees_as_crop = score >= CROP_SCORE and max(shares) >= CROP_SHARE
    if not agrees_as_crop and (score < SCORE or _standard_errors(score, *details) < ERRORS):
        return None
    identical = a.shape == b.shape and bool(np.array_equal(a, b))
    return Overlap(candidate.a, candidate.b, _kind(shares, identical), dx, dy, shares, score)


def common_windows(
    one: NDArray[Any], other: NDArray[Any], dx: int, dy: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the part of each image that both show, if the second one lies at (dx, dy)."""
    left, right = max(0, dx), min(one.shape[1], other.shape[1] + dx)
    top, bottom = max(0, dy), min(one.shape[0], other.shape[0] + dy)
    right, bottom = max(left, right), max(top, bottom)
    return one[top:bottom, left:right], other[top - dy : bottom - dy, left - dx : right - dx]


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the normalised cross-correlation of two images of one size, or 0 if one is flat."""
    x, y = (image.astype(np.float32).ravel() for image in (one, other))
    x, y = x - x.mean(), y - y.mean()
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / length if length > 0 else 0.0


def _block_correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the median correlation of the blocks of two images of one size.

    Two nuclei at the same position make one block correlate, the same field makes all correlate.
    """
    rows = np.linspace(0, one.shape[0], BLOCKS + 1).astype(int)
    columns = np.linspace(0, one.shape[1], BLOCKS + 1).astype(int)
    scores = [
        correlation(one[top:bottom, left:right], other[top:bottom, left:right])
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]
    return float(np.median(scores))


def _standard_errors(score: float, one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return a correlation in units of its standard error between unrelated images.

    The standard error is one over the square root of the number of independent details, which
    follows from the power spectra of the two images.

    References
    ----------
    M. S. Bartlett, "Some aspects of the time-correlation problem in regard to tests of
    significance", J. R. Stat. Soc. 98 (1935), 536-543.
    """
    from scipy import fft

    powers = [np.abs(fft.rfft2(image - image.mean())) ** 2 for image in (one, other)]
    shared = float((powers[0] * powers[1]).sum())
    if shared <= 0:
        return 0.0
    details = float(powers[0].sum()) * float(powers[1].sum()) / shared
    return float(score * details**0.5)


def _row_step(window: NDArray[Any]) -> int:
    """Return the power of two n for which every n-th row has enough pixels."""
    step = 1
    while window.size > SHIFT_PIXELS * step:
        step *= 2
    return step


def _best_shift(one: NDArray[Any], other: NDArray[Any]) -> tuple[float, int, int]:
    """Return the best correlation within `SEARCH` pixels, and its shift to the right and down."""
    height, width = (side - 2 * SEARCH for side in one.shape)
    inner = one[SEARCH : SEARCH + height, SEARCH : SEARCH + width]
    shifted = np.lib.stride_tricks.sliding_window_view(other, (height, width))
    step = _row_step(inner)
    fixed = inner[::step].astype(np.float32).ravel()
    table = shifted[:, :, ::step].reshape(shifted.shape[0] * shifted.shape[1], -1)
    table = table.astype(np.float32)
    fixed -= fixed.mean()
    table -= table.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("nk,nk->n", table, table) * (fixed @ fixed))
    scores = table @ fixed / np.maximum(lengths, 1e-6)
    best = int(np.argmax(scores))
    down, right = divmod(best, shifted.shape[1])
    return float(scores[best]), SEARCH - right, SEARCH - down


def _exact_shift(a: Grey, b: Grey, dx: int, dy: int, reach: int) -> tuple[int, int]:
    """Return the shift within `reach` pixels of (dx, dy) at which detail correlates best.

    References
    ----------
    J. P. Lewis, "Fast normalized cross-correlation", Vision Interface 1995, 120-123. The windows
    are larger than the reach. Their norm hardly varies and is left out.
    """
    from scipy import fft

    one, other = common_windows(a, b, dx, dy)
    height, width = (min(side, WINDOW) for side in one.shape)
    top, left = (one.shape[0] - height) // 2, (one.shape[1] - width) // 2
    window = (slice(top, top + height), slice(left, left + width))
    shape = tuple(fft.next_fast_len(side + reach, real=True) for side in (height, width))
    spectra = [fft.rfft2(_detail(image[window]), shape) for image in (one, other)]
    match = fft.irfft2(spectra[0] * spectra[1].conj(), shape)
    near = np.roll(match, (reach, reach), axis=(0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    y, x = np.unravel_index(int(near.argmax()), near.shape)
    return dx + int(x) - reach, dy + int(y) - reach


def _detail(image: NDArray[Any]) -> Floats:
    from scipy import ndimage

    grey = image.astype(np.float32)
    smooth = ndimage.gaussian_filter(grey, NOISE_SIGMA, mode="nearest")
    shading = ndimage.uniform_filter(smooth, int(4 * SHADING_SIGMA) + 1, mode="nearest")
    detail: Floats = smooth - shading
    return detail


def _to_square(image: NDArray[Any]) -> Floats:
    picture = Image.fromarray(image.astype(np.float32))
    return np.asarray(picture.resize((SQUARE, SQUARE), Image.Resampling.BILINEAR))


def _kind(shares: tuple[float, float], identical: bool) -> str:
    if identical:
        return "identical"
    if min(shares) >= WHOLE_SHARE:
        return "duplicate"
    return "inside" if max(shares) >= WHOLE_SHARE else "overlap"
