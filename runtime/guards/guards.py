"""Guards: whether the model may judge an image; numpy only.

They compare the statistics of the image with those of the training images. Nothing is assumed
about how a smear looks: a model of single cells on black gets guards for such images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import BundleError
from ..imaging import UNKNOWN_CAMERA
from .image_statistics import CAMERA, EXPOSURE, MICROSCOPE

if TYPE_CHECKING:
    from ..types import DistanceRecord, Floats, GuardsRecord, Statistics

SCHEMA_VERSION = 1


class Guards:
    """The guards of a bundle.

    Parameters
    ----------
    record : dict or None
        The ``guards`` of ``bundle.json``; None guards nothing.

    Raises
    ------
    BundleError
        If the record is damaged or of another version.

    Examples
    --------
    >>> guards = Guards(bundle.record["guards"])  # doctest: +SKIP
    >>> guards.flags(image_statistics(load_rgb("out-of-focus.jpg")))  # doctest: +SKIP
    ('blurred',)
    """

    def __init__(self, record: GuardsRecord | None) -> None:
        self.active = record is not None
        if record is None:
            return
        try:
            if record["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema_version {record['schema_version']!r}")
            self._cameras = frozenset(map(str, record["cameras"]))
            self._ranges = {
                "blurred": dict(record["blurred"]),
                "exposure": dict(record["exposure"]),
            }
            named = {name for ranges in self._ranges.values() for name in ranges}
            if unknown := named - {*MICROSCOPE, *EXPOSURE}:
                raise ValueError(f"unknown statistics {sorted(unknown)}")
            self._smear = _Distance(record["off_domain"])
            self._microscope = _Distance(record["unfamiliar_microscope"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                f"the guards of the bundle are damaged: {type(error).__name__}: {error}",
                fix="copy the whole bundle again, or update alledge on this machine",
            ) from None

    def flags(self, statistics: Statistics) -> tuple[str, ...]:
        """Return the reasons not to judge an image; empty where there is none.

        Parameters
        ----------
        statistics : dict
            What `image_statistics` returned.

        Returns
        -------
        tuple of str
            Of ``blurred``, ``exposure``, ``off_domain``, ``unfamiliar_microscope``; never both of
            the last two.
        """
        if not self.active:
            return ()
        flags = [
            flag
            for flag, ranges in self._ranges.items()
            if any(_is_outside(float(statistics[name]), limits) for name, limits in ranges.items())
        ]
        if self._smear.is_above_limit(statistics):
            flags.append("off_domain")
        elif self._microscope.is_above_limit(statistics) or self._is_other_camera(statistics):
            flags.append("unfamiliar_microscope")
        return tuple(flags)

    def _is_other_camera(self, statistics: Statistics) -> bool:
        camera = statistics[CAMERA]
        return bool(self._cameras) and camera != UNKNOWN_CAMERA and camera not in self._cameras


class _Distance:
    """The distance of an image from the training images, and its limit."""

    def __init__(self, record: DistanceRecord) -> None:
        self._names = [str(name) for name in record["features"]]
        self._centre = np.asarray(record["centre"], dtype=np.float64)
        self._scale = np.asarray(record["scale"], dtype=np.float64)
        self._precision = np.asarray(record["precision"], dtype=np.float64)
        self._limit = float(record["limit"])
        if unknown := set(self._names) - set(MICROSCOPE):
            raise ValueError(f"unknown features {sorted(unknown)}")
        count = len(self._names)
        shapes = [self._centre.shape, self._scale.shape, self._precision.shape]
        if shapes != [(count,), (count,), (count, count)]:
            raise ValueError(f"{count} features with statistics of the shapes {shapes}")

    def is_above_limit(self, statistics: Statistics) -> bool:
        row = np.array([[statistics[name] for name in self._names]], dtype=np.float64)
        distance = mahalanobis_distances(row, self._centre, self._scale, self._precision)[0]
        return not float(distance) <= self._limit  # NaN is above the limit


def mahalanobis_distances(
    table: Floats, centre: Floats, scale: Floats, precision: Floats
) -> Floats:
    """Return the Mahalanobis distance of each row, divided by the root of the number of features.

    Parameters
    ----------
    table : (N, F) ndarray of float64
    centre, scale : (F,) ndarray of float64
    precision : (F, F) ndarray of float64
        The inverse of the covariance of ``(table - centre) / scale``.

    Returns
    -------
    (N,) ndarray of float64
        About 1 for a row like those that were fitted.
    """
    z = (table - centre) / scale
    squared: Floats = np.einsum("ni,ij,nj->n", z, precision, z)
    return np.sqrt(np.maximum(squared, 0) / len(centre))


def _is_outside(value: float, limits: Sequence[float | None]) -> bool:
    low, high = limits
    return not ((low is None or value >= low) and (high is None or value <= high))
