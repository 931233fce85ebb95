"""Reads the cells of data sets for training, with the groups that a split keeps together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ....errors import DataError, ImageError
from ....runtime.cells.settings import CellSettings
from ....runtime.data.datasets import Dataset, Sample
from ....runtime.guards.image_statistics import image_statistics
from ..connected_sets import connected_components
from ..examples import NAMED_AT_MOST, match_images, read_rows
from .field_reading import ImageReading, read_field
from .types import CellExamples, FieldTruth

# (stage, number of finished items, number of items)
Progress = Callable[[str, int, int], None]


def read_cell_examples(
    datasets: Sequence[Dataset],
    settings: CellSettings,
    groups_file: Path | None = None,
    *,
    overlaps: Iterable[tuple[int, int]] = (),
    progress: Progress | None = None,
) -> CellExamples:
    """Find, cut out and label the cells of all images.

    Parameters
    ----------
    datasets : sequence of Dataset
    settings : CellSettings
    groups_file : Path, optional
        CSV file with the columns ``image,group``. Images of one group stay together in a split.
    overlaps : iterable of (int, int)
        Pairs of images that show the same content, by their index among the samples of all data
        sets, in order. They stay together too.
    progress : callable, optional
        Called with the stage, the number of finished images and their number.

    Returns
    -------
    CellExamples

    Raises
    ------
    DataError
        If an image is damaged, the groups file names an image that is in no data set, or the
        labels of the cells are not known.
    """
    images = [(dataset, sample) for dataset in datasets for sample in dataset.samples]
    names = _image_names(datasets)
    readings = _read_images(images, settings, progress)
    keys = [(index, key) for index, key in enumerate(_group_keys(datasets))]
    keys += [(index, f"pixels\0{reading.digest}") for index, reading in enumerate(readings)]
    if groups_file is not None:
        rows = read_rows(groups_file, ("image", "group"))
        indices = match_images(names, (row["image"] for row in rows), groups_file)
        keys += [(index, f"file\0{row['group']}") for index, row in zip(indices, rows, strict=True)]
    first: dict[str, int] = {}
    pairs = [(first.setdefault(key, index), index) for index, key in keys]
    lowest = connected_components(len(images), [*pairs, *overlaps])
    groups = [names[index] for index in lowest.tolist()]
    return _assemble(datasets, settings, names, groups, readings)


def _image_names(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """Return the path of each image inside its data set, behind its name if there are several."""
    return tuple(
        dataset.relative(sample) if len(datasets) == 1 else f"{name}/{dataset.relative(sample)}"
        for name, dataset in zip(_set_names(datasets), datasets, strict=True)
        for sample in dataset.samples
    )


def _set_names(datasets: Sequence[Dataset]) -> list[str]:
    """Return the names of the folders of the data sets, numbered where they are the same."""
    names: list[str] = []
    for dataset in datasets:
        name = dataset.root.resolve().name
        same = sum(other.root.resolve().name == name for other in datasets[: len(names)])
        names.append(f"{name}-{same + 1}" if same else name)
    return names


def _group_keys(datasets: Sequence[Dataset]) -> list[str]:
    """Return the group of each image, as its own data set says it."""
    return [
        f"{number}\0{sample.group}"
        for number, dataset in enumerate(datasets)
        for sample in dataset.samples
    ]


def _read_images(
    images: Sequence[tuple[Dataset, Sample]], settings: CellSettings, progress: Progress | None
) -> list[ImageReading]:
    readings, broken = [], []
    for index, (dataset, sample) in enumerate(images):
        try:
            readings.append(read_field(dataset, sample, settings))
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


def _assemble(
    datasets: Sequence[Dataset],
    settings: CellSettings,
    names: Sequence[str],
    groups: Sequence[str],
    readings: Sequence[ImageReading],
) -> CellExamples:
    samples = [sample for dataset in datasets for sample in dataset.samples]
    labels, positive = datasets[0].labels, datasets[0].positive
    fields: list[FieldTruth] = []
    field_of_image = {}
    for index, (sample, reading) in enumerate(zip(samples, readings, strict=True)):
        if reading.is_field:
            field_of_image[index] = len(fields)
            fields.append(_field_truth(names[index], groups[index], sample, reading))
    rows = [
        (index, reading, cell) for index, reading in enumerate(readings) for cell in reading.cells
    ]
    size = settings.crop.size
    pixels = np.array([cell.crop for *_, cell in rows], np.uint8).reshape(-1, size, size, 3)
    return CellExamples(
        dataset=replace(
            datasets[0],
            labels=labels,
            positive=positive,
            samples=tuple(replace(samples[i], label=cell.label) for i, _, cell in rows),
        ),
        pixels=pixels,
        truth=np.array([labels.index(cell.label) for *_, cell in rows], dtype=np.int64),
        groups=tuple(groups[index] for index, *_ in rows),
        names=tuple(
            f"{names[i]}#{round(row.cell.x)},{round(row.cell.y)}" if reading.is_field else names[i]
            for i, reading, row in rows
        ),
        statistics=tuple(
            image_statistics(crop, reading.header)
            for crop, (_, reading, _) in zip(pixels, rows, strict=True)
        ),
        file_flags=tuple(reading.header.flags for _, reading, _ in rows),
        settings=settings,
        fields=tuple(fields),
        field_index=np.array(
            [field_of_image[i] if cell.counted else -1 for i, _, cell in rows], dtype=np.int64
        ),
        positions=np.array(
            [(row.cell.x, row.cell.y, row.cell.radius) for *_, row in rows], dtype=np.float64
        ).reshape(-1, 3),
        flags=tuple(row.cell.flags for *_, row in rows),
    )


def _field_truth(name: str, group: str, sample: Sample, reading: ImageReading) -> FieldTruth:
    return FieldTruth(
        name=name,
        path=sample.path,
        label=sample.label,
        camera=sample.camera,
        group=group,
        blasts=reading.blasts,
        cells=sum(cell.counted for cell in reading.cells),
        missed_blasts=reading.missed_blasts,
    )
