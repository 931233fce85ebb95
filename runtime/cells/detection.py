"""Finds the nucleated cells of a field.

The field is reduced until an erythrocyte has a fixed size, so that its magnification does not
matter. What is darker in the nuclear stain than a multiple of the erythrocytes' density is parted
into nuclei, and each nucleus is a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .background import background_colour, optical_density
from .body_joining import join_bodies
from .detection_settings import DetectionSettings
from .erythrocyte_scale import CLEAR, clear_diameter, erythrocyte_diameter, mean_of_nine
from .nuclear_stain import (
    FieldStain,
    are_erythrocytes,
    body_size,
    field_stain,
    nuclear_stain,
    provisional_nuclei,
    typical_stain,
    with_surroundings,
)
from .nuclei import Nuclei, find_nuclei
from .nucleus_measures import NucleusMeasures, measure_nuclei
from .nucleus_verdict import is_nucleus, is_smudge
from .types import Cell, Detection, ScaleSource

MeasureDiameter = Callable[[NDArray[np.float32], NDArray[np.bool_], float], float | None]

OVERVIEW = 640  # pixels on the longer side of the image in which the scale is measured
UNIT = 16.0  # pixels of an erythrocyte in the image in which nuclei are searched
# Diameter of a nucleus in erythrocyte diameters: the median over the cells of ALL-IDB1 is 1.2 on
# healthy fields and 1.5 on fields with blasts.
NUCLEUS_DIAMETER = 1.35
LARGEST_BODY = 1.6  # diameter of a purple erythrocyte, in median diameters of purple bodies
TOUCHING = 3.0  # diameter of a body over its width; a nucleus with lobes has up to 2.9
# A crop of one cell: its shorter side is below this many diameters of a nucleus, and nuclei with
# their surroundings cover this share of it. There the edges of lobes and granules vote too, so only
# clear circles are erythrocytes.
CROP_SIDE, CROP_COVERED = 8.0, 0.25
IMAGE_SHARE = 0.05  # of the longer side, where nothing tells the scale
WINDOW = 320  # pixels on the sides of a window of it
# Most pixels of an erythrocyte in a window; the overview would show a larger one.
LARGEST_MISSED = 24.0
SEARCHED_WHOLE = 1_500_000  # most pixels of a field whose erythrocytes are searched in one piece
MIN_SIDE = 8  # pixels of a picture that may show a cell
MAX_PIXELS = 4_000_000  # of the image in which nuclei are searched: it bounds time and memory


@dataclass(frozen=True)
class _Scale:
    """Diameter of an erythrocyte in pixels of the given image, and where it is from."""

    unit: float
    source: ScaleSource


@dataclass(frozen=True)
class StainedBodies:
    """The stained bodies of a field in the image in which they are searched.

    Parameters
    ----------
    nuclei : Nuclei
    measures : NucleusMeasures
    plane : (H, W) ndarray of float32
        Nuclear stain.
    searched : (H, W, 3) ndarray of uint8
    unit : float
        Diameter of an erythrocyte in its pixels.
    """

    nuclei: Nuclei
    measures: NucleusMeasures
    plane: NDArray[np.float32]
    searched: NDArray[np.uint8]
    unit: float


def detect_cells(rgb: NDArray[np.uint8], settings: DetectionSettings | None = None) -> Detection:
    """Return the nucleated cells of a field.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
        A field or a crop, at any magnification. At least 1200 pixels on the longer side are
        recommended for a field; more do not help.
    settings : DetectionSettings, optional

    Returns
    -------
    Detection
        Positions and lengths in pixels of `rgb`.

    Examples
    --------
    >>> import numpy as np
    >>> detect_cells(np.full((480, 640, 3), 230, np.uint8)).cells
    ()
    """
    settings = settings or DetectionSettings()
    stain, scale, bodies = _search(Image.fromarray(rgb), settings.min_stain)
    cells: list[Cell] = []
    if bodies is not None:
        candidates = np.flatnonzero(is_nucleus(bodies.measures, settings))
        joined = join_bodies(bodies.nuclei, bodies.measures, candidates, bodies.unit)
        if joined.count < bodies.nuclei.count:
            bodies = _measured(joined, bodies.plane, bodies.searched, stain, bodies.unit)
        pitch = (rgb.shape[1] / bodies.plane.shape[1], rgb.shape[0] / bodies.plane.shape[0])
        cells = _cells(bodies.measures, settings, pitch, scale.unit)
    return Detection(
        cells=tuple(cells[: settings.max_cells]),
        unit=scale.unit,
        unit_source=scale.source,
        background=stain.background,
        more=max(0, len(cells) - settings.max_cells),
    )


def stained_bodies(rgb: NDArray[np.uint8]) -> StainedBodies | None:
    """Return the stained bodies of a field, lobes joined, those of one cell not; None if too small.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    """
    return _search(Image.fromarray(rgb), DetectionSettings().min_stain)[2]


def _search(
    image: Image.Image, min_stain: float
) -> tuple[FieldStain, _Scale, StainedBodies | None]:
    """Return the colours, the scale and the stained bodies of a field."""
    stain, scale, overview, step = _measure_field(image)
    if min(image.size) < MIN_SIDE:
        return stain, scale, None
    factor = min(UNIT / scale.unit, 1.0, (MAX_PIXELS / (image.width * image.height)) ** 0.5)
    width, height = (max(1, round(side * factor)) for side in image.size)
    source = overview if factor * step <= 1 else image
    searched = np.asarray(source.resize((width, height), Image.Resampling.BILINEAR))
    plane = mean_of_nine(nuclear_stain(searched, stain))
    unit = scale.unit * factor
    nuclei = find_nuclei(plane, unit, min_stain)
    return stain, scale, _measured(nuclei, plane, searched, stain, unit)


def _measured(
    nuclei: Nuclei,
    plane: NDArray[np.float32],
    searched: NDArray[np.uint8],
    stain: FieldStain,
    unit: float,
) -> StainedBodies:
    measures = measure_nuclei(nuclei, plane, searched, stain.background, unit)
    return StainedBodies(nuclei, measures, plane, searched, unit)


def _measure_field(image: Image.Image) -> tuple[FieldStain, _Scale, Image.Image, int]:
    """Return the colours and the scale of a field, the reduced copy they are from and its step.

    Erythrocytes that are too small in the overview are looked for in the field itself. In a large
    one that is done in windows, less and less reduced: the votes are of a limited number of edge
    pixels, too few for each of thousands of erythrocytes, and would meet anywhere.
    """
    step = max(1, round(max(image.size) / OVERVIEW))
    overview = image.reduce(step) if step > 1 else image
    stain, scale = _measure_overview(np.asarray(overview), step)
    if scale.source == "erythrocytes" or step == 1:
        return stain, scale, overview, step
    if image.width * image.height <= SEARCHED_WHOLE:
        return *_measure_overview(np.asarray(image), 1), image, 1
    finer = step
    while finer > 1:
        finer = max(1, finer // 2)
        for window in _windows(image.size, WINDOW * finer):
            part = image.crop(window)
            seen = np.asarray(part.reduce(finer) if finer > 1 else part)
            colours, small = _measure_overview(seen, finer, clear_diameter)
            if small.source == "erythrocytes" and small.unit <= LARGEST_MISSED * finer:
                return colours, small, overview, step
    # the nuclei may be small, too
    step = int(np.ceil((image.width * image.height / MAX_PIXELS) ** 0.5))
    overview = image.reduce(step) if step > 1 else image
    return *_measure_overview(np.asarray(overview), step, _no_diameter), overview, step


def _no_diameter(*_: object) -> None:
    """Measure no erythrocyte."""


def _windows(size: tuple[int, int], side: int) -> list[tuple[int, int, int, int]]:
    """Return the window in the middle of a field, then those in the middle of its quarters."""
    windows = []
    for x, y in ((2, 2), (1, 1), (3, 1), (1, 3), (3, 3)):
        spans = [
            (max(0, min(round(whole * place / 4 - side / 2), whole - side)), whole)
            for whole, place in zip(size, (x, y), strict=True)
        ]
        (left, width), (top, height) = spans
        windows.append((left, top, min(left + side, width), min(top + side, height)))
    return list(dict.fromkeys(windows))


def _measure_overview(
    overview: NDArray[np.uint8], step: int, measure: MeasureDiameter = erythrocyte_diameter
) -> tuple[FieldStain, _Scale]:
    """Return the colours and the scale of a field, of which a reduced copy is given."""
    background = background_colour(overview[::2, ::2])
    density = optical_density(overview, background)
    nuclei = provisional_nuclei(density)
    stain = field_stain(density, nuclei, background)
    bodies = body_size(nuclei)
    diameter = None
    if min(overview.shape[:2]) >= MIN_SIDE:
        hidden = with_surroundings(nuclei, bodies.width) if bodies else nuclei
        if bodies and measure is erythrocyte_diameter:
            is_small = min(overview.shape[:2]) < CROP_SIDE * bodies.diameter
            if is_small and hidden.mean() > CROP_COVERED:
                measure = partial(erythrocyte_diameter, least=CLEAR)
        diameter = measure(density[1], hidden, stain.density)
        if diameter is None and step == 1 and are_erythrocytes(nuclei, density[1]):
            nuclei = np.zeros_like(nuclei)
            stain = field_stain(density, nuclei, background)
            diameter = measure(density[1], nuclei, stain.density)
            if diameter is not None and bodies and diameter > LARGEST_BODY * bodies.diameter:
                diameter = None
    if diameter is not None:
        return stain, _Scale(diameter * step, "erythrocytes")
    stain = typical_stain(background)  # what was taken for erythrocytes has none of their circles
    if bodies is not None:
        touch = bodies.diameter > TOUCHING * bodies.width
        nucleus = bodies.width if touch else bodies.diameter
        return stain, _Scale(nucleus / NUCLEUS_DIAMETER * step, "nuclei")
    return stain, _Scale(IMAGE_SHARE * max(overview.shape) * step, "none")


def _cells(
    measures: NucleusMeasures,
    settings: DetectionSettings,
    pitch: tuple[float, float],
    unit: float,
) -> list[Cell]:
    """Return the cells among the stained bodies, in pixels of the given image, in reading order."""
    smudge = is_smudge(measures)
    cells = []
    for i in np.flatnonzero(is_nucleus(measures, settings)):
        flags = ("clipped",) * bool(measures.is_clipped[i]) + ("smudge",) * bool(smudge[i])
        x, y = (
            (place[i] + 0.5) * p - 0.5
            for place, p in zip((measures.x, measures.y), pitch, strict=True)
        )
        cells.append(Cell(float(x), float(y), float(measures.radius[i] * unit), flags))
    return sorted(cells, key=lambda cell: (cell.y, cell.x))
