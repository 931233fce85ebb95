"""Types of cell detection: a cell, and what is known of its field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ScaleSource = Literal["erythrocytes", "nuclei", "none"]
TakenAs = Literal["auto", "field", "cell"]  # what an image of a cell bundle is taken as
TAKEN_AS: tuple[TakenAs, ...] = ("auto", "field", "cell")


@dataclass(frozen=True)
class Cell:
    """One nucleated cell of a field.

    Parameters
    ----------
    x, y : float
        Centre of the nucleus in pixels of the image that was searched; the centre of the first
        pixel is (0, 0).
    radius : float
        Radius of the circle with the area of the nucleus, in pixels, > 0.
    flags : tuple of str
        ``clipped``: the image's edge cuts the nucleus. ``smudge``: a broken nucleus, no cell.
    """

    x: float
    y: float
    radius: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Detection:
    """The nucleated cells of a field, its scale and its background.

    Parameters
    ----------
    cells : tuple of Cell
        From top to bottom, then from left to right.
    unit : float
        Diameter of an erythrocyte of this field in pixels, > 0: the unit of all lengths.
    unit_source : {"erythrocytes", "nuclei", "none"}
        What the unit was measured on. Without erythrocytes it is estimated from the nuclei, and
        without nuclei from the size of the image.
    background : tuple of float
        Red, green and blue of the empty background, in [0, 255].
    more : int
        Number of further cells that were left out because there are too many.
    """

    cells: tuple[Cell, ...]
    unit: float
    unit_source: ScaleSource
    background: tuple[float, float, float]
    more: int = 0
