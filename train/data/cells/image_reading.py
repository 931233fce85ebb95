"""Reads the cells of one image of a data set, be it a field or an image of one cell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.field_cells import FieldCells, with_resolved_cells
from ....runtime.cells.settings import CellSettings
from ....runtime.cells.single_cell import image_cells
from ....runtime.data.boxes import VOC, YOLO
from ....runtime.data.datasets import Dataset, Sample
from ....runtime.data.label_reading import LabelReading
from ....runtime.data.named_layouts import ALL_IDB1, SINGLE_CELL_LAYOUTS
from ....runtime.imaging import Header, load_field
from .copies import thumbnail
from .field_reading import CellReading, FieldReading, read_field
from .labels import CellLabels
from .sources import names_all_leucocytes

if TYPE_CHECKING:
    from ....runtime.cells.types import TakenAs
    from ....runtime.types import RGB

BOXED = (YOLO, VOC)
FIELDS = (ALL_IDB1, *BOXED)
# Layouts that do not say it: an image with a shorter side below this shows one cell. Cut-outs of
# public sets have 80 to 450 pixels, fields 480 or more.
FIELD_SIDE = 480


@dataclass(frozen=True)
class ImageReading:
    """The cells of one image, and what it is compared with other images by.

    Parameters
    ----------
    cells : tuple of CellReading
    header : Header
    digest : str
        SHA-256 of the decoded pixels.
    thumbnail : (64, 64) ndarray of uint8
        As `copies.thumbnail`.
    field : FieldReading, optional
        None for an image of one cell.
    """

    cells: tuple[CellReading, ...]
    header: Header
    digest: str
    thumbnail: NDArray[np.uint8]
    field: FieldReading | None


def read_image(
    dataset: Dataset,
    sample: Sample,
    labels: CellLabels,
    settings: CellSettings,
    table: LabelReading | None = None,
) -> ImageReading:
    """Find, cut out and label the cells of an image.

    Parameters
    ----------
    dataset : Dataset
    sample : Sample
        Of this data set. Its cells may come from a table.
    labels : CellLabels
    settings : CellSettings
    table : LabelReading, optional
        Of the table that names the cells of this image.

    Returns
    -------
    ImageReading

    Raises
    ------
    DataError
        As `read_field`.
    ImageError
        As `load_rgb`.
    """
    loaded = load_field(sample.path, settings.field_pixels)
    taken_as = "field" if table else _taken_as(dataset, loaded[0])
    kind, found = image_cells(*loaded, settings, taken_as)
    field = None
    if kind == "field":
        found = with_resolved_cells(found, sample.path, settings)
        boxed = dataset.layout in BOXED and table is None
        field = read_field(
            found,
            sample,
            labels,
            settings,
            label_of_boxes=boxed,
            names_all=sample.cells is not None and names_all_leucocytes(table or dataset.reading),
        )
        cells = field.cells
    else:
        cells = _one_cell(found, labels.of(sample.label))
    return ImageReading(cells, found.header, pixel_digest(found), thumbnail(found.rgb), field)


def pixel_digest(found: FieldCells) -> str:
    """Return the SHA-256 of the pixels of an image."""
    return hashlib.sha256(repr(found.rgb.shape).encode() + found.rgb.tobytes()).hexdigest()


def _taken_as(dataset: Dataset, rgb: RGB) -> TakenAs:
    """Return what an image is taken as, by its layout, else by its size or its content."""
    if dataset.layout in FIELDS:
        return "field"
    if dataset.layout in SINGLE_CELL_LAYOUTS or min(rgb.shape[:2]) < FIELD_SIDE:
        return "cell"
    return "auto"


def _one_cell(found: FieldCells, label: str | None) -> tuple[CellReading, ...]:
    """Return the cell of an image of one cell; none if its label is ignored."""
    if label is None:
        return ()
    return (CellReading(found.cells[0], found.crops[0], label, counted=False),)
