"""Reads the fields and cells of the ablation, once for each way to cut out cells."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
    cells_file : Path, optional
        CSV file with the truth of the cells of fields.
    """

    data: Path
    groups: Path | None
    negatives: Path | None
    cells_file: Path | None = None

    def __post_init__(self) -> None:
        self._last: dict[bool, tuple[CropSettings, CellExamples]] = {}

    def fingerprint(self) -> str:
        """Return a text that identifies the content of the data sets and the groups file."""
        sets = [
            read_cell_datasets([path])[0].fingerprint()
            for path in (self.data, self.negatives)
            if path
        ]
        files = [path.read_bytes() for path in (self.groups, self.cells_file) if path]
        return f"{sets} {hashlib.sha256(bytes(1).join(files)).hexdigest()}"

    def fields(self) -> Examples:
        """Return the whole fields."""
        settings = ImageSettings(size=FIELD_SIZE, draft=2 * FIELD_SIZE)
        return read_examples(read_dataset(self.data), settings, self.groups)

    def cells(self, crop: CropSettings) -> CellExamples:
        """Return the cells of the fields."""
        examples = self._read(crop, [self.data])
        return _select(examples, np.flatnonzero(examples.field_index >= 0))

    def negative_cells(self, crop: CropSettings) -> CellExamples | None:
        """Return the cells of healthy people, None without a folder."""
        if self.negatives is None:
            return None
        # a set without a blast is read beside one that has some
        examples = self._read(crop, [self.data, self.negatives])
        return _select(examples, np.flatnonzero(examples.field_index < 0))

    def _read(self, crop: CropSettings, roots: list[Path]) -> CellExamples:
        """Return the cells of some data sets. Those of the last settings are kept in memory."""
        is_mix = len(roots) > 1
        if is_mix not in self._last or self._last[is_mix][0] != crop:
            settings = CellSettings(crop=crop)
            examples = read_cell_examples(
                read_cell_datasets(roots), settings, self.groups, cells_file=self.cells_file
            )
            self._last[is_mix] = (crop, examples)
        return self._last[is_mix][1]


def _select(examples: CellExamples, rows: NDArray[np.int64]) -> CellExamples:
    """Return some cells, with the labels that they have."""
    present = sorted(set(examples.truth[rows].tolist()))
    labels = tuple(examples.dataset.labels[index] for index in present)

    def of_rows(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[index] for index in rows)

    return replace(
        examples,
        dataset=replace(examples.dataset, labels=labels, samples=of_rows(examples.dataset.samples)),
        pixels=examples.pixels[rows],
        truth=np.searchsorted(present, examples.truth[rows]),
        groups=of_rows(examples.groups),
        names=of_rows(examples.names),
        statistics=of_rows(examples.statistics),
        file_flags=of_rows(examples.file_flags),
        origins=of_rows(examples.origins),
        field_index=examples.field_index[rows],
        positions=examples.positions[rows],
        flags=of_rows(examples.flags),
    )


def is_positive(examples: Examples) -> NDArray[np.bool_]:
    """Return whether each example is a blast, or a field with blasts."""
    positive = [label in examples.dataset.positive for label in examples.dataset.labels]
    return np.array(positive)[examples.truth]


def is_smudge(examples: CellExamples) -> NDArray[np.bool_]:
    """Return whether each cell is a smudge cell."""
    return np.array(["smudge" in flags for flags in examples.flags], dtype=bool)
