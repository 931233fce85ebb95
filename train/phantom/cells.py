"""Draws the cells of a generated smear as stain densities. Imports numpy and Pillow only.

A canvas has three planes of optical density: eosin, the azure of nuclei and the blue of cytoplasm.
`smears` chooses the positions of the cells, and `optics` converts the planes to a photograph.
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
_WINDOW_RADII = 1.25  # half side of a cell's window: the outline's waves and the halo must fit in
_EDGE_UM = 0.32  # width of a drawn edge


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
        """Add patches to their planes. Parts outside the canvas are cut off.

        Parameters
        ----------
        patches : dict of int to (H, W) ndarray of float32
            Densities to add, by plane.
        x, y : int
            Position of the patches' top left corner, in pixels.
        cover : (H, W) ndarray of float32, optional
            Opacity, 0 to 1: the share of the existing densities that is removed first.
        """
        rows, columns = (cover if cover is not None else next(iter(patches.values()))).shape
        top, left = max(0, -y), max(0, -x)
        bottom, right = min(rows, self.height - y), min(columns, self.width - x)
        if bottom <= top or right <= left:
            return
        rows_in, columns_in = slice(y + top, y + bottom), slice(x + left, x + right)
        part = slice(top, bottom), slice(left, right)
        if cover is not None:
            self.planes[:, rows_in, columns_in] *= 1 - cover[part]
        for plane, patch in patches.items():
            self.planes[plane, rows_in, columns_in] += patch[part]


@dataclass(frozen=True)
class _Window:
    """A square around a cell."""

    z: NDArray[np.complex64]  # (S, S): each pixel's position x + iy from the cell's centre, pixels
    x: int  # position of the square's top left corner in the canvas, in pixels
    y: int


def _window(x: float, y: float, radius: float) -> _Window:
    half = int(np.ceil(radius * _WINDOW_RADII)) + 1
    left, top = round(x) - half, round(y) - half
    across = np.arange(2 * half + 1, dtype=np.float32)
    z = (across + np.float32(left - x + 1e-3)) + 1j * (across + np.float32(top - y))[:, None]
    return _Window(z.astype(np.complex64), left, top)


def _outline(z: NDArray[np.complex64], radius: float, waves: list[complex]) -> Floats:
    """Return the distance of each pixel from the centre, relative to the outline: 1 is the border.

    `waves` are the amplitude and phase of 2, 3, ... waves around the outline, relative to `radius`.
    """
    distance = np.abs(z)
    unit: NDArray[np.complex64] = (z / distance).astype(np.complex64, copy=False)
    power = unit
    radii = np.full(distance.shape, radius, np.float32)
    for amplitude in waves:
        power = (power * unit).astype(np.complex64, copy=False)
        radii += np.float32(radius) * (power * np.complex64(amplitude)).real.astype(
            np.float32, copy=False
        )
    return np.asarray(distance / radii, np.float32)


def _random_waves(rng: np.random.Generator, scale: float, count: int = 3) -> list[complex]:
    """Return random waves for `_outline`. Shorter waves have smaller amplitudes."""
    size = rng.normal(0, scale, count) / np.arange(1, count + 1)
    return list(size * np.exp(2j * np.pi * rng.random(count)))


def _edge(inside: Floats, px_per_um: float) -> Floats:
    """Return a mask with a soft edge, 0 to 1, from the distance inside the border in pixels."""
    width = max(1.2, _EDGE_UM * px_per_um)
    soft: Floats = np.clip(inside / np.float32(width) + np.float32(0.5), 0, 1)
    return soft


def grain(rng: np.random.Generator, shape: tuple[int, int], pitch: float) -> Floats:
    """Return smooth noise with mean 0, a standard deviation of about 1 and evenly spaced blobs.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (int, int)
        Height and width, in pixels.
    pitch : float
        Distance of the blobs, in pixels.

    Returns
    -------
    (height, width) ndarray of float32
    """
    rows, columns = (max(3, int(np.ceil(side / max(pitch, 1.0))) + 1) for side in shape)
    noise = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
    smooth = noise.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    blobs: Floats = np.asarray(smooth, np.float32) * np.float32(1.3)
    return blobs


def draw_erythrocyte(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, radius: float, pallor: float
) -> None:
    """Draw one red cell on the canvas: a biconcave disc, paler in the middle.

    Parameters
    ----------
    canvas : Canvas
    rng : numpy.random.Generator
    x, y, radius : float
        Centre and radius, in pixels.
    pallor : float
        How much paler the middle is, from 0 (not at all) to 1 (an empty ring).
    """
    window = _window(x, y, radius)
    distance = _outline(window.z, radius, _random_waves(rng, 0.045))
    shift = radius * 0.07 * (rng.normal() + 1j * rng.normal())
    dimple = np.abs(window.z - np.complex64(shift)) / np.float32(radius * rng.uniform(0.4, 0.52))
    mask = _edge((1 - distance) * np.float32(radius), canvas.px_per_um)
    density = mask * (1 - np.float32(pallor) * np.exp(-(dimple**4)))
    density += np.float32(0.12) * mask * np.exp(-(((distance - 0.88) / 0.1) ** 2))
    halo = np.exp(-(((distance - 1.07) / 0.045) ** 2))  # the bright ring around the cell
    density -= np.float32(0.1) * halo
    density *= np.float32(rng.normal(1.0, 0.07))
    canvas.stamp({EOSIN: density}, window.x, window.y)


def draw_platelet(canvas: Canvas, rng: np.random.Generator, x: float, y: float) -> None:
    """Draw one platelet on the canvas: small, lilac, granular and irregular. x and y in pixels."""
    radius = min(rng.gamma(6.0, 0.22), 3.5) * canvas.px_per_um
    window = _window(x, y, radius)
    distance = _outline(window.z, radius, _random_waves(rng, 0.14, 4))
    mask = _edge((1 - distance) * np.float32(radius), canvas.px_per_um)
    speckle = grain(rng, (mask.shape[0], mask.shape[1]), 0.5 * canvas.px_per_um)
    density = mask * np.clip(1 - distance * 0.45 + 0.3 * speckle, 0.1, 1.6)
    strength = np.float32(rng.uniform(0.3, 0.55))
    canvas.stamp({AZURE: density * strength, BLUE: mask * np.float32(0.3)}, window.x, window.y)


def draw_smudge(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, radius: float
) -> None:
    """Draw one burst nucleus on the canvas: ragged, without cytoplasm. Lengths in pixels."""
    window = _window(x, y, radius)
    distance = _outline(window.z, radius * 0.85, _random_waves(rng, 0.16, 6))
    shape = (distance.shape[0], distance.shape[1])
    ragged = distance + np.float32(0.08) * grain(rng, shape, 1.4 * canvas.px_per_um)
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
    """Return the depth of each pixel inside the nucleus, in pixels, negative outside.

    The border is placed so that the nucleus covers exactly its share of the cell, for any shape.
    """
    lobes = int(rng.integers(kind.lobes[0], kind.lobes[1] + 1))
    share = rng.uniform(*kind.nucleus_share)
    turn = np.exp(2j * np.pi * rng.random())
    if lobes == 1:
        off = radius * (1 - np.sqrt(share)) * rng.uniform(0.2, 0.8) * turn
        level = -_outline(window.z - np.complex64(off), 1.0, _random_waves(rng, 0.035))
        dent = _outline(window.z - np.complex64(off + radius * 1.05 * turn * 1j), 1.0, [])
        level -= np.float32(rng.uniform(0, 0.35)) * np.maximum(0, np.float32(radius * 0.6) - dent)
    else:
        spread = np.linspace(-1, 1, lobes) * rng.uniform(1.5, 2.0) if lobes > 2 else [-1.4, 1.4]
        reach = kind.lobe_distance * radius
        spots = [(reach * rng.uniform(0.85, 1.12)) * np.exp(1j * angle) * turn for angle in spread]
        # a smooth union: neighbouring lobes are connected by bridges
        pull = np.float32(6.5 / radius)
        total = np.zeros(window.z.shape, np.float32)
        for spot in spots:
            apart = _outline(window.z - np.complex64(spot), 1.0, _random_waves(rng, 0.06))
            total += np.exp(-apart * pull * np.float32(rng.uniform(0.92, 1.08)))
        level = np.log(total) / pull
    inside = level[cell > 0.5]
    rank = int(inside.size * (1 - share))
    depth: Floats = level - np.partition(inside, rank)[rank]
    return depth


def _chromatin(
    rng: np.random.Generator, window: _Window, kind: Leucocyte, depth: Floats, px_per_um: float
) -> Floats:
    """Return the azure density inside a nucleus: clumps, pale nucleoli and a darker membrane."""
    clumps = np.float32(kind.chromatin_contrast) * grain(
        rng, (depth.shape[0], depth.shape[1]), kind.chromatin_pitch_um * px_per_um
    )
    chromatin = np.clip(1 + clumps, 0.35, 1.6)
    for _ in range(int(rng.integers(kind.nucleoli[0], kind.nucleoli[1] + 1))):
        spot = 3.2 * px_per_um * np.sqrt(rng.random()) * np.exp(2j * np.pi * rng.random())
        pale = np.abs(window.z - np.complex64(spot)) / np.float32(rng.uniform(0.7, 1.1) * px_per_um)
        chromatin -= np.float32(0.22) * np.exp(-(pale**4))
    membrane = np.float32(0.16) * np.exp(-((depth / np.float32(0.6 * px_per_um)) ** 2))
    density: Floats = (chromatin + membrane) * np.float32(rng.uniform(*AZURE_DENSITY))
    return density


def draw_leucocyte(
    canvas: Canvas, rng: np.random.Generator, kind: Leucocyte, x: float, y: float, diameter: float
) -> tuple[Floats, Floats]:
    """Draw one white cell on the canvas. It covers what is already there.

    Parameters
    ----------
    canvas : Canvas
    rng : numpy.random.Generator
    kind : Leucocyte
    x, y, diameter : float
        Centre and diameter, in pixels.

    Returns
    -------
    cell, nucleus : (S, S) ndarray of float32
        Masks in a square around the centre, 0 to 1.
    """
    radius, scale = diameter / 2, canvas.px_per_um
    window = _window(x, y, radius)
    distance = _outline(window.z, radius, _random_waves(rng, 0.03))
    cell = _edge((1 - distance) * np.float32(radius), scale)
    shape = (cell.shape[0], cell.shape[1])
    depth = _nucleus(rng, window, radius, kind, cell)
    nucleus = _edge(depth, scale) * cell

    azure = nucleus * _chromatin(rng, window, kind, depth, scale)
    cytoplasm = cell * (1 - nucleus)
    cloud = 1 + np.float32(0.14) * grain(rng, shape, 1.6 * scale)
    deep = np.float32(0.6) + np.float32(0.5) * np.clip(distance, 0, 1) ** 3
    pink = np.float32(rng.uniform(*kind.cytoplasm_eosin))
    tint = np.float32(rng.uniform(*kind.cytoplasm_blue))
    eosin, blue = cytoplasm * cloud * pink, cytoplasm * cloud * deep * tint
    if max(kind.granules) > 0:
        specks = np.clip(grain(rng, shape, 0.45 * scale) * 0.7 + 0.35, 0, 1.6) * cytoplasm
        eosin += specks * np.float32(kind.granules[0])
        azure += specks * np.float32(kind.granules[1])
    canvas.stamp({EOSIN: eosin, AZURE: azure, BLUE: blue}, window.x, window.y, cover=cell)
    return cell, nucleus
