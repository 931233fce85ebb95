"""Fits the guards of a bundle to its training images; runs where the model is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..imaging import UNKNOWN_CAMERA
from .guards import SCHEMA_VERSION, mahalanobis_distances
from .image_statistics import CAMERA, EXPOSURE, MICROSCOPE, SMEAR

if TYPE_CHECKING:
    from ..types import DistanceRecord, Floats, GuardsRecord, Statistics

MIN_IMAGES = 16  # fewer do not show what is usual
FOLDS = 5  # the limit of a distance comes from images that its centre was not fitted on
SMEAR_SHRINKAGE, MICROSCOPE_SHRINKAGE = 0.5, 0.2  # of the correlations, towards 0
RIDGE, LEAST_SCALE, LEAST_LIMIT = 0.05, 1e-3, 1.0
# The limit of a distance lies this many standard deviations (of its logarithm) above the median.
# The limit of `off_domain` is this factor larger: a smear under another microscope lies below it
# (docs/runtime.md has the measurement).
LIMIT_DEVIATIONS, OFF_DOMAIN_FACTOR = 2.0, 1.5
BLUR_DEVIATIONS, DARK_DEVIATIONS = 3.0, 3.5
LEAST_DEVIATION = 0.05
CLIPPED_SHARE = 0.05  # of the pixels: this many more than in any training image


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
    """
    if len(statistics) < MIN_IMAGES:
        return None
    cameras = sorted({str(row[CAMERA]) for row in statistics})
    lowest_sharpness = _lower_limit(_column(statistics, "sharpness"), BLUR_DEVIATIONS)
    return {
        "schema_version": SCHEMA_VERSION,
        "images": len(statistics),
        "cameras": [] if UNKNOWN_CAMERA in cameras else cameras,
        "off_domain": _fit_distance(statistics, SMEAR, SMEAR_SHRINKAGE, OFF_DOMAIN_FACTOR),
        "unfamiliar_microscope": _fit_distance(statistics, MICROSCOPE, MICROSCOPE_SHRINKAGE, 1.0),
        "blurred": {"sharpness": [lowest_sharpness, None]},
        "exposure": {name: _usual_range(name, _column(statistics, name)) for name in EXPOSURE},
    }


def _column(statistics: Sequence[Statistics], name: str) -> Floats:
    return np.array([row[name] for row in statistics], dtype=np.float64)


def _lower_limit(values: Floats, deviations: float) -> float:
    """Return the median less so many standard deviations of the values below it."""
    median = float(np.median(values))
    lower = values[values <= median]
    deviation = max(math.sqrt(np.mean((lower - median) ** 2)), LEAST_DEVIATION)
    return round(median - deviations * deviation, 6)


def _usual_range(name: str, values: Floats) -> list[float | None]:
    if name in ("white", "black"):
        return [None, round(float(values.max()) + CLIPPED_SHARE, 6)]
    return [_lower_limit(values, DARK_DEVIATIONS), None]  # bright is fine while nothing is clipped


def _fit_distance(
    statistics: Sequence[Statistics], names: tuple[str, ...], shrinkage: float, factor: float
) -> DistanceRecord:
    table = np.stack([_column(statistics, name) for name in names], axis=1)
    fold = np.random.default_rng(0).permutation(len(table)) % FOLDS
    held_out = np.zeros(len(table))
    for number in range(FOLDS):
        gaussian = _fit_gaussian(table[fold != number], shrinkage)
        held_out[fold == number] = mahalanobis_distances(table[fold == number], *gaussian)
    logs = np.log(held_out + 1e-6)
    limit = math.exp(float(np.median(logs)) + LIMIT_DEVIATIONS * float(logs.std()))
    centre, scale, precision = _fit_gaussian(table, shrinkage)
    return {
        "features": list(names),
        "centre": np.round(centre, 6).tolist(),
        "scale": np.round(scale, 6).tolist(),
        "precision": np.round(precision, 5).tolist(),
        "limit": round(factor * max(limit, LEAST_LIMIT), 4),
    }


def _fit_gaussian(table: Floats, shrinkage: float) -> tuple[Floats, Floats, Floats]:
    """Return centre, scale and precision; robust and shrunk, because the sets are small."""
    centre: Floats = np.median(table, axis=0)
    robust = 1.4826 * np.median(np.abs(table - centre), axis=0)
    scale: Floats = np.maximum(robust, table.std(axis=0) / 2) + LEAST_SCALE
    covariance = np.cov(((table - centre) / scale).T)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance))
    return centre, scale, np.asarray(np.linalg.inv(shrunk + RIDGE * np.eye(len(shrunk))), float)
