"""What the network of bodies sees: the optical density of a field, at one scale and one stain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....runtime.cells.background import optical_density
from ....runtime.cells.nuclear_stain import field_stain, provisional_nuclei
from ....runtime.cells.types import Detection
from ....runtime.types import RGB

Floats = NDArray[np.float32]

UNIT = 12.0  # pixels of an erythrocyte
MOST_ENLARGED = 2.0
MOST_PIXELS = 2_000_000
MOST_DENSITY = 12.0  # of a pixel, in erythrocyte densities


@dataclass(frozen=True)
class Plane:
    """A field as the network sees it.

    Parameters
    ----------
    density : (H, W, 3) ndarray of float32
        Logarithm of 1 + optical density over the green density of the field's erythrocytes.
    factor : float
        Its pixels per pixel of the field.
    """

    density: Floats
    factor: float


def plane_of(rgb: RGB, detection: Detection) -> Plane:
    """Return a field at the scale and the stain of its erythrocytes.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    detection : Detection
        Of the same field: it gives the diameter of an erythrocyte and the background.
    """
    height, width = rgb.shape[:2]
    limit = (MOST_PIXELS / (height * width)) ** 0.5
    factor = min(UNIT / detection.unit, MOST_ENLARGED, limit)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))
    density = optical_density(small, detection.background)
    stain = field_stain(density, provisional_nuclei(density), detection.background)
    ratio = np.clip(density / np.float32(stain.density), 0, MOST_DENSITY)
    return Plane(np.moveaxis(np.log1p(ratio), 0, -1).astype(np.float32), factor)
