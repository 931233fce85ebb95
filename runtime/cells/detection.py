"""Finds the nucleated cells of a field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .background import background_colour, optical_density
from .components import label_components
from .detection_settings import DetectionSettings
from .distance import distance_transform
from .erythrocyte_scale import erythrocyte_edges, vote_spectrum
from .nuclear_stain import field_stain, nuclear_stain, provisional_nuclei
from .nucleus_parts import Seeds, find_seeds, join_seeds
from .types import Cell, Detection, ScaleSource

UNIT = 16  # pixels of an erythrocyte in the image that is searched
OVERVIEW = 640

def detect_cells(rgb: NDArray[np.uint8], settings: DetectionSettings | None = None) -> Detection:
    """Return the nucleated cells of a field."""
    settings = settings or DetectionSettings()
    image = Image.fromarray(rgb)
    k = max(1, -(-max(image.size) // OVERVIEW))
    small = np.asarray(image.reduce(k) if k > 1 else image)
    background = background_colour(small)
    density = optical_density(small, background)
    nuclei = provisional_nuclei(density)
    stain = field_stain(density, nuclei)
    edges = erythrocyte_edges(density[1], nuclei, stain.density)
    unit: float = 0.05 * max(image.size)
    source: ScaleSource = "none"
    if len(edges.x) > 100:
        radii, scores = vote_spectrum(edges, small.shape[:2])
        unit = float(2 * radii[scores.argmax()] * k)
        source = "erythrocytes"
    factor = min(UNIT / unit, 1.0)
    size = [max(1, round(s * factor)) for s in image.size]
    work = np.asarray(image.resize(size, Image.Resampling.BOX if factor < .5 else Image.Resampling.BILINEAR))
    fx, fy = image.width / size[0], image.height / size[1]
    plane = nuclear_stain(optical_density(work, background), stain)
    cells = _cells(plane, unit * factor, settings)
    out = [Cell(float((x + .5) * fx - .5), float((y + .5) * fy - .5), float(r * (fx * fy) ** .5), flags)
           for x, y, r, flags in cells]
    return Detection(tuple(out[:settings.max_cells]), unit, source, background, max(0, len(out) - settings.max_cells))


def _cells(plane, unit, settings):
    plane = _smooth(plane)
    low = plane > 0.5 * settings.min_stain
    labels, count = label_components(low)
    y, x = np.nonzero(low)
    own = labels[y, x]
    value = plane[y, x]
    order = np.lexsort((value, own))
    ends = np.cumsum(np.bincount(own, minlength=count + 1)[1:])
    sizes = np.diff(np.append(0, ends))
    peak = value[order][np.maximum(ends - 1 - (sizes * 0.1).astype(int), 0)]
    threshold = np.append(0, np.maximum(0.5 * settings.min_stain, 0.5 * peak))
    good = np.append(False, (peak > settings.min_stain))
    mask = low & (plane > threshold[labels]) & good[labels]
    labels, count = label_components(mask)
    distance = distance_transform(mask, int(4 * unit))
    seeds = find_seeds(distance, 0.12 * unit)
    if not len(seeds.x):
        return []
    group = join_seeds(seeds, distance, unit)
    # pixels to seeds
    y, x = np.nonzero(mask)
    owner = _nearest(seeds, labels, x, y)
    ok = owner >= 0
    x, y = x[ok], y[ok]
    g = group[owner[ok]]
    n = np.bincount(g, minlength=len(seeds.x))
    cells = []
    for i in np.flatnonzero(n):
        r = (n[i] / np.pi) ** .5
        if not settings.min_radius * unit <= r <= settings.max_radius * unit:
            continue
        m = g == i
        px, py = x[m], y[m]
        cut = px.min() == 0 or py.min() == 0 or px.max() == plane.shape[1] - 1 or py.max() == plane.shape[0] - 1
        cells.append((px.mean(), py.mean(), r, ("clipped",) if cut else ()))
    return sorted(cells, key=lambda c: (c[1], c[0]))


def _nearest(seeds, labels, x, y):
    best = np.full(len(x), np.inf); owner = np.full(len(x), -1)
    own = labels[y, x]
    sl = labels[seeds.y.astype(int), seeds.x.astype(int)]
    for i in range(len(seeds.x)):
        c = np.flatnonzero(own == sl[i])
        d = (x[c] - seeds.x[i]) ** 2 + (y[c] - seeds.y[i]) ** 2 - seeds.radius[i] ** 2
        b = d < best[c]
        best[c[b]] = d[b]; owner[c[b]] = i
    return owner


def _smooth(plane):
    p = np.pad(plane, 1, "edge")
    p = p[:-2] + p[1:-1] + p[2:]
    return (p[:, :-2] + p[:, 1:-1] + p[:, 2:]) / 9
