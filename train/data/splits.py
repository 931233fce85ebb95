"""Splits of a data set into folds: grouped folds, a user's CSV file, or a named protocol.

No split tests an image that its fold trained on, and no split but the paper's separates a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import DataError, UsageError, unknown_name
from .examples import NAMED_AT_MOST, Examples, match_images, read_rows
from .group_folds import group_folds, groups_per_class
from .split_protocols import camera_split, given_split, paper_split
from .split_types import (
    ALWAYS_TRAINED,
    CAMERA,
    GIVEN,
    GROUPED,
    HOLDOUT_PARTS,
    PAPER,
    SOURCE,
    SPLITS,
    SUBJECT,
    Fold,
    Indices,
    Split,
)


def make_split(examples: Examples, kind: str, folds: int, seed: int) -> Split:
    """Return a split of the data set, checked for leaks.

    Parameters
    ----------
    examples : Examples
    kind : str
        A name in `SPLITS`, or the path of a CSV file with the columns ``image,fold[,group]``.
        Fold 0 of the file is never tested.
    folds : int
        Number of folds of a grouped split; 1 tests one fifth of the images. In a camera split
        the number of folds of the healthy images. The paper's split always tests one fifth,
        and a CSV file defines its own folds.
    seed : int

    Returns
    -------
    Split

    Raises
    ------
    UsageError
        If there is no split of this name, or the number of folds is too small.
    DataError
        If a class has too few groups, the data set's layout has no subjects, no camera can be
        left out, the data set comes with no split, or a file does not agree with the data
        set, separates a group or leaves a training part without a class.

    Examples
    --------
    >>> split = make_split(examples, "grouped", folds=5, seed=0)  # doctest: +SKIP
    >>> [fold.number for fold in split.folds]  # doctest: +SKIP
    [1, 2, 3, 4, 5]
    """
    if kind == PAPER:
        return paper_split(examples, seed)
    if kind == CAMERA:
        return camera_split(examples, folds, seed)
    if kind == SUBJECT and not examples.dataset.subjects:
        raise DataError(
            f"the layout {examples.dataset.layout} does not say which images are of one subject",
            allowed="c-nmc",
            fix="--split grouped, with --groups FILE.csv if you know the subjects",
        )
    if kind == SOURCE:
        raise UsageError(
            "whole fields are of one data set, so none can be left out",
            fix="--task cell, with --data for each of several data sets",
        )
    if kind == GIVEN:
        return given_split(examples)
    if kind in (GROUPED, SUBJECT):
        return replace(_grouped(examples, folds, seed), kind=kind)
    if not kind.lower().endswith(".csv"):
        raise unknown_name("split", kind, (*SPLITS, "FILE.csv"))
    return _from_file(examples, Path(kind))


def _grouped(examples: Examples, folds: int, seed: int) -> Split:
    """Return a split into `folds` stratified parts, or one holdout of a fifth for 1 fold."""
    if folds < 1:
        raise UsageError(f"{folds} folds cannot be made", allowed="1 (one holdout) or more")
    counts = groups_per_class(examples.truth, examples.groups)
    rarest = int(np.argmin(counts))
    parts = min(HOLDOUT_PARTS, counts[rarest]) if folds == 1 else folds
    if counts[rarest] < max(parts, 2):
        raise DataError(
            f"the class {examples.dataset.labels[rarest]!r} has {counts[rarest]} groups of "
            f"images, fewer than the {max(parts, 2)} folds need",
            fix=f"--folds {counts[rarest]}" if counts[rarest] > 1 else "add images of that class",
        )
    part = group_folds(examples.truth, examples.groups, parts, seed)
    test_fold = np.where(part == 0, 1, ALWAYS_TRAINED) if folds == 1 else part + 1
    split = _disjoint_split(GROUPED, test_fold.astype(np.int64), examples.groups)
    _refuse_missing_class(split, examples)
    return split


def _from_file(examples: Examples, path: Path) -> Split:
    """Return the split that a CSV file with the columns ``image,fold[,group]`` defines."""
    rows = read_rows(path, ("image", "fold"))
    indices = match_images(examples.names, (row["image"] for row in rows), path)
    times_named = np.bincount(indices, minlength=len(examples.names))
    if (times_named != 1).any():
        wrong = [examples.names[i] for i in np.flatnonzero(times_named != 1)]
        raise DataError(
            f"{path} does not agree with the data set: it lacks "
            f"{int((times_named == 0).sum())} images and names {int((times_named > 1).sum())} "
            f"more than once, the first {', '.join(wrong[:NAMED_AT_MOST])}",
            fix="give every image one row",
        )
    if wrong := sorted({row["fold"] for row in rows if not row["fold"].isdecimal()}):
        raise DataError(f"{path} has the fold {wrong[0]!r}", allowed="0 (never tested), 1, 2, 3, …")
    test_fold = np.zeros(len(indices), dtype=np.int64)
    groups = list(examples.groups)
    for index, row in zip(indices, rows, strict=True):
        test_fold[index] = int(row["fold"])
    _refuse_separated_group(groups, test_fold, examples.names, path)
    if "group" in rows[0]:
        for index, row in zip(indices, rows, strict=True):
            groups[index] = row["group"] or groups[index]
        _refuse_separated_group(groups, test_fold, examples.names, path)
    split = _disjoint_split(path.name, test_fold, tuple(groups))
    _refuse_missing_class(split, examples)
    return split


def _refuse_separated_group(
    groups: Sequence[str], test_fold: Indices, names: Sequence[str], path: Path
) -> None:
    first: dict[str, int] = {}
    for index, group in enumerate(groups):
        other = first.setdefault(group, index)
        if test_fold[index] != test_fold[other]:
            raise DataError(
                f"{path} separates the group {group!r}: {names[other]} is in fold "
                f"{test_fold[other]}, {names[index]} in fold {test_fold[index]}",
                fix="put both into one fold: they show the same subject, field or pixels",
            )


def _refuse_missing_class(split: Split, examples: Examples) -> None:
    if not split.folds:
        raise DataError(f"{split.kind} tests no image: every fold is 0", fix="number folds from 1")
    parts = [(f"to train on for fold {fold.number}", fold.train) for fold in split.folds]
    for purpose, images in [*parts, ("to test in any fold", np.flatnonzero(split.test_fold))]:
        if missing := examples.missing_labels(images):
            raise DataError(
                f"{split.kind} leaves no image of the class {', '.join(missing)} {purpose}",
                fix="spread the class over several folds",
            )


def _disjoint_split(kind: str, test_fold: Indices, groups: tuple[str, ...]) -> Split:
    """Return a split whose folds each train on every image that they do not test."""
    folds = tuple(
        Fold(int(number), np.flatnonzero(test_fold != number), np.flatnonzero(test_fold == number))
        for number in np.unique(test_fold)
        if number != ALWAYS_TRAINED
    )
    return Split(kind, folds, test_fold, groups)
