"""Finds the nuclei of a field in its nuclear stain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .basins import find_basins
from .components import fill_holes, label_components
from .distance import distance_transform
from .erythrocyte_scale import mean_of_nine
from .nucleus_joining import join_parts

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

# A part of a field is a nucleus where its stain is above a share of the mean stain around it, which
# follows pale and dark nuclei. The higher shares open the gaps between nuclei that touch.
LEVELS = (0.55, 0.7, 0.8, 0.9)
FLOOR = 0.5  # of `min_stain`
OWN_SHARE = 0.45  # of the 90th percentile of the own component
OWN_PERCENTILE = 0.9
# Lengths in erythrocyte diameters, areas in their squares.
WINDOW = 1.2  # side of the window of the mean
SMALLEST = 0.05  # area of the stain around the smallest lobe
HOLE = 0.2  # largest area of a hole that belongs to the nucleus
MAX_DISTANCE = 3.0
REDUCTION = 4  # of the image in which the mean is taken


@dataclass(frozen=True)
class Nuclei:
    """The nuclei of a field: the pixels of the searched image that belong to each.

    Parameters
    ----------
    rows, columns, number : (P,) ndarray of int
        Position of each pixel of a nucleus and the number of its nucleus, 0 to N - 1.
    count : int
    """

    rows: Integers
    columns: Integers
    number: Integers
    count: int


def find_nuclei(stain: Floats, unit: float, min_stain: float) -> Nuclei:
    """Return the nuclei of a field, touching ones parted and lobes joined.

    Parameters
    ----------
    stain : (H, W) ndarray of float32
        See `nuclear_stain`.
    unit : float
        Diameter of an erythrocyte in pixels.
    min_stain : float
        Least stain of a nucleus: the 90th percentile of its pixels.
    """
    stained = _stained(stain, min_stain, SMALLEST * unit**2)
    if not stained.any():
        return Nuclei(*(np.zeros(0, int),) * 3, 0)
    reference = _mean_around(stain, stained, unit)
    masks = [fill_holes(stained & (stain > share * reference), HOLE * unit**2) for share in LEVELS]
    limit = int(np.ceil(MAX_DISTANCE * unit))
    height = mean_of_nine(
        np.mean([distance_transform(mask, limit) for mask in masks], axis=0, dtype=np.float32)
    )
    basins = find_basins(height, masks[0])
    nucleus = join_parts(basins, height[basins.peak_row, basins.peak_column], unit)
    numbers, number = np.unique(nucleus[basins.basin], return_inverse=True)
    return Nuclei(basins.rows, basins.columns, number, len(numbers))


def _stained(stain: Floats, min_stain: float, smallest: float) -> Mask:
    """Return the pixels that are dark enough for a nucleus, by themselves and beside others."""
    mask = stain > FLOOR * min_stain
    labels, count = label_components(mask)
    own, value = labels[mask], stain[mask]
    ends = np.cumsum(np.bincount(own, minlength=count + 1)[1:])
    sizes = np.diff(ends, prepend=0)
    place = np.minimum((sizes * OWN_PERCENTILE).astype(int), sizes - 1)
    darkest = value[np.lexsort((value, own))][ends - sizes + place]
    least = np.maximum(FLOOR * min_stain, OWN_SHARE * darkest)
    least[(darkest < min_stain) | (sizes < smallest)] = np.inf
    return mask & (stain > np.append(np.inf, least).astype(np.float32)[labels])


def _mean_around(stain: Floats, mask: Mask, unit: float) -> Floats:
    """Return the mean stain of the mask's pixels in a window around each pixel."""
    height, width = stain.shape
    size = (-(-width // REDUCTION), -(-height // REDUCTION))
    half = max(1, round(WINDOW * unit / REDUCTION / 2))
    sums = []
    for plane in (np.where(mask, stain, np.float32(0)), mask.astype(np.float32)):
        small = Image.fromarray(plane).resize(size, Image.Resampling.BOX)
        mean = Image.fromarray(_box_sum(np.asarray(small), half))
        sums.append(np.asarray(mean.resize((width, height), Image.Resampling.BILINEAR)))
    return np.asarray(sums[0] / np.maximum(sums[1], np.float32(1e-3)), np.float32)


def _box_sum(plane: Floats, half: int) -> Floats:
    """Return the sum over a square of 2 `half` + 1 pixels; 0 outside the image."""
    total = np.pad(plane, ((half + 1, half), (half + 1, half))).astype(np.float64)
    total = total.cumsum(0).cumsum(1)
    side = 2 * half + 1
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    return (sums + total[:-side, :-side]).astype(np.float32)
