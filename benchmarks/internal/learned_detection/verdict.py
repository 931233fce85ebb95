"""Cells from the maps of the network: its peaks, or classical cells joined and dropped by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.types import Cell, Detection
from ....train.bodies.network import PITCH
from .planes import Floats

NEAR = 3  # pixels of a map: two peaks of one body are not nearer than that
NUCLEUS = 0.675  # radius of a nucleus in erythrocyte diameters, where it was not measured
PEAK = 0.3  # least score of a body that is a cell by itself
TRACE = 0.1  # least score of a body that classical cells may be joined in
REACH = 0.95  # distance of a lobe from the peak of its body, in erythrocyte diameters
JOINED = 0.95  # largest radius of the nucleus of one body, in erythrocyte diameters

Peaks = NDArray[np.float64]


def peaks_of(scores: Floats, least: float) -> Peaks:
    """Return column, row and score of the highest pixels of a map, (N, 3), in pixels of the map."""
    height, width = scores.shape
    padded = np.pad(scores, NEAR, constant_values=-1.0)
    for axis in (0, 1):
        views = [np.roll(padded, step, axis) for step in range(-NEAR, NEAR + 1)]
        padded = np.max(views, axis=0)
    highest = padded[NEAR : NEAR + height, NEAR : NEAR + width]
    rows, columns = np.nonzero((scores >= highest) & (scores >= least))
    return np.stack([columns, rows, scores[rows, columns]], axis=1).astype(np.float64)


def body_peaks(scores: Floats, factor: float, least: float) -> Peaks:
    """Return x, y and score of bodies, in pixels of the field."""
    peaks = peaks_of(scores, least)
    peaks[:, :2] = (peaks[:, :2] * PITCH + PITCH / 2) / factor - 0.5
    return peaks


def cells_of_peaks(peaks: Peaks, detection: Detection) -> Detection:
    """Return the bodies as cells."""
    radius = NUCLEUS * detection.unit
    return replace(detection, cells=tuple(Cell(x, y, radius) for x, y, _ in peaks.tolist()))


def with_verdict(
    peaks: Peaks,
    detection: Detection,
    *,
    reach: float = REACH,
    joined: float = JOINED,
    drop: bool = True,
) -> Detection:
    """Return the classical cells: those of one body joined, those without a body left out."""
    groups: dict[int, list[Cell]] = {}
    kept: list[Cell] = []
    for cell in detection.cells:
        distance = np.hypot(peaks[:, 0] - cell.x, peaks[:, 1] - cell.y)
        limit = max(reach * detection.unit, cell.radius)
        if len(distance) and distance.min() <= limit:
            groups.setdefault(int(distance.argmin()), []).append(cell)
        elif "smudge" in cell.flags or not drop:
            kept.append(cell)
    for cells in groups.values():
        kept += _join(cells, joined * detection.unit)
    return replace(detection, cells=tuple(sorted(kept, key=lambda cell: (cell.y, cell.x))))


def _join(cells: list[Cell], largest: float) -> list[Cell]:
    """Return the cells of one body as one, unless its nucleus would be too large."""
    area = sum(cell.radius**2 for cell in cells)
    if len(cells) == 1 or area**0.5 > largest:
        return cells
    x = sum(cell.x * cell.radius**2 for cell in cells) / area
    y = sum(cell.y * cell.radius**2 for cell in cells) / area
    flags = set.intersection(*(set(cell.flags) - {"clipped"} for cell in cells))
    if any("clipped" in cell.flags for cell in cells):
        flags.add("clipped")
    return [Cell(x, y, area**0.5, tuple(sorted(flags)))]
