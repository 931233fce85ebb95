"""Cells of one or several data sets, prepared for training, and the truth of their fields."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.settings import CellSettings
from ....runtime.data.datasets import Dataset
from ..examples import Examples, flag_notes


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
        Index into `fields` of each cell; -1 for an image of one cell, and for a cell that is
        trained on although detection missed it: the device does not count it.
    positions : (N, 3) ndarray of float64
        x, y and radius of each cell in pixels of the upright original.
    flags : tuple of tuple of str
        Of each cell, as `Cell.flags`: ``clipped``, ``smudge``.
    sources : tuple of Dataset
        The data sets, as they were read.
    same_cells : tuple of (int, int)
        Examples that show the same cell. They are in one group.
    """

    settings: CellSettings = field(default_factory=CellSettings)
    fields: tuple[FieldTruth, ...] = ()
    field_index: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    positions: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    flags: tuple[tuple[str, ...], ...] = ()
    sources: tuple[Dataset, ...] = ()
    same_cells: tuple[tuple[int, int], ...] = ()

    def flag_notes(self) -> tuple[str, ...]:
        """Return how many images have flags of their files, in one line; nothing if none has."""
        one_each = {
            sample.path: flags
            for sample, flags in zip(self.dataset.samples, self.file_flags, strict=True)
        }
        return flag_notes(one_each.values())

    def truth_digest(self) -> str:
        """Return ``sha256:…`` over the position, label and group of every cell, and its pixels.

        It changes with the detector, the labels and the settings of the crops. Two runs with one
        digest were trained on the same examples.
        """
        total = hashlib.sha256(self.pixels.tobytes())
        for name, label, group in zip(self.names, self.truth.tolist(), self.groups, strict=True):
            row = f"{name}\0{self.dataset.labels[label]}\0{group}\n"
            total.update(row.encode("utf-8", "surrogateescape"))
        for truth in self.fields:
            total.update(f"{truth.name}\0{truth.blasts}\n".encode("utf-8", "surrogateescape"))
        return f"sha256:{total.hexdigest()}"
