"""The split of cells that leaves out one data set after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....errors import DataError
from ..split_types import ALWAYS_TRAINED, SOURCE, Fold, Split
from .types import CellExamples
from .unknown_cells import known_cells


def source_split(examples: CellExamples) -> Split:
    """Return the split in which each fold tests one data set and trains on the others.

    A data set that alone has cells of a class cannot be left out; it is trained on in every fold.
    Cells of the others that show the same as a tested cell are not trained on.

    Parameters
    ----------
    examples : CellExamples

    Returns
    -------
    Split
        Cells whose truth is not known are tested, and not trained on.

    Raises
    ------
    DataError
        If there is one data set, or those that can be left out have no blasts or nothing else.
    """
    origins, groups = np.asarray(examples.origins), np.asarray(examples.groups)
    names = list(dict.fromkeys(examples.origins))
    if len(names) < 2:
        raise DataError(
            "there is one data set: none can be left out",
            fix="give --data for each of several data sets, or --split grouped",
        )
    known = known_cells(examples)
    test_fold = np.full(len(origins), ALWAYS_TRAINED, dtype=np.int64)
    folds: list[Fold] = []
    notes: list[str] = []
    for name in names:
        test = np.flatnonzero(origins == name)
        train = np.flatnonzero(known & (origins != name) & ~np.isin(groups, groups[test]))
        if missing := examples.missing_labels(train):
            notes.append(f"{name} is in every training part: it alone has {', '.join(missing)}")
            continue
        folds.append(Fold(len(folds) + 1, train, test))
        test_fold[test] = folds[-1].number
        notes.append(f"fold {folds[-1].number} tests {name}")
    _refuse_one_side(examples, test_fold != ALWAYS_TRAINED, notes)
    refit = None if known.all() else np.flatnonzero(known)
    return Split(SOURCE, tuple(folds), test_fold, examples.groups, tuple(notes), refit)


def _refuse_one_side(examples: CellExamples, tested: NDArray[np.bool_], notes: list[str]) -> None:
    labels, positive = examples.dataset.labels, examples.dataset.positive
    is_blast = np.array([label in positive for label in labels])[examples.truth]
    for side, cells in (("blasts", is_blast), ("cells that are no blasts", ~is_blast)):
        if not (cells & tested).any():
            raise DataError(
                f"the data sets that can be left out have no {side}: {'; '.join(notes)}",
                fix="add a data set that has them, or --split grouped",
            )
