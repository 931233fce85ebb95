"""Generated fields in which every white cell's place is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alledge.train.phantom.cell_kinds import BLAST, LYMPHOCYTE, NEUTROPHIL, Leucocyte
from alledge.train.phantom.cells import (
    ERYTHROCYTE_UM,
    Canvas,
    draw_erythrocyte,
    draw_leucocyte,
    draw_platelet,
    draw_smudge,
)
from alledge.train.phantom.optics import CAMERAS, photograph

KINDS = {"blast": BLAST, "lymphocyte": LYMPHOCYTE, "neutrophil": NEUTROPHIL}
Places = Sequence[tuple[str, float, float]]
RGB = NDArray[np.uint8]


def grid_places(
    kinds: Sequence[str], columns: int, width: int = 900, height: int = 700
) -> list[tuple[str, float, float]]:
    """Return places of cells on a grid that fills a field, none near the edge."""
    rows = -(-len(kinds) // columns)
    return [
        (kind, (i % columns + 0.5) * width / columns, (i // columns + 0.5) * height / rows)
        for i, kind in enumerate(kinds)
    ]


def draw_smear(
    cells: Places,
    *,
    seed: int = 0,
    width: int = 900,
    height: int = 700,
    px_per_um: float = 8.0,
    platelets: int = 0,
    smudges: Places = (),
    erythrocytes: float = 0.4,
) -> RGB:
    """Return a field with white cells at given places, (H, W, 3) uint8.

    Parameters
    ----------
    cells : sequence of (str, float, float)
        Kind and centre in pixels.
    erythrocytes : float
        Share of the field that they cover.
    """
    rng = np.random.default_rng(seed)
    canvas = Canvas(width, height, px_per_um)
    radius = ERYTHROCYTE_UM / 2 * px_per_um
    centres = np.array([(x, y) for _, x, y in (*cells, *smudges)]).reshape(-1, 2)
    red = np.empty((0, 2))
    for _ in range(int(erythrocytes * width * height / (np.pi * radius**2))):
        for x, y in rng.uniform((0, 0), (width, height), (12, 2)):
            place = np.array([x, y])
            free = np.all(np.hypot(*(centres - place).T) > 2.6 * radius)
            if free and np.all(np.hypot(*(red - place).T) > 1.9 * radius):
                red = np.vstack([red, place])
                draw_erythrocyte(canvas, rng, x, y, radius * rng.uniform(0.95, 1.05), 0.4)
                break
    for _ in range(platelets):
        draw_platelet(canvas, rng, rng.uniform(0, width), rng.uniform(0, height))
    for _, x, y in smudges:
        draw_smudge(canvas, rng, x, y, 6 * px_per_um)
    for name, x, y in cells:
        kind: Leucocyte = KINDS[name]
        draw_leucocyte(canvas, rng, kind, x, y, px_per_um * float(np.mean(kind.diameter_um)))
    return np.asarray(photograph(rng, canvas, CAMERAS[0]))


def cut_out_on_black(rgb: RGB, radius: float) -> RGB:
    """Return an image with black around a circle in its middle."""
    height, width = rgb.shape[:2]
    y, x = np.mgrid[:height, :width]
    outside = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2) > radius
    return np.where(outside[..., np.newaxis], np.uint8(0), rgb)
