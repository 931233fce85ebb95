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
from .image_statistics import CAMERA, EXPOSURE, FRAME, MICROSCOPE, SIZE, STAIN

if TYPE_CHECKING:
    from ..types import DistanceRecord, Floats, GuardsRecord, Ranges, SizesRecord, Statistics

SCHEMA_VERSION = 2
LARGEST_NUMBER = 1e12  # of a record: float64 squares it without an overflow
SIZE_TOLERANCE = 0.05  # of a side: so much smaller or larger cells make no difference
BRIGHT_MARGIN, LEAST_BRIGHT_MARGIN = 0.1, 0.02  # of the range of the images; of white


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
                raise _other_version(record["schema_version"])
            self._cameras = _cameras(record["cameras"], record["images"])
            self._blurred = _Ranges(record["blurred"], ("sharpness",))
            self._exposure = _Ranges(record["exposure"], EXPOSURE)
            self._brightest = record["exposure"]["brightness"][1]
            self._frame = _Ranges(record["frame"], FRAME)
            self._sizes = _Sizes(record["sizes"])
            self._stain = _Ranges(record["stain"], STAIN)
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
            Of ``blurred``, ``exposure``, ``too_small``, ``off_domain`` and
            ``unfamiliar_microscope``; never both of the last two.
        """
        if not self.active:
            return ()
        size = statistics.get(SIZE)
        is_brighter = _is_outside(float(statistics["brightness"]), (None, self._brightest))
        flags = []
        if self._blurred.is_outside(statistics):
            flags.append("blurred")
        if self._exposure.is_outside(statistics, but_above="brightness"):
            flags.append("exposure")
        if size is not None and self._sizes.is_too_small(*size):
            flags.append("too_small")
        if (
            self._stain.is_outside(statistics)
            or self._smear.is_above_limit(statistics)
            or self._frame.is_outside(statistics)
        ):
            flags.append("off_domain")
        elif (
            is_brighter  # a bright light that clips nothing belongs to the microscope
            or self._microscope.is_above_limit(statistics)
            or self._is_other_camera(statistics)
            or (size is not None and self._sizes.is_unusual(*size))
        ):
            flags.append("unfamiliar_microscope")
        return tuple(flags)

    def _is_other_camera(self, statistics: Statistics) -> bool:
        camera = statistics[CAMERA]
        return bool(self._cameras) and camera != UNKNOWN_CAMERA and camera not in self._cameras


def bright_limit(brightness: Sequence[float]) -> float:
    """Return the mean value above which an image is brighter than some images, in shares of white.

    Parameters
    ----------
    brightness : sequence of float
        The statistic ``brightness`` of each image, in [0, 1].
    """
    highest = max(brightness)
    margin = max(BRIGHT_MARGIN * (highest - min(brightness)), LEAST_BRIGHT_MARGIN)
    return round(float(highest + margin), 6)


def is_current(record: GuardsRecord | None) -> bool:
    """Return whether guards can be used by this version; a run of an earlier one has others."""
    return record is None or record.get("schema_version") == SCHEMA_VERSION


def _other_version(version: object) -> BundleError:
    """Return the error for guards that another version of alledge fitted."""
    if version == 1:
        return BundleError(
            "the guards of the bundle are of an earlier alledge: they know neither the hue of the "
            "stain nor the size of the training images",
            fix="export the run again: `alledge export --run RUN` fits them to its images",
        )
    return BundleError(
        f"the guards of the bundle have the schema_version {version!r}",
        allowed=str(SCHEMA_VERSION),
        fix="copy the whole bundle again, or update alledge on this machine",
    )


class _Ranges:
    """The lowest and the highest usual value of some statistics; None is no limit."""

    def __init__(self, record: Ranges, names: Sequence[str]) -> None:
        self._limits = {name: (low, high) for name, (low, high) in record.items()}
        if set(self._limits) != set(names):
            raise ValueError(f"ranges of {sorted(self._limits)} instead of {sorted(names)}")
        for name, limits in self._limits.items():
            if not _is_range(*limits):
                raise ValueError(f"{name} from {limits[0]} to {limits[1]}")

    def is_outside(self, statistics: Statistics, *, but_above: str | None = None) -> bool:
        """Return whether a statistic is unusual; one of them may be above its upper limit."""
        return any(
            _is_outside(float(statistics[name]), (low, None if name == but_above else high))
            for name, (low, high) in self._limits.items()
        )


class _Sizes:
    """The sizes of the training images in pixels; without a record, every size is usual."""

    def __init__(self, record: SizesRecord | None) -> None:
        self._usual: list[list[float]] = []
        self._shorter = self._aspect = (0.0, float("inf"))
        if record is None:
            return
        usual = _numbers(record["usual"]).reshape(-1, 2)
        self._shorter, self._aspect = _pair(record["shorter_side"]), _pair(record["aspect"])
        if (usual < 1).any() or self._shorter[0] > self._shorter[1]:
            raise ValueError(f"sizes {record}")
        self._usual = usual.tolist()

    def is_too_small(self, longer: int, shorter: int) -> bool:
        return shorter < self._shorter[0]

    def is_unusual(self, longer: int, shorter: int) -> bool:
        """Return whether the file was scaled, cropped or padded, or is of another camera."""
        if self._usual:
            return not any(
                abs(longer / usual - 1) <= SIZE_TOLERANCE
                and abs(shorter / usual_shorter - 1) <= SIZE_TOLERANCE
                for usual, usual_shorter in self._usual
            )
        return _is_outside(shorter, self._shorter) or _is_outside(longer / shorter, self._aspect)


class _Distance:
    """The distance of an image from the training images, and its limit."""

    def __init__(self, record: DistanceRecord) -> None:
        self._names = _features(record["features"])
        self._centres = _numbers(record["centres"])
        self._scale = _numbers(record["scale"])
        self._precision = _numbers(record["precision"])
        self._limit = float(_numbers(record["limit"]))
        count = len(self._names)
        shapes = [self._centres.shape, self._scale.shape, self._precision.shape]
        if shapes != [(len(self._centres), count), (count,), (count, count)]:
            raise ValueError(f"{count} features with statistics of the shapes {shapes}")
        if not (len(self._centres) and (self._scale > 0).all()):
            raise ValueError("no centre, or a scale that is not positive")
        # With another matrix the square of a distance can be negative, and no image is far away.
        if not np.allclose(self._precision, self._precision.T):
            raise ValueError("the precision is not symmetric")
        np.linalg.cholesky(self._precision)  # raises a ValueError if it is not positive definite

    def is_above_limit(self, statistics: Statistics) -> bool:
        row = np.array([[statistics[name] for name in self._names]], dtype=np.float64)
        distance = mahalanobis_distances(row, self._centres, self._scale, self._precision)[0]
        return not float(distance) <= self._limit  # NaN is above the limit


def mahalanobis_distances(
    table: Floats, centres: Floats, scale: Floats, precision: Floats
) -> Floats:
    """Return the Mahalanobis distance of each row from the nearest centre.

    Parameters
    ----------
    table : (N, F) ndarray of float64
    centres : (K, F) ndarray of float64
    scale : (F,) ndarray of float64
    precision : (F, F) ndarray of float64
        The inverse of the covariance of ``(table - centre) / scale``.

    Returns
    -------
    (N,) ndarray of float64
        Divided by the root of the number of features: about 1 for a row like those that were
        fitted.
    """
    z = (table[:, np.newaxis] - centres) / scale
    squared = np.einsum("nki,ij,nkj->nk", z, precision, z).min(axis=1)
    distances: Floats = np.sqrt(np.maximum(squared, 0) / centres.shape[1])
    return distances


def _cameras(cameras: Sequence[str], images: int) -> frozenset[str]:
    """Return the names of the cameras; anything else is an error."""
    if type(images) is not int or images < 1:
        raise ValueError(f"fitted to {images!r} images")
    if not isinstance(cameras, list) or not all(isinstance(name, str) for name in cameras):
        raise ValueError(f"cameras {cameras!r}")
    return frozenset(cameras)


def _features(names: Sequence[str]) -> list[str]:
    """Return the names of statistics; an unknown one is an error."""
    if not isinstance(names, list) or not names or not set(names) <= set(MICROSCOPE):
        raise ValueError(f"unknown features {names!r}")
    return names


def _numbers(values: object) -> Floats:
    """Return finite numbers as an array; anything else is an error."""
    numbers = np.asarray(values)
    is_empty = isinstance(values, list) and not values
    if not is_empty and (
        numbers.dtype.kind not in "if" or not (np.abs(numbers) <= LARGEST_NUMBER).all()
    ):
        raise ValueError(f"numbers of the type {numbers.dtype}, too large or not finite")
    return numbers.astype(np.float64)


def _pair(values: Sequence[float]) -> tuple[float, float]:
    low, high = _numbers(values).tolist()
    return low, high


def _is_range(low: float | None, high: float | None) -> bool:
    """Return whether two limits are numbers, the lower first; one of them may be None."""
    if any(limit is not None and _numbers(limit).shape != () for limit in (low, high)):
        return False
    if low is None or high is None:
        return low is not high
    return low <= high


def _is_outside(value: float, limits: Sequence[float | None]) -> bool:
    low, high = limits
    return not ((low is None or value >= low) and (high is None or value <= high))
