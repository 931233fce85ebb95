"""The tables of a run: its out-of-fold predictions, and what each fold did with each image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError
from .table_reading import TableRow, read_table

SPLIT_COLUMNS = ("image", "fold", "group", "label", "camera", "trained_by", "tested_by")
TRAIN_AGAIN = "train again: the run is damaged"
MAX_SUM_ERROR = 1e-3  # the probabilities of an image add up to 1, written with nine digits


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions of the networks, not calibrated.

    Parameters
    ----------
    images, groups, cameras : tuple of str
        Of each row.
    folds, truth : (N,) ndarray of int
        The fold whose network predicted the row, and the index of the true label.
    scores : (N, C) ndarray of float64
        Probabilities in the order of the run's labels.
    probe : (N, C) ndarray of float64, optional
        Probabilities of the linear probe; None for a base of random weights.
    counted : (N,) ndarray of bool, optional
        Of cells: whether the device would find and count each, unless it labels it ``other``.
        None in a run of fields.
    known : (N,) ndarray of bool, optional
        Of cells: whether the truth is known. None in a run of fields.
    """

    images: tuple[str, ...]
    groups: tuple[str, ...]
    cameras: tuple[str, ...]
    folds: NDArray[np.int64]
    truth: NDArray[np.int64]
    scores: NDArray[np.float64]
    probe: NDArray[np.float64] | None = None
    counted: NDArray[np.bool_] | None = None
    known: NDArray[np.bool_] | None = None

    @property
    def are_cells(self) -> bool:
        """Whether the rows are cells."""
        return self.known is not None

    def with_truth(self) -> Predictions:
        """Return the rows whose truth is known: all of a run of fields."""
        return self if self.known is None else self.select(self.known)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """Return the rows that a mask or indices select."""
        images, groups, cameras = (
            tuple(np.asarray(names)[rows].tolist())
            for names in (self.images, self.groups, self.cameras)
        )
        return Predictions(
            images,
            groups,
            cameras,
            folds=self.folds[rows],
            truth=self.truth[rows],
            scores=self.scores[rows],
            probe=None if self.probe is None else self.probe[rows],
            counted=None if self.counted is None else self.counted[rows],
            known=None if self.known is None else self.known[rows],
        )

    def per_image(self) -> Predictions:
        """Return one row per image: the mean score over the folds that test it.

        The fold of the row is the first of them.
        """
        rows: dict[str, list[int]] = {}
        for index, image in enumerate(self.images):
            rows.setdefault(image, []).append(index)
        first = self.select(np.array([own[0] for own in rows.values()], dtype=np.int64))

        def mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.array([scores[own].mean(axis=0) for own in rows.values()])

        probe = None if self.probe is None else mean(self.probe)
        return replace(first, scores=mean(self.scores), probe=probe)


@dataclass(frozen=True)
class SplitRow:
    """What each fold of a run did with one image.

    Parameters
    ----------
    image, group : str
    trained_by, tested_by : frozenset of int
        Numbers of the folds. A fold may do neither: in a camera split it leaves out the other
        positive images of the camera that it tests.
    """

    image: str
    group: str
    trained_by: frozenset[int]
    tested_by: frozenset[int]


def read_predictions(path: Path, labels: tuple[str, ...]) -> Predictions:
    """Return the predictions of a file.

    Parameters
    ----------
    path : Path
    labels : tuple of str
        Of the run.

    Raises
    ------
    RunError
        If the file is missing or damaged, or has no scores for the labels.
    """
    columns = ("image", "label", "fold", "group", "camera", "truth")
    scores = tuple(f"score_{label}" for label in labels)
    rows = read_table(path, (*columns, *scores), TRAIN_AGAIN)
    try:
        predictions = _predictions(rows, labels)
        _check_unique(zip(predictions.images, predictions.folds, strict=True), rows)
    except (KeyError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}", fix=TRAIN_AGAIN) from None
    return predictions


def read_split(path: Path) -> tuple[SplitRow, ...]:
    """Return the training and test part of every fold, one row an image of the data set.

    Raises
    ------
    RunError
        If the file is missing or damaged, or does not say which folds trained on an image.
    """
    rows = read_table(path, SPLIT_COLUMNS, TRAIN_AGAIN)
    try:
        split = tuple(map(_split_row, rows))
        _check_unique((row.image for row in split), rows)
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}", fix=TRAIN_AGAIN) from None
    return split


def _split_row(row: TableRow) -> SplitRow:
    trained, tested = (
        frozenset(TableRow({name: number}, row.line).index(name, 1) for number in row[name].split())
        for name in ("trained_by", "tested_by")
    )
    if trained & tested:
        raise ValueError(f"line {row.line}: a fold trains on {row['image']} and tests it")
    return SplitRow(row["image"], row["group"], trained, tested)


def _check_unique(keys: Iterable[Any], rows: Sequence[TableRow]) -> None:
    """Raise ValueError if two rows have the same key."""
    seen: set[Any] = set()
    for key, row in zip(keys, rows, strict=True):
        if key in seen:
            raise ValueError(f"line {row.line}: {row['image']} occurs twice")
        seen.add(key)


def _predictions(rows: Sequence[TableRow], labels: Sequence[str]) -> Predictions:
    def scores(prefix: str) -> NDArray[np.float64]:
        table = np.array([[row.number(f"{prefix}_{label}") for label in labels] for row in rows])
        for row, total in zip(rows, table.sum(axis=1), strict=True):
            if abs(total - 1) > MAX_SUM_ERROR:
                raise ValueError(f"line {row.line}: the {prefix} columns add up to {total:g}")
        return table

    def mask(column: str) -> NDArray[np.bool_] | None:
        if column not in rows[0]:
            return None
        return np.array([row.index(column, 0, 1) for row in rows], dtype=bool)

    truth = [row.index("truth", 0, len(labels) - 1) for row in rows]
    for row, index in zip(rows, truth, strict=True):
        if row["label"] != labels[index]:
            raise ValueError(f"line {row.line}: label and truth are not the same")
    return Predictions(
        images=tuple(row["image"] for row in rows),
        groups=tuple(row["group"] for row in rows),
        cameras=tuple(row["camera"] for row in rows),
        folds=np.array([row.index("fold", 1) for row in rows], dtype=np.int64),
        truth=np.array(truth, dtype=np.int64),
        scores=scores("score"),
        probe=scores("probe") if f"probe_{labels[0]}" in rows[0] else None,
        counted=mask("counted"),
        known=mask("known"),
    )
