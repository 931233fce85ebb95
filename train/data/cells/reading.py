"""Reads the cells of data sets for training, with the groups that a split keeps together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ....errors import DataError, ImageError
from ....runtime.cells.settings import CellSettings
from ....runtime.data.cell_truth import TrueCell, check_positions
from ....runtime.data.datasets import Dataset, Sample
from ....runtime.data.label_reading import POSITIVE
from ....runtime.guards.image_statistics import image_statistics
from ..examples import NAMED_AT_MOST
from ..overlaps.alignment import Overlap
from ..overlaps.search import find_overlaps
from .copies import find_copies
from .field_reading import CellReading
from .grouping import group_images, image_cameras
from .image_reading import ImageReading, read_image
from .labels import CellLabels, unite_labels
from .same_cells import same_cells
from .sources import CellTable, all_samples, dataset_names, image_names, read_cell_table
from .types import CellExamples, FieldTruth

# (stage, number of finished items, number of items)
Progress = Callable[[str, int, int], None]


def read_cell_examples(
    datasets: Sequence[Dataset],
    settings: CellSettings,
    groups_file: Path | None = None,
    *,
    overlaps: Iterable[Overlap] | None = None,
    cells_file: Path | None = None,
    both_sides: bool = True,
    progress: Progress | None = None,
) -> CellExamples:
    """Find, cut out and label the cells of all images of one or several data sets.

    Parameters
    ----------
    datasets : sequence of Dataset
        As `read_cell_datasets` returns them.
    settings : CellSettings
    groups_file : Path, optional
        CSV file with the columns ``image,group``. Images of one group stay together in a split.
    overlaps : iterable of Overlap, optional
        Images that show the same content, by their index among the samples of all data sets, in
        order. By default they are searched.
    cells_file : Path, optional
        CSV file with the columns ``image,x,y,label``: the truth of the cells of fields. In an
        image without a blast in the file, the centroids of the data set are the blasts.
    both_sides : bool
        Refuse data sets that together have no blasts, or no healthy leucocytes.
    progress : callable, optional
        Called with the stage, the number of finished items and their number.

    Returns
    -------
    CellExamples

    Raises
    ------
    DataError
        If an image is damaged, a file does not agree with the data sets, the labels of the cells
        of a field are not known, or labels of the data sets contradict each other.
    """
    names = image_names(datasets)
    positive = [name for dataset in datasets for name in dataset.options.positive]
    table = read_cell_table(cells_file, names, positive) if cells_file else None
    labels = unite_labels(datasets, [table.reading] if table else [], both_sides=both_sides)
    readings = _read_images(datasets, settings, labels, table, progress)
    if overlaps is None:
        overlaps = find_overlaps([sample.path for _, sample in all_samples(datasets)], progress)
    overlaps = list(overlaps)
    copies = find_copies(np.array([reading.thumbnail for reading in readings]))
    pairs = [*((overlap.a, overlap.b) for overlap in overlaps), *copies]
    digests = [reading.digest for reading in readings]
    groups = group_images(datasets, names, digests, pairs, groups_file)
    examples = _assemble(
        datasets,
        settings,
        labels,
        names,
        [names[index] for index in groups],
        image_cameras(datasets, overlaps),
        readings,
    )
    return replace(examples, same_cells=tuple(same_cells(readings, overlaps, copies)))


def _read_images(
    datasets: Sequence[Dataset],
    settings: CellSettings,
    labels: CellLabels,
    table: CellTable | None,
    progress: Progress | None,
) -> list[ImageReading]:
    images = all_samples(datasets)
    readings, broken = [], []
    for index, (dataset, sample) in enumerate(images):
        own = table.reading if table and index in table.cells else None
        if table and own:
            cells = table.cells[index]
            places = [(cell.x, cell.y) for cell in cells]
            check_positions(places, (sample.width, sample.height), sample.path, table.path)
            sample = replace(sample, cells=_with_centroids(sample, cells, labels))
        try:
            readings.append(read_image(dataset, sample, labels, settings, own))
        except ImageError as error:
            broken.append(error.what)
        if progress:
            progress("finding cells", index + 1, len(images))
    if broken:
        more = f"; and {len(broken) - NAMED_AT_MOST} more" if len(broken) > NAMED_AT_MOST else ""
        raise DataError(
            f"{len(broken)} of {len(images)} images are damaged: "
            f"{'; '.join(broken[:NAMED_AT_MOST])}{more}",
            fix="replace or remove them; nothing was trained",
        )
    return readings


def _with_centroids(
    sample: Sample, cells: tuple[TrueCell, ...], labels: CellLabels
) -> tuple[TrueCell, ...]:
    """Return the cells of a table, and the centroids of blasts if the table names no blast."""
    if any(labels.of(cell.label) in labels.positive for cell in cells):
        return cells
    label = next(row.label for row in labels.reading.meanings if row.meaning == POSITIVE)
    return (*cells, *(TrueCell(label, x, y) for x, y in sample.centroids))


def _assemble(
    datasets: Sequence[Dataset],
    settings: CellSettings,
    labels: CellLabels,
    names: Sequence[str],
    groups: Sequence[str],
    cameras: Sequence[str],
    readings: Sequence[ImageReading],
) -> CellExamples:
    """Return the examples of all cells, in the order of their images."""
    samples = [
        replace(sample, camera=camera)
        for (_, sample), camera in zip(all_samples(datasets), cameras, strict=True)
    ]
    fields: list[FieldTruth] = []
    field_of_image: dict[int, int] = {}
    for index, reading in enumerate(readings):
        if reading.field:
            field_of_image[index] = len(fields)
            fields.append(
                FieldTruth(
                    name=names[index],
                    path=samples[index].path,
                    label=reading.field.label,
                    camera=cameras[index],
                    group=groups[index],
                    blasts=reading.field.blasts,
                    cells=sum(cell.counted for cell in reading.cells),
                    missed_blasts=reading.field.missed_blasts,
                )
            )
    rows = [(index, cell) for index, reading in enumerate(readings) for cell in reading.cells]
    origins = [
        name
        for name, dataset in zip(dataset_names(datasets), datasets, strict=True)
        for _ in dataset.samples
    ]
    size = settings.crop.size
    pixels = np.array([cell.crop for _, cell in rows], np.uint8).reshape(-1, size, size, 3)
    cell_samples = tuple(replace(samples[i], label=cell.label) for i, cell in rows)
    return CellExamples(
        dataset=_united_dataset(datasets, labels, cell_samples),
        pixels=pixels,
        truth=np.array([labels.labels.index(cell.label) for _, cell in rows], dtype=np.int64),
        groups=tuple(groups[index] for index, _ in rows),
        names=tuple(_cell_name(names[index], readings[index], cell) for index, cell in rows),
        statistics=tuple(
            image_statistics(crop, replace(readings[index].header, camera=cameras[index]))
            for crop, (index, _) in zip(pixels, rows, strict=True)
        ),
        file_flags=tuple(readings[index].header.flags for index, _ in rows),
        origins=tuple(origins[index] for index, _ in rows),
        settings=settings,
        fields=tuple(fields),
        field_index=np.array(
            [field_of_image[index] if cell.counted else -1 for index, cell in rows], dtype=np.int64
        ),
        positions=np.array(
            [(row.cell.x, row.cell.y, row.cell.radius) for _, row in rows], dtype=np.float64
        ).reshape(-1, 3),
        flags=tuple(row.cell.flags for _, row in rows),
        sources=tuple(datasets),
    )


def _united_dataset(
    datasets: Sequence[Dataset], labels: CellLabels, samples: tuple[Sample, ...]
) -> Dataset:
    """Return the data set of all cells: the first one, with the labels of all."""
    return replace(
        datasets[0],
        layout=" + ".join(dict.fromkeys(dataset.layout for dataset in datasets)),
        labels=labels.labels,
        positive=labels.positive,
        samples=samples,
        generated=all(dataset.generated for dataset in datasets),
        subjects=all(dataset.subjects for dataset in datasets),
        reading=labels.reading,
        notes=tuple(note for dataset in datasets for note in dataset.notes),
    )


def _cell_name(image: str, reading: ImageReading, cell: CellReading) -> str:
    """Return the name of a cell: its position behind the name of a field."""
    return f"{image}#{round(cell.cell.x)},{round(cell.cell.y)}" if reading.field else image
