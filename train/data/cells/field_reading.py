"""Reads the cells of one field, and labels each by what the data set says of its position."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....errors import DataError
from ....runtime.cells.field_cells import find_cells
from ....runtime.cells.matching import match_cells
from ....runtime.cells.settings import CellSettings
from ....runtime.cells.types import Cell
from ....runtime.data.datasets import Dataset, Sample
from ....runtime.imaging import Header

if TYPE_CHECKING:
    from ....runtime.types import RGB


@dataclass(frozen=True)
class CellReading:
    """One cell, as the model sees it, and its label.

    Parameters
    ----------
    cell : Cell
        In pixels of the upright original.
    crop : (S, S, 3) ndarray of uint8
    label : str
    counted : bool
        False if the device would not count it among the cells of a field: an image of one cell,
        or a cell that detection missed.
    """

    cell: Cell
    crop: NDArray[np.uint8]
    label: str
    counted: bool = True


@dataclass(frozen=True)
class ImageReading:
    """The cells of one image.

    Parameters
    ----------
    cells : tuple of CellReading
    header : Header
    digest : str
        SHA-256 of the decoded pixels.
    is_field : bool
        False for an image of one cell.
    blasts : int or None
        True number of blasts of the field; None if the data set does not say.
    missed_blasts : int
        Number of true blasts that no detected cell matches.
    """

    cells: tuple[CellReading, ...]
    header: Header
    digest: str
    is_field: bool = True
    blasts: int | None = None
    missed_blasts: int = 0


def read_field(dataset: Dataset, sample: Sample, settings: CellSettings) -> ImageReading:
    """Find the cells of a field; those at the centroids of blasts are positive.

    Every other cell has the negative label.

    Parameters
    ----------
    dataset : Dataset
    sample : Sample
        Of this data set.
    settings : CellSettings

    Returns
    -------
    ImageReading

    Raises
    ------
    DataError
        If the field has a positive label and no centroids, or a negative one and centroids.
    ImageError
        As `find_cells`.
    """
    _check_centroids(dataset, sample)
    found = find_cells(sample.path, settings)
    matches = match_cells(found.cells, sample.centroids)
    negative = negative_label(dataset)
    cells = tuple(
        CellReading(cell, found.crops[index], sample.label if index in matches else negative)
        for index, cell in enumerate(found.cells)
    )
    return ImageReading(
        cells,
        found.header,
        pixel_digest(found.rgb),
        blasts=len(sample.centroids),
        missed_blasts=len(sample.centroids) - len(matches),
    )


def negative_label(dataset: Dataset) -> str:
    """Return the first label of a data set that does not mean leukaemia."""
    return next(label for label in dataset.labels if label not in dataset.positive)


def pixel_digest(rgb: RGB) -> str:
    """Return the SHA-256 of the pixels of an image."""
    return hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes()).hexdigest()


def _check_centroids(dataset: Dataset, sample: Sample) -> None:
    positive = sample.label in dataset.positive
    if positive and not sample.centroids:
        raise DataError(
            f"{sample.path} has the label {sample.label!r}, and no positions of its blasts: it is "
            "not known which of its cells are blasts",
            allowed="centroids in xyc/, boxes with classes (YOLO, VOC), or a table of cells",
            fix="--cells FILE.csv with the columns image,x,y,label; or --task field",
        )
    if not positive and sample.centroids:
        raise DataError(
            f"{sample.path} has the label {sample.label!r}, and {len(sample.centroids)} centroids "
            "of blasts",
            fix="rename the image, or remove its file in xyc/",
        )
