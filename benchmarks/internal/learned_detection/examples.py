"""Fields with known bodies for the network: ALL-IDB1, single cells of a folder, drawn fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.detection import detect_cells
from ..cell_detection import decode, match_points
from ..cell_sets import all_idb1
from .drawing import drawn_field
from .planes import Floats, plane_of
from .single_cells import NO_LEUCOCYTE, tight_window

Points = NDArray[np.float64]

CENTRE = 1.5  # erythrocyte diameters from the middle that belong to the one cell of a picture


@dataclass(frozen=True)
class Example:
    """A field, its leucocytes and what is not known of it; lengths in pixels of `density`.

    Parameters
    ----------
    source : str
        The camera, the kind of cell, or ``drawn``.
    density : (H, W, 3) ndarray of float32
        See `Plane`.
    bodies, others : (N, 2) ndarray of float
        Centres of leucocytes, and of smudges and deposits.
    unknown : (M, 2) ndarray of float
        Centres of what may be a leucocyte.
    """

    source: str
    density: Floats
    bodies: Points
    others: Points
    unknown: Points


def points(values: object) -> Points:
    """Return positions as an array, (N, 2)."""
    return np.array(values, np.float64).reshape(-1, 2)


def field_examples(root: Path) -> Iterator[Example]:
    """Yield the fields of ALL-IDB1. What the detector finds and nobody named is not known."""
    for truth in all_idb1(root):
        rgb, scale = decode(truth.image)
        detection = detect_cells(rgb)
        plane = plane_of(rgb, detection)
        cells = list(detection.cells)
        bodies = np.concatenate([truth.points, truth.leucocytes]) * scale
        others = truth.others * scale
        named = {j for _, j in match_points(np.concatenate([bodies, others]), cells)}
        unknown = [(cell.x, cell.y) for j, cell in enumerate(cells) if j not in named]
        yield Example(
            truth.group.partition(",")[0],
            plane.density,
            bodies * plane.factor,
            others * plane.factor,
            points(unknown) * plane.factor,
        )


def single_cells(paths: list[Path], *, tight: bool) -> Iterator[Example]:
    """Yield pictures of one cell each, in folders named by its kind; others may lie around it."""
    for path in paths:
        rgb, _ = decode(path)
        if tight:
            rgb = tight_window(rgb)
        height, width = rgb.shape[:2]
        middle = np.array([[(width - 1) / 2, (height - 1) / 2]])
        detection = detect_cells(rgb)
        plane = plane_of(rgb, detection)
        places = points([(cell.x, cell.y) for cell in detection.cells])
        far = np.hypot(*(places - middle).T) > CENTRE * detection.unit
        is_none = path.parent.name == NO_LEUCOCYTE
        nothing = points([])
        yield Example(
            path.parent.name,
            plane.density,
            nothing if is_none else middle * plane.factor,
            middle * plane.factor if is_none else nothing,
            places[far] * plane.factor,
        )


def drawn_examples(count: int, seed: int = 0) -> Iterator[Example]:
    """Yield drawn fields, of which every body is known."""
    for index in range(count):
        rgb, bodies, smudges = drawn_field(seed, index)
        detection = detect_cells(rgb)
        plane = plane_of(rgb, detection)
        yield Example(
            "drawn",
            plane.density,
            bodies * plane.factor,
            smudges * plane.factor,
            points([]),
        )
