"""Reads the data sets that a model of cells is trained on, and tables of their cells."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ....errors import DataError, UsageError
from ....runtime.data.cell_kinds import read_cell_labels
from ....runtime.data.cell_truth import TrueCell
from ....runtime.data.datasets import Dataset, Sample, read_dataset
from ....runtime.data.label_reading import NEGATIVE, LabelReading
from ....runtime.data.layout_types import CELL, ReadOptions
from ..examples import match_images, read_rows
from .labels import check_positive_names

TABLE_COLUMNS = ("image", "x", "y", "label")


@dataclass(frozen=True)
class CellTable:
    """What a table says of the cells of images.

    Parameters
    ----------
    path : Path
    reading : LabelReading
        Of its labels.
    cells : dict of int to tuple of TrueCell
        Index of an image -> its cells. Images without a row are missing.
    """

    path: Path
    reading: LabelReading
    cells: dict[int, tuple[TrueCell, ...]]


def read_cell_datasets(
    roots: Sequence[Path],
    options: ReadOptions | None = None,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Dataset, ...]:
    """Read the data sets of a model of cells.

    Parameters
    ----------
    roots : sequence of Path
        Folders of data sets.
    options : ReadOptions, optional
        For all data sets. Its task is ignored.
    progress : callable, optional
        As of `read_dataset`.

    Returns
    -------
    tuple of Dataset
        One of them may have healthy cells only.

    Raises
    ------
    UsageError
        If a folder is named twice, a layout or a file of labels is given for several data sets, or
        no data set has a label that the user named.
    DataError
        As `read_dataset`.
    """
    options = replace(options or ReadOptions(), task=CELL)
    if len(roots) > 1 and (options.layout or options.labels_file):
        raise UsageError(
            f"{'--layout' if options.layout else '--labels'} is given for {len(roots)} data sets",
            fix="give it with a single --data; bring the other data sets into a layout that is "
            "detected",
        )
    resolved = [Path(root).resolve() for root in roots]
    for index, root in enumerate(resolved):
        for other in resolved[:index]:
            if root == other or root in other.parents or other in root.parents:
                raise UsageError(
                    f"{roots[index]} and {roots[resolved.index(other)]} hold the same images",
                    fix="name each data set once",
                )
    datasets = tuple(read_dataset(root, options, progress=progress) for root in roots)
    check_positive_names(datasets, options.positive)
    return datasets


def read_cell_table(path: Path, names: tuple[str, ...], positive: Sequence[str] = ()) -> CellTable:
    """Read a table of cells, with the columns ``image,x,y,label``.

    Parameters
    ----------
    path : Path
        A row without position and label says that an image has no cell.
    names : tuple of str
        Of all images, as `match_images` takes them.
    positive : sequence of str
        Labels that mean leukaemia, if the user named them.

    Returns
    -------
    CellTable

    Raises
    ------
    DataError
        If the file cannot be read, names an image that is in no data set, a position is no number,
        or it is not clear what a label means.
    """
    rows = read_rows(path, TABLE_COLUMNS)
    indices = match_images(names, (row["image"] for row in rows), path)
    cells: dict[int, list[TrueCell]] = defaultdict(list)
    for index, row in zip(indices, rows, strict=True):
        own = cells[index]
        if not (row["x"] or row["y"] or row["label"]):
            continue
        x, y = (_position(row[axis], row["image"], path) for axis in ("x", "y"))
        own.append(TrueCell(row["label"], x, y))
    labels = sorted({cell.label for own in cells.values() for cell in own})
    if not labels or "" in labels:
        raise DataError(
            f"{path} has {'a row without a label' if labels else 'no cell'}",
            allowed=f"the columns {','.join(TABLE_COLUMNS)}, with the centre of a cell in pixels",
        )
    reading = read_cell_labels(path, labels, positive)
    return CellTable(path, reading, {index: tuple(own) for index, own in cells.items()})


def names_all_leucocytes(reading: LabelReading) -> bool:
    """Return whether a source names healthy leucocytes too; then it is taken to name all."""
    return any(row.meaning == NEGATIVE for row in reading.meanings)


def all_samples(datasets: Sequence[Dataset]) -> list[tuple[Dataset, Sample]]:
    """Return the images of all data sets, in order."""
    return [(dataset, sample) for dataset in datasets for sample in dataset.samples]


def image_names(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """Return the path of each image inside its data set, behind its name if there are several."""
    return tuple(
        dataset.relative(sample) if len(datasets) == 1 else f"{name}/{dataset.relative(sample)}"
        for name, dataset in zip(dataset_names(datasets), datasets, strict=True)
        for sample in dataset.samples
    )


def dataset_names(datasets: Sequence[Dataset]) -> list[str]:
    """Return the names of the folders of the data sets, numbered where they are the same."""
    names: list[str] = []
    for index, dataset in enumerate(datasets):
        name = dataset.root.resolve().name
        same = sum(other.root.resolve().name == name for other in datasets[:index])
        names.append(f"{name}-{same + 1}" if same else name)
    return names


def _position(text: str, image: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"{path} has the position {text!r} for a cell of {image}",
            allowed="x and y of its centre, in pixels of the upright image",
        )
    return value
