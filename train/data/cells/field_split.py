"""Splits of cells: made of whole fields, then applied to the cells of each field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ....errors import DataError
from ....runtime.data.datasets import Sample
from ..examples import Examples
from ..split_types import SOURCE, Fold, Indices, Split
from ..splits import make_split
from .source_split import source_split
from .types import CellExamples
from .unknown_cells import known_cells


def split_cells(examples: CellExamples, kind: str, folds: int, seed: int) -> Split:
    """Return a split of cells in which each fold treats all cells of a field alike.

    A split by cameras leaves out whole fields with blasts, and with them their healthy cells. A
    CSV file names fields, and images of one cell.

    Parameters
    ----------
    examples : CellExamples
    kind, folds, seed
        As `make_split`.

    Returns
    -------
    Split
        Its indices are those of cells. Cells whose truth is not known are tested, so that their
        field can be judged, and not trained on.

    Raises
    ------
    UsageError
        As `make_split`.
    DataError
        As `make_split`, or if no cell of a label is left to train on, or a fold tests no cell.
    """
    if kind == SOURCE:
        split = source_split(examples)
        _refuse_unusable_fold(examples, kind, split.folds)
        return split
    names, owners = _owners(examples, with_empty=kind.lower().endswith(".csv"))
    split = make_split(_pictures(examples, names, owners), kind, folds, seed)

    known = known_cells(examples)

    def trained_cells(pictures: Indices) -> Indices:
        return np.flatnonzero(np.isin(owners, pictures) & known)

    cell_folds = tuple(
        replace(
            fold,
            train=trained_cells(fold.train),
            test=np.flatnonzero(np.isin(owners, fold.test)),
            validation=None if fold.validation is None else trained_cells(fold.validation),
        )
        for fold in split.folds
    )
    _refuse_unusable_fold(examples, split.kind, cell_folds)
    groups = tuple(split.groups[owner] for owner in owners)
    refit = None if known.all() else np.flatnonzero(known)
    return Split(split.kind, cell_folds, split.test_fold[owners], groups, split.notes, refit)


def _owners(examples: CellExamples, *, with_empty: bool) -> tuple[tuple[str, ...], Indices]:
    """Return the names of all pictures, and the index of the picture of each cell.

    A picture is a field, or an image of one cell. A field without a cell is one `with_empty`.
    """
    fields = {field.name for field in examples.fields}
    parents = (name.rpartition("#")[0] for name in examples.names)
    names = tuple(
        parent if parent in fields else name
        for name, parent in zip(examples.names, parents, strict=True)
    )
    empty = [field.name for field in examples.fields if not field.cells] if with_empty else []
    index_of = {name: index for index, name in enumerate(dict.fromkeys((*names, *empty)))}
    return tuple(index_of), np.array([index_of[name] for name in names], dtype=np.int64)


def _pictures(examples: CellExamples, names: Sequence[str], owners: Indices) -> Examples:
    """Return the pictures as a data set of their own, without pixels."""
    fields = {field.name: field for field in examples.fields}
    first = dict(zip(owners[::-1].tolist(), reversed(range(len(owners))), strict=True))
    samples, groups = [], []
    for index, name in enumerate(names):
        field = fields.get(name)
        if index in first:
            own = examples.dataset.samples[first[index]]
            groups.append(examples.groups[first[index]])
            samples.append(replace(own, label=field.label, camera=field.camera) if field else own)
        elif field:
            samples.append(Sample(field.path, field.label, field.group, field.camera, 1, 1))
            groups.append(field.group)
    present = {sample.label for sample in samples}
    labels = tuple(label for label in examples.dataset.labels if label in present)
    dataset = replace(
        examples.dataset,
        samples=tuple(samples),
        labels=labels,
        positive=tuple(label for label in examples.dataset.positive if label in present),
    )
    truth = np.array([labels.index(sample.label) for sample in samples], dtype=np.int64)
    pixels = np.empty((len(samples), 0, 0, 3), dtype=np.uint8)
    return Examples(dataset, pixels, truth, tuple(groups), tuple(names), ())


def _refuse_unusable_fold(examples: CellExamples, kind: str, folds: Sequence[Fold]) -> None:
    for fold in folds:
        if missing := examples.missing_labels(fold.train):
            raise DataError(
                f"the split {kind} leaves no cell of the class {', '.join(missing)} to train on "
                f"for fold {fold.number}",
                fix="add fields with such cells, or leave out the data set that names them",
            )
        if not len(fold.test):
            raise DataError(
                f"fold {fold.number} of the split {kind} tests no cell: none was found in its "
                "fields",
                fix="use fewer folds, or put other fields into that fold",
            )
