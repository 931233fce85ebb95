"""Training patches: a random part of a field at a random scale, turn, stain and blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .network import MAPS, PITCH

Floats = NDArray[np.float32]
Points = NDArray[np.float64]

SIDE = 96  # pixels of a patch
SCALES = (0.72, 1.4)  # of a patch to the field
ON_A_BODY = 0.65  # share of the patches that show a named body
SIGMA = 0.23  # of a peak, in erythrocyte diameters
SHARP, REDUCTIONS = 0.6, (1.2, 2.2)  # share of the patches that are not blurred; of the others
UNKNOWN = 1.2  # radius without weight around what is not known, in erythrocyte diameters


@dataclass(frozen=True)
class BodySample:
    """A field with known bodies; lengths in its pixels.

    Parameters
    ----------
    density : (H, W, 3) ndarray of float32
        log(1 + optical density in densities of an erythrocyte).
    bodies, others : (N, 2) ndarray of float
        Centres of leucocytes, and of other stained bodies.
    unknown : (M, 2) ndarray of float
        Centres of what may be either.
    """

    density: Floats
    bodies: Points
    others: Points
    unknown: Points


def random_patch(
    rng: np.random.Generator, sample: BodySample, unit: float
) -> tuple[Floats, Floats, Floats]:
    """Return a patch, its maps and the weight of each of their pixels.

    Parameters
    ----------
    rng : numpy.random.Generator
    sample : BodySample
    unit : float
        Pixels of an erythrocyte in a sample.

    Returns
    -------
    patch : (96, 96, 3) ndarray of float32
    maps : (48, 48, 2) ndarray of float32
        1 at a centre, less around it.
    weight : (48, 48) ndarray of float32
        0 where it is not known what is there.
    """
    height, width = sample.density.shape[:2]
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    side = SIDE / scale
    named = np.concatenate([sample.bodies, sample.others])
    if len(named) and rng.random() < ON_A_BODY:
        middle = named[rng.integers(len(named))] + rng.uniform(-0.4, 0.4, 2) * side
    else:
        middle = rng.uniform((0, 0), (width, height))
    corner = middle - side / 2
    turn = rng.integers(2, size=3)

    def moved(places: Points) -> Points:
        places = (places - corner + 0.5) * scale - 0.5
        for axis in (0, 1):
            if turn[axis]:
                places[:, axis] = SIDE - 1 - places[:, axis]
        return places[:, ::-1] if turn[2] else places

    box = (*corner, *(corner + side))
    planes = []
    # a part that is drawn smaller and enlarged again is blurred
    drawn = SIDE if rng.random() < SHARP else round(SIDE / rng.uniform(*REDUCTIONS))
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(sample.density[..., channel]))
        part = plane.transform(
            (drawn, drawn), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR
        )
        planes.append(part.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    patch = np.stack([np.asarray(part) for part in planes], axis=-1)
    for axis in (0, 1):
        patch = np.flip(patch, 1 - axis) if turn[axis] else patch
    patch = patch.transpose(1, 0, 2) if turn[2] else patch
    size = unit * scale
    maps = np.stack(
        [_peaks(moved(sample.bodies), size), _peaks(moved(sample.others), size)], axis=-1
    )
    weight = 1 - (_nearest(moved(sample.unknown)) < UNKNOWN * size).astype(np.float32)
    weight = np.maximum(weight, maps.max(axis=-1) > 0.1)
    return restained(rng, patch), maps, weight.astype(np.float32)


def restained(rng: np.random.Generator, patch: Floats) -> Floats:
    """Return a patch in another stain, with noise."""
    density = np.expm1(patch)
    mix = np.eye(3) + rng.normal(0, 0.07, (3, 3))
    gain = np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.12, 3))
    density = density @ (mix * gain).astype(np.float32)
    density = density + rng.normal(0, rng.uniform(0, 0.12), density.shape)
    return np.asarray(np.log1p(np.clip(density, 0, None)), np.float32)


def _grid() -> tuple[Points, Points]:
    """Return row and column of the centre of each pixel of a map, in pixels of a patch."""
    rows, columns = np.mgrid[: SIDE // PITCH, : SIDE // PITCH] * PITCH + (PITCH - 1) / 2
    return rows, columns


def _nearest(places: Points) -> Points:
    """Return the distance of each pixel of a map from the nearest place."""
    rows, columns = _grid()
    nearest = np.full(rows.shape, np.inf)
    for x, y in places:
        nearest = np.minimum(nearest, np.hypot(columns - x, rows - y))
    return nearest


def _peaks(places: Points, unit: float) -> Floats:
    """Return a peak at each place: exactly 1 at the nearest pixel."""
    peaks = np.exp(-0.5 * (_nearest(places) / (SIGMA * unit)) ** 2).astype(np.float32)
    last = SIDE // PITCH
    for x, y in places:
        column, row = round((x - 0.5) / PITCH), round((y - 0.5) / PITCH)
        if 0 <= column < last and 0 <= row < last:
            peaks[row, column] = 1
    return peaks


def random_batch(
    rng: np.random.Generator,
    sources: Sequence[Sequence[BodySample]],
    shares: Sequence[float],
    count: int,
    unit: float,
) -> tuple[Floats, Floats]:
    """Return patches, and their maps with the weight as a further channel."""
    patches = np.empty((count, SIDE, SIDE, 3), np.float32)
    targets = np.empty((count, SIDE // PITCH, SIDE // PITCH, MAPS + 1), np.float32)
    for i, source in enumerate(rng.choice(len(sources), count, p=list(shares)).tolist()):
        sample = sources[source][int(rng.integers(len(sources[source])))]
        patches[i], targets[i, ..., :MAPS], targets[i, ..., MAPS] = random_patch(rng, sample, unit)
    return patches, targets
