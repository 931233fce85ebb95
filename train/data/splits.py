"""Splits that do not leak: groups stay together, and no image is tested that was trained on.

A split is a list of folds, each with its own training and test part, so that protocols whose
training part is not simply the rest fit in as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError, unknown_name
from .examples import NAMED_AT_MOST, Examples, find_images, read_rows

GROUPED, PAPER, SUBJECT, CAMERA = "grouped", "paper", "subject", "camera"
SPLITS = (GROUPED, PAPER, SUBJECT, CAMERA)
HOLDOUT_PARTS = 5  # one of five parts, the paper's 80/20, is held out when one fold is asked for
INNER_PARTS = 5  # one of five parts of the training images chooses the best epoch
ALWAYS_TRAINED = 0  # fold of an image that is never tested

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """One fold.

    Parameters
    ----------
    number : int
        From 1.
    train, test : (M,) ndarray of int
        Indices of images, without a common group (but in the paper's split).
    camera : str
        Whose positive images are tested, where a camera is left out.
    """

    number: int
    train: Indices
    test: Indices
    camera: str = ""


@dataclass(frozen=True)
class Split:
    """How a data set is parted.

    Parameters
    ----------
    kind : str
        A name of `SPLITS`, or that of the file it came from.
    folds : tuple of Fold
    of : (N,) ndarray of int
        Fold that tests each image, the first where several do, 0 where none does.
    groups : tuple of str
        Group of each image.
    notes : tuple of str
        What a reader of the figures has to know of it.
    """

    kind: str
    folds: tuple[Fold, ...]
    of: Indices
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()


def make_split(examples: Examples, kind: str, folds: int, seed: int) -> Split:
    """Return a split of the data set, checked for leaks.

    Parameters
    ----------
    examples : Examples
    kind : str
        A name of `SPLITS`, or the path of a CSV file with the columns ``image,fold[,group]``;
        fold 0 there is never tested.
    folds : int
        Of a grouped split; 1 holds one fifth out. Of the healthy images of a camera split. The
        paper's holds one fifth out, a file brings its own.
    seed : int

    Returns
    -------
    Split

    Raises
    ------
    UsageError
        If there is no split of this name.
    DataError
        If a class has too few groups, the layout knows no subjects, no camera can be left out, or
        a file disagrees with the data set, parts a group or leaves a training part without a class.
    """
    if kind in (PAPER, CAMERA):
        from .split_protocols import camera_split, paper_split

        return (paper_split if kind == PAPER else camera_split)(examples, folds, seed)
    if kind == SUBJECT and not examples.dataset.subjects:
        raise DataError(
            f"the layout {examples.dataset.layout} does not tell which images are of one subject",
            allowed="c-nmc",
            fix="--split grouped, with --groups FILE.csv where you know the subjects",
        )
    if kind in SPLITS:
        return replace(_grouped(examples, folds, seed), kind=kind)
    if not kind.lower().endswith(".csv"):
        raise unknown_name("split", kind, (*SPLITS, "FILE.csv"))
    return _from_file(examples, Path(kind))


def inner_part(
    truth: Indices, groups: Sequence[str], train: Indices, seed: int
) -> tuple[Indices, Indices]:
    """Cut the part off a training part that chooses its best epoch.

    Parameters
    ----------
    truth : (N,) ndarray of int
    groups : sequence of str
    train : (M,) ndarray of int
    seed : int

    Returns
    -------
    (fitted, chosen) : tuple of ndarray of int
        Indices without a common group; `chosen` is empty where a class has but one group.
    """
    part = group_folds(truth[train], [groups[index] for index in train], INNER_PARTS, seed)
    fitted, chosen = train[part != 0], train[part == 0]
    whole = set(truth[train].tolist()) == set(truth[fitted].tolist())
    return (fitted, chosen) if whole else (train, train[:0])


def group_folds(truth: Indices, groups: Sequence[str], parts: int, seed: int) -> Indices:
    """Return a part for each image, stratified by label and never parting a group.

    Fewer parts than asked for are made where a class has fewer groups; one, where it has one.
    """
    parts = min(parts, *_groups_per_class(truth, groups))
    return _parts(truth, groups, parts, seed) if parts > 1 else np.zeros(len(truth), np.int64)


def _grouped(examples: Examples, folds: int, seed: int) -> Split:
    if folds < 1:
        raise UsageError(f"{folds} folds cannot be made", allowed="1 (one holdout) or more")
    parts = HOLDOUT_PARTS if folds == 1 else folds
    counts = _groups_per_class(examples.truth, examples.groups)
    few = int(np.argmin(counts))
    if folds == 1:
        parts = min(parts, counts[few])
    if counts[few] < max(parts, 2):
        raise DataError(
            f"the class {examples.dataset.labels[few]!r} has {counts[few]} groups of images, "
            f"fewer than the {max(parts, 2)} folds need",
            fix=f"--folds {counts[few]}" if counts[few] > 1 else "add images of that class",
        )
    part = _parts(examples.truth, examples.groups, parts, seed)
    of = np.where(part == 0, 1, ALWAYS_TRAINED) if folds == 1 else part + 1
    split = _split(GROUPED, of.astype(np.int64), examples.groups)
    _refuse_missing_class(split, examples)
    return split


def _from_file(examples: Examples, path: Path) -> Split:
    rows = read_rows(path, ("image", "fold"))
    found = find_images(examples.names, (row["image"] for row in rows), path)
    if len(set(found)) != len(found) or len(found) != len(examples.names):
        named = np.bincount(found, minlength=len(examples.names))
        wrong = [examples.names[i] for i in np.flatnonzero(named != 1)]
        raise DataError(
            f"{path} does not agree with the data set: it names {int((named == 0).sum())} images "
            f"not at all and {int((named > 1).sum())} more than once, "
            f"the first {', '.join(wrong[:NAMED_AT_MOST])}",
            fix="give every image one row",
        )
    if wrong := sorted({row["fold"] for row in rows if not row["fold"].isdecimal()}):
        raise DataError(f"{path} has the fold {wrong[0]!r}", allowed="0 (never tested), 1, 2, 3, …")
    of = np.zeros(len(found), dtype=np.int64)
    groups = list(examples.groups)
    for index, row in zip(found, rows, strict=True):
        of[index] = int(row["fold"])
    _refuse_parted(groups, of, examples.names, path)
    if "group" in rows[0]:
        for index, row in zip(found, rows, strict=True):
            groups[index] = row["group"] or groups[index]
        _refuse_parted(groups, of, examples.names, path)
    split = _split(path.name, of, tuple(groups))
    _refuse_missing_class(split, examples)
    return split


def _refuse_parted(groups: Sequence[str], of: Indices, names: Sequence[str], path: Path) -> None:
    first: dict[str, int] = {}
    for index, group in enumerate(groups):
        other = first.setdefault(group, index)
        if of[index] != of[other]:
            raise DataError(
                f"{path} parts the group {group!r}: {names[other]} is in fold {of[other]}, "
                f"{names[index]} in fold {of[index]}",
                fix="put both into one fold: they show the same subject, field or pixels",
            )


def _refuse_missing_class(split: Split, examples: Examples) -> None:
    labels = examples.dataset.labels
    if not split.folds:
        raise DataError(f"{split.kind} tests no image: every fold is 0", fix="number folds from 1")
    parts = [(f"left to train on beside fold {fold.number}", fold.train) for fold in split.folds]
    for what, images in [*parts, ("tested in any fold", np.flatnonzero(split.of))]:
        missing = [labels[i] for i in range(len(labels)) if i not in examples.truth[images]]
        if missing:
            raise DataError(
                f"{split.kind}: nothing of the class {', '.join(missing)} is {what}",
                fix="spread the class over several folds",
            )


def _split(kind: str, of: Indices, groups: tuple[str, ...]) -> Split:
    numbers = [int(number) for number in np.unique(of) if number != ALWAYS_TRAINED]
    folds = tuple(
        Fold(number, np.flatnonzero(of != number), np.flatnonzero(of == number))
        for number in numbers
    )
    return Split(kind, folds, of, groups)


def _groups_per_class(truth: Indices, groups: Sequence[str]) -> list[int]:
    names = np.asarray(groups)
    return [len(np.unique(names[truth == label])) for label in np.unique(truth)]


def _parts(truth: Indices, groups: Sequence[str], parts: int, seed: int) -> Indices:
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    part = np.empty(len(truth), dtype=np.int64)
    for number, (_, test) in enumerate(splitter.split(truth, truth, groups)):
        part[test] = number
    return part
