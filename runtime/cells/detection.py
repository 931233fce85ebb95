"""Finds the nucleated cells of a field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .background import background_colour, optical_density
from .detection_settings import DetectionSettings
from .erythrocyte_scale import erythrocyte_diameter, mean_of_nine
from .nuclear_stain import field_stain, nuclear_stain, provisional_nuclei, without_cells
from .nuclei import find_nuclei
from .types import Cell, Detection, ScaleSource

UNIT = 16  # pixels of an erythrocyte in the image that is searched
OVERVIEW = 640

def detect_cells(rgb: NDArray[np.uint8], settings: DetectionSettings | None = None) -> Detection:
    """Return the nucleated cells of a field."""
    settings = settings or DetectionSettings()
    image = Image.fromarray(rgb)
    k = max(1, round(max(image.size) / OVERVIEW))
    overview = image.reduce(k) if k > 1 else image
    small = np.asarray(overview)
    background = background_colour(small)
    density = optical_density(small, background)
    nuclei = provisional_nuclei(density)
    stain = field_stain(density, nuclei, background)
    unit = erythrocyte_diameter(density[1], without_cells(nuclei), stain.density)
    source: ScaleSource = "erythrocytes"
    if unit is None:
        unit = 0.05 * max(overview.size)
        source = "none"
    base = overview if unit >= UNIT else image
    unit *= k
    factor = min(UNIT / unit, 1.0)
    size = [max(1, round(s * factor)) for s in image.size]
    work = np.asarray(base.resize(size, Image.Resampling.BILINEAR))
    fx, fy = image.width / size[0], image.height / size[1]
    plane = mean_of_nine(nuclear_stain(work, stain))
    cells = _cells(plane, unit * factor, settings)
    out = [Cell(float((x + .5) * fx - .5), float((y + .5) * fy - .5), float(r * (fx * fy) ** .5), flags)
           for x, y, r, flags in cells]
    return Detection(tuple(out[:settings.max_cells]), unit, source, background, max(0, len(out) - settings.max_cells))


def _cells(plane, unit, settings):
    b = find_nuclei(plane, unit, settings.min_stain)
    n = np.bincount(b.number)
    cells = []
    for i in np.flatnonzero(n):
        r = (n[i] / np.pi) ** .5
        if not settings.min_radius * unit <= r <= settings.max_radius * unit:
            continue
        m = b.number == i
        px, py = b.columns[m], b.rows[m]
        cut = px.min() == 0 or py.min() == 0 or px.max() == plane.shape[1] - 1 or py.max() == plane.shape[0] - 1
        cells.append((px.mean(), py.mean(), r, ("clipped",) if cut else ()))
    return sorted(cells, key=lambda c: (c[1], c[0]))
