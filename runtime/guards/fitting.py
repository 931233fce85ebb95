"""Fits the guards of a bundle to its training images; runs where the model is trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..imaging import UNKNOWN_CAMERA
from .guards import SCHEMA_VERSION, SIZE_TOLERANCE, bright_limit, mahalanobis_distances
from .image_statistics import CAMERA, EXPOSURE, MICROSCOPE, SIZE, SMEAR, STAIN, image_statistics

if TYPE_CHECKING:
    from ..types import (
        DistanceRecord,
        Floats,
        GuardsRecord,
        Ints,
        SizesRecord,
        Statistics,
    )

# Fewer do not show what is usual: neither of all images nor of one imaging setup.
MIN_IMAGES = 16
FOLDS = 5  # the limit of a distance comes from images that its centre was not fitted on
SMEAR_SHRINKAGE, MICROSCOPE_SHRINKAGE = 0.5, 0.3  # of the correlations, towards 0
RIDGE, LEAST_SCALE, LEAST_LIMIT = 0.05, 1e-3, 1.0
# The limit of a distance lies this many standard deviations (of its logarithm) above the median.
# The limit of `off_domain` is this factor larger: a smear under another microscope lies below it
# (docs/guards.md has the measurement).
LIMIT_DEVIATIONS, OFF_DOMAIN_FACTOR = 2.0, 1.5
# The stain of a new image may lie outside that of the training images by this share of their range.
STAIN_MARGIN, LEAST_STAIN_MARGIN = 0.25, 0.05
BLUR_DEVIATIONS, DARK_DEVIATIONS = 3.0, 3.5
LEAST_DEVIATION = 0.05
CLIPPED_SHARE = 0.05  # of the pixels: this many more than in any training image
FLAT_SHARE = 0.1  # of the neighbouring pixels: JPEG files of quality 50 have so many more
BORDER_FACTOR = 0.2  # of the least range along a side of a training image
# At most this share of the training images may have a size of their own. By the estimate of Good
# and Turing, it is the probability that the next image has a size that no training image has.
UNSEEN_SIZES = 0.05
MAX_CROPS = 4000  # of cells: more make no difference, and take a millisecond each


def fit_guards(statistics: Sequence[Statistics]) -> GuardsRecord | None:
    """Return what is usual among the training images, for the bundle's record.

    Parameters
    ----------
    statistics : sequence of dict
        What `image_statistics` returned for each training image.

    Returns
    -------
    dict or None
        The ``guards`` of ``bundle.json``; None where there are fewer than 16 images.

    References
    ----------
    I. J. Good, "The population frequencies of species and the estimation of population
    parameters", Biometrika 40 (1953), 237-264.
    """
    if len(statistics) < MIN_IMAGES:
        return None
    cameras = sorted({str(row[CAMERA]) for row in statistics})
    setups = _imaging_setups(statistics)
    lowest_sharpness = _lower_limit(_column(statistics, "sharpness"), BLUR_DEVIATIONS)
    return {
        "schema_version": SCHEMA_VERSION,
        "images": len(statistics),
        "cameras": [] if UNKNOWN_CAMERA in cameras else cameras,
        "sizes": _fit_sizes([row.get(SIZE) for row in statistics]),
        "frame": {
            "border": [_rounded(BORDER_FACTOR * _column(statistics, "border").min()), None],
            "flat": [
                None,
                _rounded(np.log(np.exp(_column(statistics, "flat").max()) + FLAT_SHARE)),
            ],
        },
        "stain": {name: _stain_range(name, _column(statistics, name)) for name in STAIN},
        "off_domain": _fit_distance(
            statistics, SMEAR, np.zeros_like(setups), SMEAR_SHRINKAGE, OFF_DOMAIN_FACTOR
        ),
        "unfamiliar_microscope": _fit_distance(
            statistics, MICROSCOPE, setups, MICROSCOPE_SHRINKAGE, 1.0
        ),
        "blurred": {"sharpness": [lowest_sharpness, None]},
        "exposure": {name: _usual_range(name, _column(statistics, name)) for name in EXPOSURE},
    }


def fit_cell_guards(crops: NDArray[np.uint8], seed: int = 0) -> GuardsRecord | None:
    """Return what is usual among the crops of the training cells: the ``guards`` of a cell bundle.

    Parameters
    ----------
    crops : (N, S, S, 3) ndarray of uint8
        As `crop_cells` returns them. Of more than `MAX_CROPS`, a random part is used.
    seed : int

    Returns
    -------
    dict or None
        As `fit_guards`; None where there are fewer than 16 crops.
    """
    rows = np.arange(len(crops))
    if len(rows) > MAX_CROPS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_CROPS, replace=False))
    return fit_guards([image_statistics(crops[row]) for row in rows])


def _imaging_setups(statistics: Sequence[Statistics]) -> Ints:
    """Return the number of the imaging setup of each image, (N,), from 0.

    Images of one camera and size are of one setup. Fewer than 16 do not show what is usual; they
    join the largest setup of their camera, else the largest of all.
    """
    keys = [(row[CAMERA], tuple(row.get(SIZE, ()))) for row in statistics]
    counts = Counter(keys)
    large = [key for key, count in counts.most_common() if count >= MIN_IMAGES]
    if not large:
        return np.zeros(len(keys), dtype=np.int64)
    numbers = {key: number for number, key in enumerate(large)}
    of_camera = {camera: numbers[camera, size] for camera, size in reversed(large)}
    setups = [numbers.get(key, of_camera.get(key[0], 0)) for key in keys]
    return np.array(setups, dtype=np.int64)


def _fit_sizes(sizes: Sequence[list[int] | None]) -> SizesRecord | None:
    """Return the usual sizes; None where the size of an image is not known."""
    known = [tuple(size) for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    counts = Counter(known)
    alone = sum(count == 1 for count in counts.values())
    usual = sorted({size for size, count in counts.items() if count > 1})
    if alone > UNSEEN_SIZES * len(known):
        usual = []
    longer, shorter = np.array(usual or known, dtype=np.float64).T
    aspect = longer / shorter
    low, high = 1 - SIZE_TOLERANCE, 1 + SIZE_TOLERANCE
    return {
        "usual": [list(size) for size in usual],
        "shorter_side": [
            round(low * float(shorter.min()), 1),
            round(high * float(shorter.max()), 1),
        ],
        "aspect": [round(low * float(aspect.min()), 4), round(high * float(aspect.max()), 4)],
    }


def _column(statistics: Sequence[Statistics], name: str) -> Floats:
    return np.array([row[name] for row in statistics], dtype=np.float64)


def _table(statistics: Sequence[Statistics], names: Sequence[str]) -> Floats:
    return np.stack([_column(statistics, name) for name in names], axis=1)


def _rounded(value: float) -> float:
    return round(float(value), 6)


def _lower_limit(values: Floats, deviations: float) -> float:
    """Return the median less so many standard deviations of the values below it."""
    median = float(np.median(values))
    lower = values[values <= median]
    deviation = max(math.sqrt(np.mean((lower - median) ** 2)), LEAST_DEVIATION)
    return _rounded(median - deviations * deviation)


def _usual_range(name: str, values: Floats) -> list[float | None]:
    highest = float(values.max())
    if name in ("white", "black"):
        return [None, _rounded(highest + CLIPPED_SHARE)]
    lowest = _lower_limit(values, DARK_DEVIATIONS)
    if name == "brightness":
        return [lowest, bright_limit(values.tolist())]
    return [lowest, None]


def _stain_range(name: str, values: Floats) -> list[float | None]:
    lowest, highest = float(values.min()), float(values.max())
    margin = max(STAIN_MARGIN * (highest - lowest), LEAST_STAIN_MARGIN)
    is_ratio = name in ("red_depth", "blue_depth")  # of the others, a stain cannot have too much
    return [_rounded(lowest - margin), _rounded(highest + margin) if is_ratio else None]


def _fit_distance(
    statistics: Sequence[Statistics],
    names: tuple[str, ...],
    setups: Ints,
    shrinkage: float,
    factor: float,
) -> DistanceRecord:
    table = _table(statistics, names)
    fold = np.random.default_rng(0).permutation(len(table)) % FOLDS
    held_out = np.zeros(len(table))
    for number in range(FOLDS):
        rest = fold != number
        gaussians = _fit_gaussians(table[rest], setups[rest], shrinkage)
        held_out[~rest] = mahalanobis_distances(table[~rest], *gaussians)
    logs = np.log(held_out + 1e-6)
    limit = math.exp(float(np.median(logs)) + LIMIT_DEVIATIONS * float(logs.std()))
    centres, scale, precision = _fit_gaussians(table, setups, shrinkage)
    return {
        "features": list(names),
        "centres": np.round(centres, 6).tolist(),
        "scale": np.round(scale, 6).tolist(),
        "precision": np.round(precision, 5).tolist(),
        "limit": round(factor * max(limit, LEAST_LIMIT), 4),
    }


def _fit_gaussians(table: Floats, setups: Ints, shrinkage: float) -> tuple[Floats, Floats, Floats]:
    """Return centres, scale and precision; robust and shrunk, because the sets are small.

    The imaging setups share scale and correlations, as in linear discriminant analysis: what lies
    between two microscopes is of neither.
    """
    numbers, rows = np.unique(setups, return_inverse=True)
    centres = np.stack([np.median(table[setups == number], axis=0) for number in numbers])
    residuals = table - centres[rows]
    robust = 1.4826 * np.median(np.abs(residuals), axis=0)
    scale: Floats = np.maximum(robust, residuals.std(axis=0) / 2) + LEAST_SCALE
    covariance = np.cov((residuals / scale).T)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance))
    return centres, scale, np.asarray(np.linalg.inv(shrunk + RIDGE * np.eye(len(shrunk))), float)
