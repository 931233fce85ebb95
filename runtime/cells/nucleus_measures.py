"""Measures of each nucleus: place, size, stain, texture and hue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .background import Colour, density_tables
from .nuclei import Nuclei

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class NucleusMeasures:
    """One value a nucleus, each an ndarray of shape (N,).

    Parameters
    ----------
    x, y : ndarray of float
        Centre of mass in pixels of the searched image; the first pixel's centre is (0, 0).
    radius : ndarray of float
        Of the circle with the same area, in erythrocyte diameters.
    stain : ndarray of float
        Median nuclear stain, see `nuclear_stain`.
    texture : ndarray of float
        Standard deviation of the stain over its mean.
    hue : ndarray of float
        Optical density in red over that in green: about 0.3 in magenta, 0.6 in blue-violet.
    blue_share : ndarray of float
        Optical density in blue over that in green: below 0.4 in nuclei, 1 in black and grey.
    is_clipped : ndarray of bool
        Whether the image's edge cuts it.
    """

    x: Reals
    y: Reals
    radius: Reals
    stain: Reals
    texture: Reals
    hue: Reals
    blue_share: Reals
    is_clipped: NDArray[np.bool_]


def measure_nuclei(
    nuclei: Nuclei,
    stain: NDArray[np.float32],
    rgb: NDArray[np.uint8],
    background: Colour,
    unit: float,
) -> NucleusMeasures:
    """Return the measures of every nucleus.

    Parameters
    ----------
    nuclei : Nuclei
        Each with at least one pixel.
    stain : (H, W) ndarray of float32
    rgb : (H, W, 3) ndarray of uint8
    background : tuple of float
    unit : float
        Diameter of an erythrocyte in pixels.
    """
    number, count = nuclei.number, nuclei.count
    height, width = stain.shape
    area = np.bincount(number, minlength=count)

    def mean(values: NDArray[np.generic]) -> Reals:
        return np.asarray(np.bincount(number, values, minlength=count) / np.maximum(area, 1))

    value = stain[nuclei.rows, nuclei.columns].astype(np.float64)
    average = mean(value)
    spread = np.sqrt(np.maximum(mean(value**2) - average**2, 0))
    middle = value[np.lexsort((value, number))][np.cumsum(area) - area + area // 2]
    tables = density_tables(background)
    red, green, blue = (mean(tables[i][rgb[nuclei.rows, nuclei.columns, i]]) for i in range(3))
    at_edge = (nuclei.rows % (height - 1) == 0) if height > 1 else np.ones(len(number), bool)
    at_edge |= (nuclei.columns % (width - 1) == 0) if width > 1 else True
    return NucleusMeasures(
        x=mean(nuclei.columns),
        y=mean(nuclei.rows),
        radius=np.sqrt(area / np.pi) / unit,
        stain=middle,
        texture=spread / np.maximum(average, 1e-6),
        hue=red / np.maximum(green, 1e-6),
        blue_share=blue / np.maximum(green, 1e-6),
        is_clipped=np.bincount(number, at_edge, minlength=count) > 0,
    )
