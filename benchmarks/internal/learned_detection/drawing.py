"""Draws fields with the truth of every leucocyte and smudge, for the network of bodies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ....runtime.types import RGB
from ....train.phantom.cell_kinds import BLAST, NORMAL, Leucocyte
from ....train.phantom.cells import (
    ERYTHROCYTE_UM,
    Canvas,
    draw_erythrocyte,
    draw_leucocyte,
    draw_platelet,
    draw_smudge,
)
from ....train.phantom.optics import CAMERAS, photograph

Points = NDArray[np.float64]

SIDES = (300, 420)  # pixels of a field
ERYTHROCYTE_PIXELS = (18.0, 34.0)
MOST_CELLS, MOST_SMUDGES, MOST_PLATELETS = 9, 3, 6
NEIGHBOUR = 0.35  # share of the leucocytes that touch the one before
TRIES = 40


def drawn_field(seed: int, index: int) -> tuple[RGB, Points, Points]:
    """Return a drawn field, the centres of its leucocytes and those of its smudges.

    Parameters
    ----------
    seed, index : int
        >= 0. The same arguments give the same field.

    Returns
    -------
    rgb : (H, W, 3) ndarray of uint8
    bodies, smudges : (N, 2) ndarray of float
        In pixels.
    """
    rng = np.random.default_rng([seed, index])
    width, height = (int(side) for side in rng.integers(*SIDES, 2))
    canvas = Canvas(width, height, float(rng.uniform(*ERYTHROCYTE_PIXELS)) / ERYTHROCYTE_UM)
    kinds, occupied = _place_leucocytes(rng, canvas)
    count = len(kinds)
    for _ in range(int(rng.integers(MOST_SMUDGES + 1))):
        radius = float(rng.uniform(4.0, 8.0)) * canvas.px_per_um
        x, y = rng.uniform(0, (width, height))
        occupied = _add(occupied, x, y, radius)
    smudges = occupied[count:]
    for x, y, radius in smudges:
        draw_smudge(canvas, rng, x, y, radius)
    _draw_erythrocytes(rng, canvas, occupied)
    for _ in range(int(rng.integers(MOST_PLATELETS + 1))):
        draw_platelet(canvas, rng, rng.uniform(0, width), rng.uniform(0, height))
    for kind, (x, y, radius) in zip(kinds, occupied, strict=False):
        draw_leucocyte(canvas, rng, kind, x, y, 2 * radius)
    light = np.clip(rng.normal(210, 22, 3), 150, 250)
    camera = replace(
        CAMERAS[int(rng.integers(len(CAMERAS)))],
        light=(float(light[0]), float(light[1]), float(light[2])),
        gamma=float(rng.uniform(0.8, 1.25)),
        blur_px=float(rng.uniform(0.4, 2.0)),
    )
    image = np.asarray(photograph(rng, canvas, camera))
    return image, occupied[:count, :2], smudges[:, :2]


def _place_leucocytes(rng: np.random.Generator, canvas: Canvas) -> tuple[list[Leucocyte], Points]:
    """Return the kinds of the leucocytes of a field, and their centres and radii in pixels."""
    normal = list(NORMAL)
    blast_share = float(rng.choice([0.0, 0.5, 0.9]))
    kinds: list[Leucocyte] = []
    occupied = np.zeros((0, 3))
    for _ in range(int(rng.integers(MOST_CELLS + 1))):
        kind = BLAST if rng.random() < blast_share else normal[int(rng.integers(len(normal)))]
        radius = float(rng.uniform(*kind.diameter_um)) / 2 * canvas.px_per_um
        x, y = rng.uniform(0, (canvas.width, canvas.height))
        if len(occupied) and rng.random() < NEIGHBOUR:
            turn = rng.uniform(0, 2 * np.pi)
            apart = (occupied[-1, 2] + radius) * rng.uniform(0.92, 1.05)
            x, y = occupied[-1, :2] + apart * np.array([np.cos(turn), np.sin(turn)])
        more = _add(occupied, x, y, radius)
        if len(more) > len(occupied) and 0 <= x < canvas.width and 0 <= y < canvas.height:
            kinds.append(kind)
            occupied = more
    return kinds, occupied


def _add(occupied: Points, x: float, y: float, radius: float) -> Points:
    """Return the places with one more, if it covers none of them."""
    apart = np.hypot(occupied[:, 0] - x, occupied[:, 1] - y)
    if np.any(apart < 0.9 * (occupied[:, 2] + radius)):
        return occupied
    return np.vstack([occupied, (x, y, radius)])


def _draw_erythrocytes(rng: np.random.Generator, canvas: Canvas, occupied: Points) -> None:
    """Draw erythrocytes where no leucocyte is; some overlap."""
    radius = ERYTHROCYTE_UM / 2 * canvas.px_per_um
    pallor, overlap = rng.uniform(0.1, 0.75), rng.uniform(1.3, 2.1)
    count = int(rng.uniform(0.05, 0.7) * canvas.width * canvas.height / (np.pi * radius**2))
    red = np.zeros((0, 2))
    for _ in range(count):
        for x, y in rng.uniform((0, 0), (canvas.width, canvas.height), (TRIES // 4, 2)):
            free = np.hypot(occupied[:, 0] - x, occupied[:, 1] - y) > occupied[:, 2] + 0.8 * radius
            apart = np.hypot(red[:, 0] - x, red[:, 1] - y)
            if np.all(free) and np.all(apart > overlap * radius):
                red = np.vstack([red, (x, y)])
                size = radius * float(np.clip(rng.normal(1, 0.07), 0.8, 1.2))
                draw_erythrocyte(canvas, rng, x, y, size, float(np.clip(pallor, 0, 0.95)))
                break
