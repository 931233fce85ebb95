"""Draws the unusual fields, from the cells of the generated smears."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....train.phantom.cell_kinds import BLAST, LYMPHOCYTE, Leucocyte
from ....train.phantom.cells import (
    ERYTHROCYTE_UM,
    Canvas,
    draw_erythrocyte,
    draw_leucocyte,
    draw_platelet,
    draw_smudge,
)
from ....train.phantom.optics import CAMERAS, photograph

Place = tuple[float, float]

WIDTH, HEIGHT = 900, 700
PX_PER_UM = 8.0
ERYTHROCYTE = ERYTHROCYTE_UM * PX_PER_UM  # diameter in pixels
GRID = tuple((x, y) for y in (120.0, 350.0, 580.0) for x in (150.0, 450.0, 750.0))
# Optical density in red, green and blue. Beside the erythrocytes of the field it has the hue and
# the strength of the smudge cells of ALL-IDB1's Canon camera: redder and paler than nuclei.
PALE_SMUDGE = np.array([0.27, 1.0, 0.1])
PALE_RADIUS = 45.0  # pixels


def empty_field(*, platelets: int = 0, keep_free: Sequence[Place] = ()) -> Image.Image:
    """Return a field of erythrocytes, and platelets, none near the places to be kept free."""
    canvas, rng = _canvas_of_erythrocytes(keep_free)
    for _ in range(platelets):
        draw_platelet(canvas, rng, rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT))
    return photograph(rng, canvas, CAMERAS[0])


def field_of(kind: Leucocyte, places: Sequence[Place] = GRID) -> Image.Image:
    """Return a field with leucocytes of one kind at given places."""
    canvas, rng = _canvas_of_erythrocytes(places)
    for x, y in places:
        draw_leucocyte(canvas, rng, kind, x, y, PX_PER_UM * float(np.mean(kind.diameter_um)))
    return photograph(rng, canvas, CAMERAS[0])


def pale_smudges() -> Image.Image:
    """Return a field with no nucleus but smudge cells that are redder and paler than nuclei."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    density = np.zeros((HEIGHT, WIDTH))
    for column, row in GRID:
        distance = np.hypot(x - column, y - row) / PALE_RADIUS
        density = np.maximum(density, np.clip((1 - distance) * 4, 0, 1))
    field = np.asarray(empty_field(keep_free=GRID))
    return Image.fromarray((field * np.exp(-density[..., None] * PALE_SMUDGE)).astype(np.uint8))


def dark_smudges() -> Image.Image:
    """Return a field with no nucleus but smudge cells that have the stain of nuclei."""
    canvas, rng = _canvas_of_erythrocytes(GRID)
    for x, y in GRID:
        draw_smudge(canvas, rng, x, y, 6 * PX_PER_UM)
    return photograph(rng, canvas, CAMERAS[0])


def giant_cell() -> Image.Image:
    """Return a field that one blast of about 1,500 pixels fills."""
    px_per_um = 30.0
    canvas, rng = Canvas(600, 600, px_per_um), np.random.default_rng(0)
    draw_leucocyte(canvas, rng, BLAST, 300, 300, px_per_um * float(np.mean(BLAST.diameter_um)))
    return photograph(rng, canvas, CAMERAS[0]).resize((1940, 1940), Image.Resampling.BICUBIC)


def crop_of_one_cell() -> Image.Image:
    """Return 257 x 257 pixels around one blast."""
    x, y = GRID[4]
    box = (round(x) - 100, round(y) - 100, round(x) + 100, round(y) + 100)
    return field_of(BLAST).crop(box).resize((257, 257), Image.Resampling.BICUBIC)


def thousands_of_cells() -> Image.Image:
    """Return a field of 8,000 x 4,000 pixels with 5,000 lymphocytes, by repeating one of them."""
    canvas, rng = Canvas(160, 160, PX_PER_UM), np.random.default_rng(0)
    for x, y in ((20, 20), (140, 20), (20, 140), (140, 140)):
        draw_erythrocyte(canvas, rng, x, y, ERYTHROCYTE / 2, 0.4)
    draw_leucocyte(canvas, rng, LYMPHOCYTE, 80, 80, PX_PER_UM * 8)
    tile = photograph(rng, canvas, CAMERAS[0]).resize((80, 80), Image.Resampling.BICUBIC)
    return Image.fromarray(np.tile(np.asarray(tile), (50, 100, 1)))


def many_megapixels() -> Image.Image:
    """Return a field of 60 megapixels, 10,800 x 5,600 pixels, by repeating one of 9 cells."""
    return Image.fromarray(np.tile(np.asarray(field_of(LYMPHOCYTE)), (8, 12, 1)))


DRAWINGS: Mapping[str, Callable[[], Image.Image]] = {
    "erythrocytes and platelets only": lambda: empty_field(platelets=30),
    "smudge cells only, redder and paler than nuclei": pale_smudges,
    "smudge cells only, with the stain of nuclei": dark_smudges,
    "one giant cell, 1,500 pixels wide": giant_cell,
    "a crop of one cell, as a field": crop_of_one_cell,
    "5,000 cells, 8,000 x 4,000 pixels": thousands_of_cells,
    "60 megapixels, 864 cells": many_megapixels,
}


def write_fields(folder: Path) -> None:
    """Write each drawing as a JPEG file that is named by its number."""
    for number, draw in enumerate(DRAWINGS.values()):
        draw().save(folder / f"{number}.jpg", quality=92)


def _canvas_of_erythrocytes(keep_free: Sequence[Place]) -> tuple[Canvas, np.random.Generator]:
    """Return a canvas on which erythrocytes cover about a third, and the generator to go on with.

    They lie on a shaken grid.
    """
    rng, canvas = np.random.default_rng(0), Canvas(WIDTH, HEIGHT, PX_PER_UM)
    free: NDArray[np.float64] = np.array(keep_free, dtype=np.float64).reshape(-1, 2)
    pitch = 1.5 * ERYTHROCYTE
    for row in np.arange(pitch / 2, HEIGHT, pitch):
        for column in np.arange(pitch / 2, WIDTH, pitch):
            x, y = np.array([column, row]) + rng.uniform(-0.2, 0.2, 2) * ERYTHROCYTE
            if np.all(np.hypot(*(free - (x, y)).T) > 1.4 * ERYTHROCYTE):
                draw_erythrocyte(canvas, rng, x, y, ERYTHROCYTE / 2 * rng.uniform(0.95, 1.05), 0.4)
    return canvas, rng
