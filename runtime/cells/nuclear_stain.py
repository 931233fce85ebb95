"""Separates the stain of nuclei from the colour of the field's own erythrocytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Optical density of azure in red, green and blue, as a unit vector: the mean of the nuclei of
# ALL-IDB1 (both cameras) and of the Barcelona set.
NUCLEUS = np.array([0.42, 0.90, 0.10]) / np.linalg.norm([0.42, 0.90, 0.10])
ERYTHROCYTE = np.array([0.35, 0.72, 0.60])  # where a field has none
MAX_COSINE = 0.96  # of both colours, for telling them apart
MIN_DENSITY = 0.08  # green density of what is not background
PURPLE, RED = 0.3, 0.2  # least densities of a provisional nucleus


@dataclass(frozen=True)
class FieldStain:
    """The colours of a field.

    Parameters
    ----------
    erythrocyte : (3,) ndarray
        Unit vector of the erythrocytes' optical density.
    density : float
        Green density of the erythrocytes, > 0: what the nuclear stain is compared with.
    """

    erythrocyte: NDArray[np.float64]
    density: float


def provisional_nuclei(density: Floats) -> NDArray[np.bool_]:
    """Return where a pixel is purple without doubt, before the field's colours are known."""
    return (density[1] - density[2] > PURPLE) & (density[0] > RED)


def field_stain(density: Floats, nuclei: NDArray[np.bool_]) -> FieldStain:
    """Return the colour of what is neither background nor nucleus.

    Parameters
    ----------
    density : (3, H, W) ndarray of float32
    nuclei : (H, W) ndarray of bool
    """
    stained = (density[1] > MIN_DENSITY) & ~nuclei
    if np.count_nonzero(stained) < max(16, 0.01 * stained.size):
        return FieldStain(ERYTHROCYTE / np.linalg.norm(ERYTHROCYTE), 0.2)
    colour = np.median(density[:, stained], axis=1).astype(float)
    unit = np.maximum(colour, 0) / np.linalg.norm(np.maximum(colour, 0))
    if unit @ NUCLEUS > MAX_COSINE:
        unit = ERYTHROCYTE / np.linalg.norm(ERYTHROCYTE)
    return FieldStain(unit, float(np.clip(colour[1], 0.1, 0.6)))


def nuclear_stain(density: Floats, stain: FieldStain) -> Floats:
    """Return the amount of nuclear stain of every pixel.

    Parameters
    ----------
    density : (3, H, W) ndarray of float32
    stain : FieldStain

    Returns
    -------
    (H, W) ndarray of float32
        1 is what erythrocytes absorb in green; about 0 on erythrocytes, at least 2 on nuclei.
    """
    weights = NUCLEUS - (NUCLEUS @ stain.erythrocyte) * stain.erythrocyte
    weights *= NUCLEUS[1] / (NUCLEUS @ weights) / stain.density
    return np.tensordot(weights.astype(np.float32), density, 1)
