"""Whether two images that may show the same do: aligned, and correlated at their own scale.

What is correlated is detail (the image less its blur), so that two round cells on an even
background, or two fields with the same shading, are not taken for one. Imports numpy and scipy.
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
from .landmarks import DETAIL, Signature

# At the level: what does not agree there will not at the images' own scale, and is not opened. The
# same fields begin at 0.76 and 3.8 standard errors (ALL-IDB1 and 2); one in eight of the pairs that
# merely have nuclei lying on each other comes as far as this.
COARSE_SCORE, COARSE_ERRORS = 0.35, 2.5
# Correlation at the voted shift from which those about it are tried, and at the best of them.
VOTED_SCORE, BEST_SCORE = 0.125, 0.25
# Correlation at the images' own scale from which two show the same. A common part counts by how
# many independent details it has: unrelated fields (ALL-IDB1's and generated ones) stay below 8
# standard errors, the same ones begin at 14. A crop of one cell has too few for that: unrelated
# ones of ALL-IDB2 reach 0.6, the same ones begin at 0.92.
SCORE, ERRORS, SCORE_ALONE = 0.35, 10.0, 0.85
GRAIN = 4.0  # pixels: blur that takes the noise of camera and JPEG off before correlating
SEARCH = 3  # pixels of the level around the voted shift
ENOUGH = 4_000  # pixels of the level that tell the best of shifts next to each other
LEAST = 24  # pixels of the level that an overlap is wide and high, at least
BLOCKS = 4  # along each side of the common part
WINDOW = 1024  # pixels: side of the part that the last shift is looked for in
SQUARE = 128  # pixels: images of different size that look alike are compared in such a square
MOST = 0.3  # share of an image from which few details are enough, if they agree as a crop's do
WHOLE = 0.98  # share of an image from which all of it is meant

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]
Load = Callable[[int], "Grey | None"]


@dataclass(frozen=True)
class Overlap:
    """Two images that show the same, as their indices.

    Parameters
    ----------
    a, b : int
        a < b.
    kind : {"identical", "duplicate", "inside", "overlap"}
        The same pixels; the same picture; one a part of the other; a common part.
    dx, dy : int
        Where b's origin lies in a, in pixels.
    shares : tuple of float
        Part of a and part of b that the other shows.
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


def roughly(one: Signature, other: Signature, candidate: Candidate) -> tuple[float, int, int]:
    """Return the best agreement near the voted shift, and that shift, both at the level."""
    if candidate.dx is None or candidate.dy is None:
        squares = [_squeezed(signature.detail) for signature in (one, other)]
        return correlation(*squares), 0, 0
    dx, dy = candidate.dx, candidate.dy
    windows = common(one.detail, other.detail, dx, dy)
    if min(windows[0].shape) < LEAST - SEARCH:
        return -1.0, dx, dy
    step = _step(windows[0])
    score = correlation(*(window[::step] for window in windows))
    if score < VOTED_SCORE:
        return score, dx, dy
    score, right, down = _shift(*windows)
    dx, dy = dx + right, dy + down
    if score < BEST_SCORE:
        return score, dx, dy
    windows = common(one.detail, other.detail, dx, dy)
    score = _in_blocks(*windows)
    if score >= COARSE_SCORE and score * _details(*windows) ** 0.5 < COARSE_ERRORS:
        return 0.0, dx, dy
    return score, dx, dy


def closely(candidate: Candidate, dx: int, dy: int, factor: int, load: Load) -> Overlap | None:
    """Return the overlap of two images at their own scale, None where there is none.

    Parameters
    ----------
    candidate : Candidate
    dx, dy : int
        At the level.
    factor : int
        By which the level is smaller.
    load : callable
        Gives an image in grey at its own scale, by its index.
    """
    a, b = load(candidate.a), load(candidate.b)
    if a is None or b is None:
        return None
    if candidate.dx is None and a.shape != b.shape:
        score, _ = _agreement(_detail(_squeezed(a)), _detail(_squeezed(b)))
        found = Overlap(candidate.a, candidate.b, "duplicate", 0, 0, (1.0, 1.0), score)
        return found if score >= SCORE_ALONE else None
    dx, dy = _refined(a, b, dx * factor, dy * factor, 2 * factor)
    one, other = common(a, b, dx, dy)
    if min(one.shape) < LEAST * factor and one.size < min(a.size, b.size) / 2:
        return None
    score, errors = _agreement(_detail(one), _detail(other))
    shares = (one.size / a.size, one.size / b.size)
    alone = score >= SCORE_ALONE and max(shares) >= MOST  # a corner may show one nucleus
    if not alone and (score < SCORE or errors < ERRORS):
        return None
    same = a.shape == b.shape and bool(np.array_equal(a, b))
    return Overlap(candidate.a, candidate.b, _kind(shares, same), dx, dy, shares, score)


def common(one: NDArray[Any], other: NDArray[Any], dx: int, dy: int) -> list[NDArray[Any]]:
    """Return the part of each of two images that both show, the second lying at (dx, dy)."""
    left, right = max(0, dx), min(one.shape[1], other.shape[1] + dx)
    top, bottom = max(0, dy), min(one.shape[0], other.shape[0] + dy)
    right, bottom = max(left, right), max(top, bottom)
    return [one[top:bottom, left:right], other[top - dy : bottom - dy, left - dx : right - dx]]


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the normalised cross-correlation of two images of one size; 0 where one is flat."""
    x, y = (image.astype(np.float32).ravel() for image in (one, other))
    x, y = x - x.mean(), y - y.mean()
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / length if length > 0 else 0.0


def _agreement(one: Floats, other: Floats) -> tuple[float, float]:
    """Return the median correlation of the blocks of two images of one size, and its weight.

    The weight is how many standard errors of unrelated images of this detail the correlation is.
    """
    score = _in_blocks(one, other)
    return score, score * _details(one, other) ** 0.5


def _in_blocks(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the median correlation of the blocks of two images of one size.

    A nucleus that happens to lie on another makes one block agree; the same field makes all.
    """
    rows = np.linspace(0, one.shape[0], BLOCKS + 1).astype(int)
    columns = np.linspace(0, one.shape[1], BLOCKS + 1).astype(int)
    scores = [
        correlation(one[top:bottom, left:right], other[top:bottom, left:right])
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]
    return float(np.median(scores))


def _details(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return how many independent details two images of one size share room for.

    References
    ----------
    M. S. Bartlett, "Some aspects of the time-correlation problem in regard to tests of
    significance", J. R. Stat. Soc. 98 (1935), 536-543.
    """
    from scipy import fft

    powers = [np.abs(fft.rfft2(image - image.mean())) ** 2 for image in (one, other)]
    shared = float((powers[0] * powers[1]).sum())
    return float(powers[0].sum()) * float(powers[1].sum()) / shared if shared > 0 else 0.0


def _step(window: NDArray[Any]) -> int:
    """Return of how many rows one is enough: a power of two."""
    step = 1
    while window.size > ENOUGH * step:
        step *= 2
    return step


def _shift(one: NDArray[Any], other: NDArray[Any]) -> tuple[float, int, int]:
    """Return the best correlation of two windows, and how far the second moves for it.

    No further than `SEARCH`, to the right and down.
    """
    height, width = (side - 2 * SEARCH for side in one.shape)
    inner = one[SEARCH : SEARCH + height, SEARCH : SEARCH + width]
    moved = np.lib.stride_tricks.sliding_window_view(other, (height, width))
    step = _step(inner)
    fixed = inner[::step].astype(np.float32).ravel()
    table = moved[:, :, ::step].reshape(moved.shape[0] * moved.shape[1], -1).astype(np.float32)
    fixed -= fixed.mean()
    table -= table.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("nk,nk->n", table, table) * (fixed @ fixed))
    scores = table @ fixed / np.maximum(lengths, 1e-6)
    best = int(np.argmax(scores))
    down, right = divmod(best, moved.shape[1])
    return float(scores[best]), SEARCH - right, SEARCH - down


def _refined(a: Grey, b: Grey, dx: int, dy: int, reach: int) -> tuple[int, int]:
    """Return the shift near another at which detail correlates best.

    References
    ----------
    J. P. Lewis, "Fast normalized cross-correlation", Vision Interface 1995, 120-123; the windows
    are a little larger than the reach, so that the normalisation hardly varies and is left out.
    """
    from scipy import fft

    one, other = common(a, b, dx, dy)
    height, width = (min(side, WINDOW) for side in one.shape)
    top, left = (one.shape[0] - height) // 2, (one.shape[1] - width) // 2
    window = (slice(top, top + height), slice(left, left + width))
    shape = tuple(fft.next_fast_len(side + reach, real=True) for side in (height, width))
    waves = [fft.rfft2(_detail(image[window]), shape) for image in (one, other)]
    match = fft.irfft2(waves[0] * waves[1].conj(), shape)
    near = np.roll(match, (reach, reach), axis=(0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    y, x = np.unravel_index(int(near.argmax()), near.shape)
    return dx + int(x) - reach, dy + int(y) - reach


def _detail(image: NDArray[Any]) -> Floats:
    from scipy import ndimage

    grey = image.astype(np.float32)
    smooth = ndimage.gaussian_filter(grey, GRAIN, mode="nearest")
    detail: Floats = smooth - ndimage.uniform_filter(smooth, int(4 * DETAIL) + 1, mode="nearest")
    return detail


def _squeezed(image: NDArray[Any]) -> Floats:
    picture = Image.fromarray(image.astype(np.float32))
    return np.asarray(picture.resize((SQUARE, SQUARE), Image.Resampling.BILINEAR))


def _kind(shares: tuple[float, float], same: bool) -> str:
    if same:
        return "identical"
    if min(shares) >= WHOLE:
        return "duplicate"
    return "inside" if max(shares) >= WHOLE else "overlap"
