"""Cells of one or several data sets, prepared for training, and the truth of their fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.settings import CellSettings
from ..examples import Examples


@dataclass(frozen=True)
class FieldTruth:
    """What a data set knows of a field, and how many cells were detected in it.

    Parameters
    ----------
    name : str
        As the images of `Examples`: path inside the data set, behind the name of the data set if
        there are several.
    path : Path
    label : str
        Of the whole field.
    camera, group : str
    blasts : int or None
        True number of blasts; None if the data set does not say.
    cells : int
        Number of detected cells.
    missed_blasts : int
        Number of true blasts that no detected cell matches.
    """

    name: str
    path: Path
    label: str
    camera: str
    group: str
    blasts: int | None
    cells: int
    missed_blasts: int = 0


@dataclass(frozen=True)
class CellExamples(Examples):
    """Cells of fields, and images of one cell each; each is an example.

    `dataset` has one sample a cell, `names` are ``FIELD#X,Y``. For an image of one cell, the name
    is that of the image, and `field_index` is -1.

    Parameters
    ----------
    settings : CellSettings
    fields : tuple of FieldTruth
        All fields, also those without a detected cell.
    field_index : (N,) ndarray of int
        Index into `fields` of each cell; -1 for an image of one cell.
    positions : (N, 3) ndarray of float64
        x, y and radius of each cell in pixels of the upright original.
    """

    settings: CellSettings = field(default_factory=CellSettings)
    fields: tuple[FieldTruth, ...] = ()
    field_index: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    positions: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
