"""Guards: may the model judge this image? Statistics of the pixels it would see; numpy only.

Training calls `image_statistics` for every image and `fit_guards` for all of them; the bundle
carries the result.

The device measures the image it is given, and `flags` compares. Nothing is assumed of how a smear
looks: what is usual is what the model was trained on, single cells on black as well as fields.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleError
from ..imaging import UNKNOWN_CAMERA, Header
from ..types import RGB

SCHEMA_VERSION = 1
MIN_IMAGES = 16  # fewer do not say what is usual
FOLDS = 5  # limits come from images that the centre was not fitted on
CAMERA = "camera"

# What a stained smear looks like under any microscope: white-balanced stain and arrangement.
SMEAR = (
    "depth_50", "depth_75", "cover", "hue_2", "hue_3", "red_green", "green_blue", "red_depth",
    "blue_depth", "direction", "grid", "uneven", "uneven_hue", "contrast",
)  # fmt: skip
BANDS = 4  # octaves of detail from two pixels on, the finest first
# What tells one microscope, stain and camera from another, beside that.
MICROSCOPE = (
    *SMEAR, "light_red", "light_green", "light_blue", "depth_95", "hue_1", "edges", "sharpness",
    *(f"band_{number}" for number in range(BANDS)),
)  # fmt: skip
EXPOSURE = ("light", "brightness", "white", "black")

DEPTH_OF_CELL = 0.12  # optical density of green above the background's
SMEAR_SHRINKAGE, MICROSCOPE_SHRINKAGE = 0.5, 0.2  # of the correlations, towards none
RIDGE, LEAST_SCALE, LEAST_LIMIT = 0.05, 1e-3, 1.0
# Limits on the distance, in root mean square of standard deviations: so many spreads (of its
# logarithm) above the usual; a smear under another microscope stays below the second (docs).
SPREADS, OFF_DOMAIN_FACTOR = 2.0, 1.5
BLUR_SPREADS, DARK_SPREADS = 3.0, 3.5
CLIPPED_SHARE = 0.05  # of the pixels, beyond what was usual

Statistics = Mapping[str, Any]
Json = dict[str, Any]
Floats = NDArray[np.float64]
Grey = NDArray[np.float32]

STRIDE = 4
_LOG = np.log(np.arange(256, dtype=np.float32) + 1)
# of the sum of three channels, and of twelve: the grey value, kept from 0 by 8 levels
_LOG_OF_3 = np.log(np.arange(766, dtype=np.float32) / 3 + 8)
_LOG_OF_12 = np.log(np.arange(3061, dtype=np.float32) / 12 + 8)


def image_statistics(rgb: RGB, header: Header | None = None) -> dict[str, Any]:
    """Return the statistics of an image.

    Parameters
    ----------
    rgb : (S, S, 3) ndarray of uint8
        As `load_rgb` returns it.
    header : Header, optional
        Where it names a camera, that is one of the statistics.

    Returns
    -------
    dict
        ``camera`` (str), and a float for every other name; it takes about 1 ms.
    """
    # a part of the pixels says as much of stain and light as all of them
    logs = _LOG.take(rgb[::STRIDE, ::STRIDE].transpose(2, 0, 1))
    light = _percentiles(logs.reshape(3, -1), (90,))[0]
    wide = rgb.astype(np.uint16)
    sums = wide[..., 0] + wide[..., 1]
    sums += wide[..., 2]
    part = sums[::STRIDE, ::STRIDE]
    return {
        CAMERA: header.camera if header else UNKNOWN_CAMERA,
        "light_red": float(light[0]),
        "light_green": float(light[1]),
        "light_blue": float(light[2]),
        "light": float(light.mean()),
        "brightness": float(part.sum()) / (765 * part.size),
        "white": np.count_nonzero(part >= 750) / part.size,
        "black": np.count_nonzero(part <= 24) / part.size,
        **_stain(light[:, None, None] - logs),
        **_texture(sums),
    }


def _percentiles(values: Grey, wanted: Sequence[float]) -> Grey:
    """Return percentiles along the last axis, interpolated; NumPy's own loads numpy.ma for it."""
    ordered = np.sort(values, axis=-1)
    found = []
    for share in wanted:
        place = share / 100 * (ordered.shape[-1] - 1)
        low = int(place)
        high = min(low + 1, ordered.shape[-1] - 1)
        step = ordered[..., high] - ordered[..., low]
        found.append(ordered[..., low] + np.float32(place - low) * step)
    return np.stack(found)


def _stain(depth: NDArray[np.float32]) -> dict[str, float]:
    """Return how optical density, (3, H, W), is spread over pixels, colours and the field."""
    flat = depth.reshape(3, -1)
    count = flat.shape[1]
    level = _percentiles(flat[1], (50, 75, 95))
    stained = np.maximum(flat[1], 0)
    # einsum: BLAS would start threads that fight the engine's
    red, total, blue = np.einsum("n,cn->c", stained, flat).tolist()
    centred = flat - (flat.sum(axis=1) / count)[:, None]
    spread = np.einsum("cn,dn->cd", centred, centred).astype(np.float64) / count
    axes = np.maximum(np.linalg.eigvalsh(spread), 0) + 1e-6
    across = np.sqrt(spread.diagonal() + 1e-9)
    side = depth.shape[1] // 4
    corners = np.arange(4) * side
    whole = depth[:, : 4 * side, : 4 * side]
    blocks = np.add.reduceat(np.add.reduceat(whole, corners, axis=1), corners, axis=2) / side**2
    return {
        "depth_50": float(level[0]),
        "depth_75": float(level[1]),
        "depth_95": float(level[2]),
        "cover": np.count_nonzero(flat[1] > DEPTH_OF_CELL) / count,
        "red_depth": red / (total + 1e-3),
        "blue_depth": blue / (total + 1e-3),
        "hue_1": float(np.log(axes[2])),
        "hue_2": float(np.log(axes[1] / axes[2])),
        "hue_3": float(np.log(axes[0] / axes[2])),
        "red_green": float(spread[0, 1] / (across[0] * across[1])),
        "green_blue": float(spread[1, 2] / (across[1] * across[2])),
        "uneven": math.log(_deviation(blocks[1]) + 0.01),
        "uneven_hue": math.log(_deviation(blocks[0] - blocks[2]) + 0.01),
    }


def _texture(sums: NDArray[np.uint16]) -> dict[str, float]:
    """Return how the detail of a square is spread over scales and directions.

    References
    ----------
    A. Haar, "Zur Theorie der orthogonalen Funktionensysteme", Math. Ann. 69 (1910), 331-371: the
    detail of each octave is what two by two means leave.
    """
    side = len(sums) // 2 * 2
    rows = sums[0:side:2, :side] + sums[1:side:2, :side]
    grey = _LOG_OF_12.take(rows[:, ::2] + rows[:, 1::2])
    edges = 0.0
    energy = np.empty((BANDS, 3))  # of each octave: across, down, diagonal
    for octave in range(BANDS):
        grey, parts = _halved(grey)
        energy[octave] = [_mean_square(part) / 16 + 1e-9 for part in parts]
        if octave == 0:
            strength = parts[0] * parts[0] + parts[1] * parts[1]
            usual = float(strength.sum()) / strength.size
            edges = _mean_square(strength) / (usual**2 + 1e-9)
    bands = energy.sum(axis=1)
    middle = energy[:3].sum(axis=0)
    return {
        "contrast": float(np.log(bands.sum())),
        "direction": float(abs(middle[0] - middle[1]) / middle.sum()),
        "grid": float(middle[2] / middle.sum()),
        "edges": float(np.log(edges + 1e-3)),
        "sharpness": _sharpness(sums),
        **{
            f"band_{number}": float(np.log(part / bands.sum())) for number, part in enumerate(bands)
        },
    }


def _dot(a: Grey, b: Grey) -> float:
    """Return the scalar product of two rows; BLAS would start threads that fight the engine's."""
    return float(np.einsum("n,n->", a, b))


def _mean_square(values: Grey) -> float:
    flat = np.ascontiguousarray(values).ravel()
    return _dot(flat, flat) / flat.size


def _deviation(values: Grey) -> float:
    return math.sqrt(_mean_square(values - values.sum() / values.size))


def _halved(grey: Grey) -> tuple[Grey, tuple[Grey, Grey, Grey]]:
    """Return the two by two means, and what they leave: across, down, diagonal."""
    side = len(grey) // 2 * 2
    top, bottom = grey[0:side:2, :side], grey[1:side:2, :side]
    both, step = top + bottom, top - bottom
    across, down = both[:, ::2] - both[:, 1::2], step[:, ::2] + step[:, 1::2]
    diagonal = step[:, ::2] - step[:, 1::2]
    means = (both[:, ::2] + both[:, 1::2]) * np.float32(0.25)
    return means, (across, down, diagonal)


def _sharpness(sums: NDArray[np.uint16]) -> float:
    """Return curvature over slope, as a logarithm: defocus takes the first before the second."""
    lines = _LOG_OF_3.take(np.concatenate([sums[::STRIDE], sums[:, ::STRIDE].T]))
    step = lines[:, 1:] - lines[:, :-1]
    # rows and columns together: means of both, added
    slope, bent = 2 * _mean_square(step), 2 * _mean_square(step[:, 1:] - step[:, :-1])
    return float(np.log((bent + 1e-9) / (slope + 1e-9)))


def fit_guards(statistics: Sequence[Statistics]) -> Json | None:
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
    return {
        "schema_version": SCHEMA_VERSION,
        "images": len(statistics),
        "cameras": [] if UNKNOWN_CAMERA in cameras else cameras,
        "off_domain": _fit_distance(statistics, SMEAR, SMEAR_SHRINKAGE, OFF_DOMAIN_FACTOR),
        "unfamiliar_microscope": _fit_distance(statistics, MICROSCOPE, MICROSCOPE_SHRINKAGE, 1.0),
        "blurred": {"sharpness": [_low(_column(statistics, "sharpness"), BLUR_SPREADS), None]},
        "exposure": {name: _usual_range(name, _column(statistics, name)) for name in EXPOSURE},
    }


def _column(statistics: Sequence[Statistics], name: str) -> Floats:
    return np.array([row[name] for row in statistics], dtype=np.float64)


def _low(values: Floats, spreads: float) -> float:
    """Return the limit below what is usual; the spread is that of the lower half."""
    middle = float(np.median(values))
    lower = values[values <= middle]
    return round(middle - spreads * max(math.sqrt(np.mean((lower - middle) ** 2)), 0.05), 6)


def _usual_range(name: str, values: Floats) -> list[float | None]:
    if name in ("white", "black"):
        return [None, round(float(values.max()) + CLIPPED_SHARE, 6)]
    return [_low(values, DARK_SPREADS), None]  # bright is no fault as long as nothing is clipped


def _fit_distance(
    statistics: Sequence[Statistics], names: tuple[str, ...], shrinkage: float, factor: float
) -> Json:
    table = np.stack([_column(statistics, name) for name in names], axis=1)
    fold = np.random.default_rng(0).permutation(len(table)) % FOLDS
    held_out = np.zeros(len(table))
    for number in range(FOLDS):
        fitted = _gaussian(table[fold != number], shrinkage)
        held_out[fold == number] = _distances(table[fold == number], *fitted)
    logs = np.log(held_out + 1e-6)
    limit = math.exp(float(np.median(logs)) + SPREADS * float(logs.std()))
    centre, scale, precision = _gaussian(table, shrinkage)
    return {
        "features": list(names),
        "centre": np.round(centre, 6).tolist(),
        "scale": np.round(scale, 6).tolist(),
        "precision": np.round(precision, 5).tolist(),
        "limit": round(factor * max(limit, LEAST_LIMIT), 4),
    }


def _gaussian(table: Floats, shrinkage: float) -> tuple[Floats, Floats, Floats]:
    """Return centre, scale and precision of statistics, robust and shrunk for small sets."""
    centre: Floats = np.median(table, axis=0)
    robust = 1.4826 * np.median(np.abs(table - centre), axis=0)
    scale: Floats = np.maximum(robust, table.std(axis=0) / 2) + LEAST_SCALE
    covariance = np.cov(((table - centre) / scale).T)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance))
    return centre, scale, np.asarray(np.linalg.inv(shrunk + RIDGE * np.eye(len(shrunk))), float)


def _distances(table: Floats, centre: Floats, scale: Floats, precision: Floats) -> Floats:
    """Return the Mahalanobis distance of each row, over the root of the number of features."""
    z = (table - centre) / scale
    squared: Floats = np.einsum("ni,ij,nj->n", z, precision, z)
    return np.sqrt(np.maximum(squared, 0) / len(centre))


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
    """

    def __init__(self, record: Json | None) -> None:
        self.active = record is not None
        if record is None:
            return
        try:
            if record["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema_version {record['schema_version']!r}")
            self._cameras = frozenset(map(str, record["cameras"]))
            self._ranges = {name: dict(record[name]) for name in ("blurred", "exposure")}
            self._far = {name: _Far(record[name]) for name in FAR}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                f"the guards of the bundle are damaged: {type(error).__name__}: {error}",
                fix="copy the bundle again, whole, or update alledge on this machine",
            ) from None

    def flags(self, statistics: Statistics) -> tuple[str, ...]:
        """Return what speaks against judging an image, none where nothing does.

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
        found = [
            name
            for name, ranges in self._ranges.items()
            if any(_outside(float(statistics[key]), limits) for key, limits in ranges.items())
        ]
        if self._far["off_domain"](statistics):
            found.append("off_domain")
        elif self._far["unfamiliar_microscope"](statistics) or self._other_camera(statistics):
            found.append("unfamiliar_microscope")
        return tuple(found)

    def _other_camera(self, statistics: Statistics) -> bool:
        camera = statistics[CAMERA]
        return bool(self._cameras) and camera != UNKNOWN_CAMERA and camera not in self._cameras


FAR = ("off_domain", "unfamiliar_microscope")


class _Far:
    """Whether an image is farther from the usual than a limit."""

    def __init__(self, record: Json) -> None:
        self._names = [str(name) for name in record["features"]]
        self._fitted = tuple(
            np.asarray(record[key], dtype=np.float64) for key in ("centre", "scale", "precision")
        )
        self._limit = float(record["limit"])
        if unknown := set(self._names) - {*SMEAR, *MICROSCOPE}:
            raise ValueError(f"unknown features {sorted(unknown)}")
        count = len(self._names)
        if [part.shape for part in self._fitted] != [(count,), (count,), (count, count)]:
            raise ValueError(f"{count} features do not fit their statistics")

    def distance(self, statistics: Statistics) -> float:
        row = np.array([[statistics[name] for name in self._names]], dtype=np.float64)
        return float(_distances(row, *self._fitted)[0])

    def __call__(self, statistics: Statistics) -> bool:
        return not self.distance(statistics) <= self._limit


def _outside(value: float, limits: Sequence[float | None]) -> bool:
    low, high = limits
    return not ((low is None or value >= low) and (high is None or value <= high))
