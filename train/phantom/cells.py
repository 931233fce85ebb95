"""The cells of a generated smear, drawn as stain densities; numpy and Pillow only.

Everything is laid on three planes of optical density (eosin, azure of the nuclei, blue of the
cytoplasm); `alledge.train.phantom` places the cells and turns the planes into light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .cell_kinds import AZURE_DENSITY, Leucocyte

Floats = NDArray[np.float32]

EOSIN, AZURE, BLUE = range(3)  # planes of a canvas
ERYTHROCYTE_UM = 7.4  # mean diameter
_REACH = 1.25  # a cell's window, in radii: the outline's bumps and the halo must fit
_SUPPORT_UM = 0.32  # width of a drawn edge


class Canvas:
    """Three planes of stain density.

    Parameters
    ----------
    width, height : int
        Pixels.
    px_per_um : float
    """

    def __init__(self, width: int, height: int, px_per_um: float) -> None:
        self.planes: Floats = np.zeros((3, height, width), np.float32)
        self.px_per_um = px_per_um

    @property
    def width(self) -> int:
        return int(self.planes.shape[2])

    @property
    def height(self) -> int:
        return int(self.planes.shape[1])

    def stamp(
        self, patches: dict[int, Floats], x: int, y: int, cover: Floats | None = None
    ) -> None:
        """Add patches to their planes with the top left corner at (x, y), clipped.

        Where `cover` is 1 nothing that lay below is seen.
        """
        rows, columns = (cover if cover is not None else next(iter(patches.values()))).shape
        top, left = max(0, -y), max(0, -x)
        bottom, right = min(rows, self.height - y), min(columns, self.width - x)
        if bottom <= top or right <= left:
            return
        here = slice(y + top, y + bottom), slice(x + left, x + right)
        part = slice(top, bottom), slice(left, right)
        if cover is not None:
            self.planes[:, here[0], here[1]] *= 1 - cover[part]
        for plane, patch in patches.items():
            self.planes[plane][here] += patch[part]


@dataclass(frozen=True)
class _Window:
    """A square around a cell: coordinates from the cell's centre as complex numbers, in pixels."""

    z: NDArray[np.complex64]
    x: int
    y: int


def _window(x: float, y: float, radius: float) -> _Window:
    half = int(np.ceil(radius * _REACH)) + 1
    left, top = round(x) - half, round(y) - half
    across = np.arange(2 * half + 1, dtype=np.float32)
    z = (across + np.float32(left - x + 1e-3)) + 1j * (across + np.float32(top - y))[:, None]
    return _Window(z.astype(np.complex64), left, top)


def _outline(z: NDArray[np.complex64], radius: float, bumps: list[complex]) -> Floats:
    """Return the distance from the centre in units of the outline's radius: 1 is the border.

    `bumps` are amplitudes (with phase) of 2, 3, … waves around the outline.
    """
    distance = np.abs(z)
    unit: NDArray[np.complex64] = (z / distance).astype(np.complex64, copy=False)
    wave = unit
    radii = np.full(distance.shape, radius, np.float32)
    for amplitude in bumps:
        wave = (wave * unit).astype(np.complex64, copy=False)
        radii += np.float32(radius) * (wave * np.complex64(amplitude)).real.astype(
            np.float32, copy=False
        )
    return np.asarray(distance / radii, np.float32)


def _bumps(rng: np.random.Generator, scale: float, count: int = 3) -> list[complex]:
    """Return random waves for `_outline`, smaller the shorter they are."""
    size = rng.normal(0, scale, count) / np.arange(1, count + 1)
    return list(size * np.exp(2j * np.pi * rng.random(count)))


def _edge(inside: Floats, px_per_um: float) -> Floats:
    """Return a soft mask of a distance map in pixels, positive inside."""
    width = max(1.2, _SUPPORT_UM * px_per_um)
    soft: Floats = np.clip(inside / np.float32(width) + np.float32(0.5), 0, 1)
    return soft


def grain(rng: np.random.Generator, shape: tuple[int, int], pitch: float) -> Floats:
    """Return smooth noise of mean 0 and about unit deviation, with blobs `pitch` pixels apart."""
    rows, columns = (max(3, int(np.ceil(side / max(pitch, 1.0))) + 1) for side in shape)
    noise = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
    smooth = noise.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    blobs: Floats = np.asarray(smooth, np.float32) * np.float32(1.3)
    return blobs


def draw_erythrocyte(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, radius: float, pallor: float
) -> None:
    """Lay one red cell on the canvas: a biconcave disc, paler in the middle.

    Parameters
    ----------
    canvas : Canvas
    rng : numpy.random.Generator
    x, y, radius : float
        Pixels.
    pallor : float
        0 (none) to 1 (an empty ring).
    """
    window = _window(x, y, radius)
    u = _outline(window.z, radius, _bumps(rng, 0.045))
    shift = radius * 0.07 * (rng.normal() + 1j * rng.normal())
    dimple = np.abs(window.z - np.complex64(shift)) / np.float32(radius * rng.uniform(0.4, 0.52))
    mask = _edge((1 - u) * np.float32(radius), canvas.px_per_um)
    density = mask * (1 - np.float32(pallor) * np.exp(-(dimple**4)))
    density += np.float32(0.12) * mask * np.exp(-(((u - 0.88) / 0.1) ** 2))
    density -= np.float32(0.1) * np.exp(-(((u - 1.07) / 0.045) ** 2))  # the bright halo around
    density *= np.float32(rng.normal(1.0, 0.07))
    canvas.stamp({EOSIN: density}, window.x, window.y)


def draw_platelet(canvas: Canvas, rng: np.random.Generator, x: float, y: float) -> None:
    """Lay one platelet on the canvas: small, lilac, granular, irregular."""
    radius = min(rng.gamma(6.0, 0.22), 3.5) * canvas.px_per_um
    window = _window(x, y, radius)
    u = _outline(window.z, radius, _bumps(rng, 0.14, 4))
    mask = _edge((1 - u) * np.float32(radius), canvas.px_per_um)
    speckle = grain(rng, (mask.shape[0], mask.shape[1]), 0.5 * canvas.px_per_um)
    density = mask * np.clip(1 - u * 0.45 + 0.3 * speckle, 0.1, 1.6)
    strength = np.float32(rng.uniform(0.3, 0.55))
    canvas.stamp({AZURE: density * strength, BLUE: mask * np.float32(0.3)}, window.x, window.y)


def draw_smudge(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, radius: float
) -> None:
    """Lay one burst nucleus on the canvas: ragged, streaked, without a cytoplasm."""
    window = _window(x, y, radius)
    u = _outline(window.z, radius * 0.85, _bumps(rng, 0.16, 6))
    shape = (u.shape[0], u.shape[1])
    ragged = u + np.float32(0.08) * grain(rng, shape, 1.4 * canvas.px_per_um)
    mask = np.clip((1 - ragged) * 4, 0, 1)
    streaks = grain(rng, shape, 1.2 * canvas.px_per_um)
    density = mask * np.clip(rng.uniform(0.45, 1.0) * (1 + 0.25 * streaks), 0.05, 1.2)
    pink = mask * np.float32(0.25)
    canvas.stamp(
        {AZURE: density.astype(np.float32), EOSIN: pink}, window.x, window.y, cover=mask * 0.8
    )


def _nucleus(
    rng: np.random.Generator, window: _Window, radius: float, kind: Leucocyte, cell: Floats
) -> Floats:
    """Return how far inside the nucleus every pixel lies, in pixels.

    The border is put where the nucleus covers exactly its share of the cell, whatever its shape.
    """
    lobes = int(rng.integers(kind.lobes[0], kind.lobes[1] + 1))
    share = rng.uniform(*kind.nucleus)
    turn = np.exp(2j * np.pi * rng.random())
    if lobes == 1:
        off = radius * (1 - np.sqrt(share)) * rng.uniform(0.2, 0.8) * turn
        level = -_outline(window.z - np.complex64(off), 1.0, _bumps(rng, 0.035))
        dent = _outline(window.z - np.complex64(off + radius * 1.05 * turn * 1j), 1.0, [])
        level -= np.float32(rng.uniform(0, 0.35)) * np.maximum(0, np.float32(radius * 0.6) - dent)
    else:
        spread = np.linspace(-1, 1, lobes) * rng.uniform(1.5, 2.0) if lobes > 2 else [-1.4, 1.4]
        size = kind.bend * radius
        spots = [(size * rng.uniform(0.85, 1.12)) * np.exp(1j * angle) * turn for angle in spread]
        # smooth union: neighbouring lobes grow bridges towards each other
        pull = np.float32(6.5 / radius)
        total = np.zeros(window.z.shape, np.float32)
        for spot in spots:
            apart = _outline(window.z - np.complex64(spot), 1.0, _bumps(rng, 0.06))
            total += np.exp(-apart * pull * np.float32(rng.uniform(0.92, 1.08)))
        level = np.log(total) / pull
    inside = level[cell > 0.5]
    at = int(inside.size * (1 - share))
    border = np.partition(inside, at)[at]
    inwards: Floats = level - border
    return inwards


def _chromatin(
    rng: np.random.Generator, window: _Window, kind: Leucocyte, level: Floats, scale: float
) -> Floats:
    """Return the azure density inside a nucleus: clumps, pale nucleoli, a darker membrane."""
    clumps = np.float32(kind.chromatin) * grain(
        rng, (level.shape[0], level.shape[1]), kind.grain_um * scale
    )
    chromatin = np.clip(1 + clumps, 0.35, 1.6)
    for _ in range(int(rng.integers(kind.nucleoli[0], kind.nucleoli[1] + 1))):
        spot = 3.2 * scale * np.sqrt(rng.random()) * np.exp(2j * np.pi * rng.random())
        pale = np.abs(window.z - np.complex64(spot)) / np.float32(rng.uniform(0.7, 1.1) * scale)
        chromatin -= np.float32(0.22) * np.exp(-(pale**4))
    rim = np.float32(0.16) * np.exp(-((level / np.float32(0.6 * scale)) ** 2))
    painted: Floats = (chromatin + rim) * np.float32(rng.uniform(*AZURE_DENSITY))
    return painted


def draw_leucocyte(
    canvas: Canvas, rng: np.random.Generator, kind: Leucocyte, x: float, y: float, diameter: float
) -> tuple[Floats, Floats]:
    """Lay one white cell on the canvas, over whatever lies there.

    Parameters
    ----------
    canvas : Canvas
    rng : numpy.random.Generator
    kind : Leucocyte
    x, y, diameter : float
        Pixels.

    Returns
    -------
    cell, nucleus : (S, S) ndarray of float32, 0 to 1
        Masks in a square around the centre.
    """
    radius, scale = diameter / 2, canvas.px_per_um
    window = _window(x, y, radius)
    u = _outline(window.z, radius, _bumps(rng, 0.03))
    cell = _edge((1 - u) * np.float32(radius), scale)
    shape = (cell.shape[0], cell.shape[1])
    level = _nucleus(rng, window, radius, kind, cell)
    nucleus = _edge(level, scale) * cell

    azure = nucleus * _chromatin(rng, window, kind, level, scale)
    cytoplasm = cell * (1 - nucleus)
    cloud = 1 + np.float32(0.14) * grain(rng, shape, 1.6 * scale)
    deep = np.float32(0.6) + np.float32(0.5) * np.clip(u, 0, 1) ** 3
    pink, blue = np.float32(rng.uniform(*kind.pink)), np.float32(rng.uniform(*kind.blue))
    eosin, tint = cytoplasm * cloud * pink, cytoplasm * cloud * deep * blue
    if max(kind.granules) > 0:
        specks = np.clip(grain(rng, shape, 0.45 * scale) * 0.7 + 0.35, 0, 1.6) * cytoplasm
        eosin += specks * np.float32(kind.granules[0])
        azure += specks * np.float32(kind.granules[1])
    canvas.stamp({EOSIN: eosin, AZURE: azure, BLUE: tint}, window.x, window.y, cover=cell)
    return cell, nucleus
