"""Reads the cells of one field, and labels each by what the data set says of its position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....errors import DataError
from ....runtime.cells.crops import crop_cell
from ....runtime.cells.field_cells import FieldCells
from ....runtime.cells.field_rule import OTHER
from ....runtime.cells.matching import match_cells
from ....runtime.cells.settings import CellSettings
from ....runtime.cells.types import Cell
from ....runtime.data.cell_truth import TrueCell
from ....runtime.data.datasets import Sample
from .labels import CellLabels

# Radius of the nucleus over half the shorter side of the box around its cell, where the nucleus
# itself was not found. Only crops whose unit is the nucleus depend on it.
NUCLEUS_SHARE = 0.75


@dataclass(frozen=True)
class CellReading:
    """One cell, as the model sees it, and its label.

    Parameters
    ----------
    cell : Cell
        In pixels of the upright original.
    crop : (S, S, 3) ndarray of uint8
    label : str
        Of the model.
    counted : bool
        False if the device does not count it among the cells of a field: an image of one cell, or
        a cell that detection missed.
    """

    cell: Cell
    crop: NDArray[np.uint8]
    label: str
    counted: bool = True


@dataclass(frozen=True)
class FieldReading:
    """The cells of a field, and how many true blasts it has.

    Parameters
    ----------
    cells : tuple of CellReading
    label : str
        Of the model.
    blasts : int
        True number.
    missed_blasts : int
        Number of true blasts that no detected cell matches.
    """

    cells: tuple[CellReading, ...]
    label: str
    blasts: int
    missed_blasts: int


def read_field(
    found: FieldCells,
    sample: Sample,
    labels: CellLabels,
    settings: CellSettings,
    *,
    label_of_boxes: bool,
    names_all: bool,
) -> FieldReading:
    """Label the detected cells of a field.

    A detected cell at a true one has its label. Without a true cell, it has the negative label, or
    that of what is no leucocyte if the data set names all leucocytes. A boxed leucocyte that
    detection missed is added, so that it is trained on; it is not counted.

    Parameters
    ----------
    found : FieldCells
        The detected cells.
    sample : Sample
    labels : CellLabels
    settings : CellSettings
    label_of_boxes : bool
        Whether the label of the field follows from its boxes.
    names_all : bool
        Whether the data set names all leucocytes of the field.

    Returns
    -------
    FieldReading

    Raises
    ------
    DataError
        If the label of the field is positive and no blast is named, or it is negative and one is.
    """
    truth = true_cells(sample, labels)
    is_blast = [cell.label in labels.positive for cell in truth]
    blasts = [cell.label for cell, blast in zip(truth, is_blast, strict=True) if blast]
    label = (blasts or [labels.negative])[0] if label_of_boxes else labels.of(sample.label)
    _check_field(sample, label in labels.positive, len(blasts))
    matches = match_cells(found.cells, truth)
    cells = []
    for index, cell in enumerate(found.cells):
        own = _label_of(cell, matches.get(index), truth, labels, names_all)
        cells.append(CellReading(cell, found.crops[index], own))
    missed = sorted(set(range(len(truth))) - set(matches.values()))
    cells += [
        _boxed_cell(found, truth[index], settings)
        for index in missed
        if truth[index].width and truth[index].label != OTHER
    ]
    missed_blasts = sum(is_blast[index] for index in missed)
    return FieldReading(tuple(cells), label or labels.negative, len(blasts), missed_blasts)


def true_cells(sample: Sample, labels: CellLabels) -> list[TrueCell]:
    """Return the cells that a data set names in a field, with the labels of the model.

    Erythrocytes and the like are left out. What is no leucocyte is kept, because detection may
    find it.
    """
    if sample.cells is None:
        label = labels.of(sample.label)
        blast = label if label in labels.positive else labels.positive[0]
        return [TrueCell(blast, x, y) for x, y in sample.centroids]
    return [
        cell._replace(label=label)
        for cell in sample.cells
        if (label := labels.of(cell.label)) is not None
    ]


def _label_of(
    cell: Cell,
    match: int | None,
    truth: list[TrueCell],
    labels: CellLabels,
    names_all: bool,
) -> str:
    """Return the label of a detected cell."""
    if match is not None:
        return truth[match].label
    # a second detection in a box shows the same cell, for example a lobe of its nucleus
    around = [true.label for true in truth if true.contains(cell.x, cell.y)]
    if around:
        return around[0]
    return labels.no_leucocyte if names_all or "smudge" in cell.flags else labels.negative


def _boxed_cell(found: FieldCells, truth: TrueCell, settings: CellSettings) -> CellReading:
    """Return a cell that detection missed, with the place and size of its box."""
    radius = NUCLEUS_SHARE * min(truth.width, truth.height) / 2
    half, scale = (found.scale - 1) / 2, found.scale
    reduced = Cell((truth.x - half) / scale, (truth.y - half) / scale, radius / scale)
    crop = crop_cell(found.rgb, reduced, found.detection, settings.crop)
    return CellReading(Cell(truth.x, truth.y, radius), crop, truth.label, counted=False)


def _check_field(sample: Sample, positive: bool, blasts: int) -> None:
    """Refuse a field whose label says something else than its cells."""
    if positive and not blasts:
        raise DataError(
            f"{sample.path} has the label {sample.label!r}, and no positions of its blasts: it is "
            "not known which of its cells are blasts",
            allowed="centroids in xyc/, boxes with classes (YOLO, VOC), or a table of cells",
            fix="--cells FILE.csv with the columns image,x,y,label; or --task field",
        )
    if not positive and blasts:
        raise DataError(
            f"{sample.path} has the label {sample.label!r}, and the positions of {blasts} blasts",
            fix="correct its label, or remove the positions from the file that names them",
        )
