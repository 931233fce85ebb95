"""Reads the fields and cells of the ablation, once for each way to cut out cells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.crop_settings import CropSettings
from ....runtime.cells.settings import CellSettings
from ....runtime.data.datasets import read_dataset
from ....runtime.image_settings import ImageSettings
from ....train.data.cells.reading import read_cell_examples
from ....train.data.cells.sources import read_cell_datasets
from ....train.data.cells.types import CellExamples
from ....train.data.examples import Examples, read_examples
from .variants import FIELD_SIZE


@dataclass
class CellSource:
    """The data sets of the ablation.

    Parameters
    ----------
    data : Path
        ALL-IDB1, or another set whose blasts have positions.
    groups : Path, optional
        CSV file with the images that stay together.
    negatives : Path, optional
        A folder per kind with images of single cells of healthy people.
    """

    data: Path
    groups: Path | None
    negatives: Path | None

    def __post_init__(self) -> None:
        self._cells: tuple[CropSettings, CellExamples] | None = None
        self._negatives: tuple[CropSettings, CellExamples] | None = None

    def fingerprint(self) -> str:
        """Return a text that identifies the content of the data sets and the groups file."""
        sets = [
            read_cell_datasets([path])[0].fingerprint()
            for path in (self.data, self.negatives)
            if path
        ]
        groups = self.groups.read_text(encoding="utf-8") if self.groups else ""
        return f"{sets} {hashlib.sha256(groups.encode()).hexdigest()}"

    def fields(self) -> Examples:
        """Return the whole fields."""
        settings = ImageSettings(size=FIELD_SIZE, draft=2 * FIELD_SIZE)
        return read_examples(read_dataset(self.data), settings, self.groups)

    def cells(self, crop: CropSettings) -> CellExamples:
        """Return the cells of the fields. Those of the last settings are kept in memory."""
        if self._cells is None or self._cells[0] != crop:
            settings = CellSettings(crop=crop)
            examples = read_cell_examples(read_cell_datasets([self.data]), settings, self.groups)
            self._cells = (crop, examples)
        return self._cells[1]

    def negative_cells(self, crop: CropSettings) -> CellExamples | None:
        """Return the cells of healthy people, None without a folder."""
        if self.negatives is None:
            return None
        if self._negatives is None or self._negatives[0] != crop:
            settings = CellSettings(crop=crop)
            datasets = read_cell_datasets([self.negatives])
            examples = read_cell_examples(datasets, settings, overlaps=())
            self._negatives = (crop, examples)
        return self._negatives[1]


def is_positive(examples: Examples) -> NDArray[np.bool_]:
    """Return whether each example is a blast, or a field with blasts."""
    positive = [label in examples.dataset.positive for label in examples.dataset.labels]
    return np.array(positive)[examples.truth]


def is_smudge(examples: CellExamples) -> NDArray[np.bool_]:
    """Return whether each cell is a smudge cell."""
    return np.array(["smudge" in flags for flags in examples.flags], dtype=bool)
