"""Reads the images or cells of a study, and makes its splits; imports neither keras nor optuna."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...errors import AlledgeError, DataError
from ...runtime.data.datasets import Dataset, read_dataset
from ..data.cells.field_split import split_cells
from ..data.cells.reading import read_cell_examples
from ..data.cells.sources import read_cell_datasets
from ..data.cells.types import CellExamples
from ..data.examples import Examples, read_examples
from ..data.overlaps.alignment import Overlap
from ..data.split_types import CAMERA, GIVEN, GROUPED, PAPER, Split
from ..data.splits import make_split
from .options import StudyOptions, split_name


def read_sources(
    options: StudyOptions, progress: Callable[[str, int, int], None] | None
) -> tuple[Dataset, ...]:
    """Return the data sets of a study, without their pixels.

    Raises
    ------
    DataError, UsageError
        As `read_dataset` or `read_cell_datasets`.
    """
    if options.cells is None:
        return (read_dataset(options.data, options.read_options, progress=progress),)
    paths = (options.data, *options.more_data)
    return read_cell_datasets(paths, options.read_options, progress=progress)


def read_study_examples(
    options: StudyOptions,
    datasets: Sequence[Dataset],
    overlaps: Sequence[Overlap],
    progress: Callable[[str, int, int], None] | None,
) -> Examples:
    """Return the images of a data set, or the cells of one or several.

    Raises
    ------
    DataError
        As `read_examples` or `read_cell_examples`.
    """
    if options.cells is None:
        pairs = [(overlap.a, overlap.b) for overlap in overlaps]
        return read_examples(datasets[0], options.image_settings, options.groups, overlaps=pairs)
    return read_cell_examples(
        datasets,
        options.cells,
        options.groups,
        overlaps=overlaps,
        cells_file=options.cells_file,
        progress=progress,
    )


def with_default_splits(options: StudyOptions, dataset: Dataset) -> StudyOptions:
    """Return the options with the default splits of a data set, if none is named."""
    if options.splits:
        return options
    if dataset.has_given_split:
        return replace(options, splits=(GIVEN,))
    # the paper's split has no meaning for cells: it separates those of a field
    splits = (GROUPED, CAMERA) if options.cells else (PAPER, GROUPED, CAMERA)
    return replace(options, splits=splits, optional=(CAMERA,))


def make_splits(
    examples: Examples, options: StudyOptions
) -> tuple[dict[str, Split], dict[str, str]]:
    """Return the splits, and the reason for every optional split that is left out.

    Raises
    ------
    UsageError, DataError
        If a split cannot be made that is not optional.
    """
    splits: dict[str, Split] = {}
    left_out: dict[str, str] = {}
    for kind in options.splits:
        name = split_name(kind)
        try:
            split = _make_split(examples, kind, options)
            _check_tunable(name, split, examples)
        except AlledgeError as error:
            if kind not in options.optional:
                raise
            left_out[name] = error.what
        else:
            splits[name] = split
    return splits, left_out


def _make_split(examples: Examples, kind: str, options: StudyOptions) -> Split:
    if isinstance(examples, CellExamples):
        return split_cells(examples, kind, options.folds, options.seed)
    return make_split(examples, kind, options.folds, options.seed)


def _check_tunable(name: str, split: Split, examples: Examples) -> None:
    """Refuse a split if a class has one group in a training part: inner folds need two."""
    labels = examples.dataset.labels
    for fold in split.folds:
        for index, label in enumerate(labels):
            groups = {split.groups[i] for i in fold.train if examples.truth[i] == index}
            if len(groups) < 2:
                raise DataError(
                    f"fold {fold.number} of the split {name!r} trains on {len(groups)} groups of "
                    f"the class {label!r}: nothing can be tuned inside it",
                    allowed="2 groups or more",
                    fix="add images of that class, or leave this split out with --splits",
                )
