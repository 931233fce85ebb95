"""Separates the stain of nuclei from the colour of the field's own erythrocytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .background import Colour, density_tables, look_up
from .components import label_components
from .distance import distance_transform

Floats = NDArray[np.float32]

# Optical density of azure in red, green and blue, as a unit vector: the mean of the nuclei of
# ALL-IDB1 (both cameras) and of the Barcelona set.
NUCLEUS = np.array([0.42, 0.90, 0.10]) / np.linalg.norm([0.42, 0.90, 0.10])
ERYTHROCYTE = np.array([0.35, 0.72, 0.60])  # where a field has none
MAX_COSINE = 0.96  # of both colours, for telling them apart
TYPICAL_DENSITY, DENSITY_RANGE = 0.2, (0.1, 0.6)  # green density of erythrocytes
MIN_DENSITY = 0.08  # green density of what is not background
MIN_PIXELS, MIN_SHARE = 16, 0.01  # of erythrocytes, for taking their colour from the field
MANY = 40  # purple bodies of a field whose erythrocytes are not found elsewhere
# Most green density of a purple erythrocyte. Erythrocytes of ALL-IDB1 have at most 0.33, and the
# nuclei of each of its fields with blasts at least 0.80 (medians over a field).
DARKEST = 0.75
COARSE = 2  # reduction of the image in which inscribed circles are measured
ROUNDNESS = 1.3  # most of a nucleus' diameter by area over that of its inscribed circle
SURROUNDINGS = 0.6  # width of the cell body around a nucleus, in radii of the nucleus
SAMPLE = 20_000  # pixels that a median is taken of
PURPLE, RED = 0.3, 0.2  # least densities of a provisional nucleus


@dataclass(frozen=True)
class FieldStain:
    """The colours of a field.

    Parameters
    ----------
    background : tuple of float
        Red, green and blue of what absorbs nothing.
    erythrocyte : tuple of float
        Unit vector of the erythrocytes' optical density in red, green and blue.
    density : float
        Green density of the erythrocytes, > 0: what the nuclear stain is compared with.
    """

    background: Colour
    erythrocyte: Colour
    density: float


def provisional_nuclei(density: Floats) -> NDArray[np.bool_]:
    """Return where a pixel is purple without doubt, before the erythrocytes' colour is known."""
    return np.asarray((density[1] - density[2] > PURPLE) & (density[0] > RED))


def typical_stain(background: Colour) -> FieldStain:
    """Return the colours of a field whose erythrocytes are not known."""
    red, green, blue = (float(value) for value in ERYTHROCYTE / np.linalg.norm(ERYTHROCYTE))
    return FieldStain(background, (red, green, blue), TYPICAL_DENSITY)


@dataclass(frozen=True)
class BodySize:
    """The size of the larger provisional nuclei, in pixels; touching nuclei are one body.

    Parameters
    ----------
    diameter : float
        Median diameter of the circle with the area of a body.
    width : float
        The same, but of each body at most `ROUNDNESS` times the diameter of its inscribed circle:
        about that of one nucleus where nuclei touch, and too small for one with lobes.
    """

    diameter: float
    width: float


def body_size(nuclei: NDArray[np.bool_]) -> BodySize | None:
    """Return the size of the larger nuclei; None where there are none."""
    labels, count = label_components(nuclei)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    is_body = sizes >= MIN_PIXELS
    if not is_body.any():
        return None
    diameters = 2 * np.sqrt(sizes / np.pi)
    reduced = np.asarray(Image.fromarray(nuclei.astype(np.uint8) * 255).reduce(COARSE)) > 127
    rows, columns = np.divmod(np.flatnonzero(reduced), reduced.shape[1])
    distance = distance_transform(reduced, int(diameters.max() / COARSE) + 1)[rows, columns]
    inscribed = np.full(count + 1, MIN_PIXELS**0.5)
    np.maximum.at(inscribed, labels[rows * COARSE, columns * COARSE], 2 * COARSE * distance)
    widths = np.minimum(diameters, ROUNDNESS * inscribed)
    return BodySize(_median_of_large(diameters[is_body]), _median_of_large(widths[is_body]))


def _median_of_large(diameters: NDArray[np.float64]) -> float:
    return float(np.median(diameters[diameters >= diameters.max() / 2]))


def are_erythrocytes(nuclei: NDArray[np.bool_], green: Floats) -> bool:
    """Return whether provisional nuclei are purple erythrocytes: they are many, and not dark.

    Parameters
    ----------
    nuclei : (H, W) ndarray of bool
    green : (H, W) ndarray of float32
        Optical density.
    """
    labels, count = label_components(nuclei)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    are_many = np.count_nonzero(sizes >= MIN_PIXELS) >= MANY
    return bool(are_many and np.median(green[nuclei]) <= DARKEST)


def with_surroundings(nuclei: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    """Return the nuclei with their surroundings, where the bodies of their cells may be.

    Parameters
    ----------
    nuclei : (H, W) ndarray of bool
    width : float
        Of one nucleus in pixels, see `BodySize`.
    """
    image = Image.fromarray(nuclei.astype(np.uint8) * 255)
    return np.asarray(image.filter(ImageFilter.BoxBlur(SURROUNDINGS * width / 2))) > 0


def field_stain(density: Floats, nuclei: NDArray[np.bool_], background: Colour) -> FieldStain:
    """Return the colours of a field, from what is neither background nor nucleus.

    Parameters
    ----------
    density : (3, H, W) ndarray of float32
    nuclei : (H, W) ndarray of bool
        See `provisional_nuclei`.
    background : tuple of float
    """
    stained = (density[1] > MIN_DENSITY) & ~nuclei
    places = np.flatnonzero(stained)
    unit, green = ERYTHROCYTE / np.linalg.norm(ERYTHROCYTE), TYPICAL_DENSITY
    if len(places) >= max(MIN_PIXELS, MIN_SHARE * stained.size):
        places = places[:: len(places) // SAMPLE + 1]
        colour = np.maximum(np.median(density.reshape(3, -1)[:, places], axis=1), 0)
        green = float(np.clip(colour[1], *DENSITY_RANGE))
        if NUCLEUS @ colour < MAX_COSINE * np.linalg.norm(colour):
            unit = colour / np.linalg.norm(colour)
    return FieldStain(background, (float(unit[0]), float(unit[1]), float(unit[2])), green)


def nuclear_stain(rgb: NDArray[np.uint8], stain: FieldStain) -> Floats:
    """Return the amount of nuclear stain of every pixel.

    The density of a pixel is taken as a sum of two colours, that of a nucleus and that of the
    field's erythrocytes; the erythrocytes' part is left out.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    stain : FieldStain

    Returns
    -------
    (H, W) ndarray of float32
        Green density of the nuclear part over that of an erythrocyte: about 0 on background and
        erythrocytes, 2 or more in most nuclei.
    """
    erythrocyte = np.array(stain.erythrocyte)
    weights = NUCLEUS - (NUCLEUS @ erythrocyte) * erythrocyte
    weights *= NUCLEUS[1] / (NUCLEUS @ weights) / stain.density
    tables = density_tables(stain.background) * weights[:, None].astype(np.float32)
    return np.asarray(look_up(tables, rgb).sum(axis=0), np.float32)
