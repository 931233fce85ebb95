"""Writes and reads the folder of a training run; imports no keras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError
from ...runtime.csv_cells import csv_document
from ...runtime.files import replace_file, write_json
from ...runtime.json_documents import read_json
from ...runtime.json_schema import check_document
from ...runtime.metrics.metrics import Json
from ...runtime.outputs import check_folder, make_folder
from .table_reading import TableRow, read_table
from .types import CELL, RunSettings

FIELD = "field"  # the task of a run of whole fields
RUNS = Path("runs")  # folder of all runs, unless --out names another
RECORD = "run.json"  # written last: a run that has it is finished
SETTINGS = "settings.json"  # written first: the settings of a run, finished or not
MODEL = "model.keras"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
BY_FOLD = "fold-predictions.csv"  # written if several folds test the same image
SPLIT = "split.csv"
SPLIT_COLUMNS = ("image", "fold", "group", "label", "camera", "trained_by", "tested_by")
TRAIN_AGAIN = "train again: the run is damaged"
# The keys of `run.json` that evaluation and export read. The other ones are for people.
REQUIRED = (
    "model", "head", "task", "labels", "positive", "image_path", "seed", "split", "weights",
    "data", "temperature", "threshold", "band", "oof", "guards", "seen", "code", "finished",
)  # fmt: skip
# the keys that a run of cells has beside these
CELL_KEYS = ("cells", "sources", "truth", "field", "fields", "field_guards")
SCHEMA, SCHEMA_VERSION = "alledge/run", 1
MAX_SUM_ERROR = 1e-3  # the probabilities of an image add up to 1, written with nine digits
LOCATIONS = (
    "root",
    "labels_file",
    "cells_file",
)  # where the data are: no settings, since they may be moved


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


@dataclass(frozen=True)
class Run:
    """A finished run.

    Parameters
    ----------
    path : Path
        Its folder.
    record : dict
        The content of its ``run.json``, a `RunRecord`.
    """

    path: Path
    record: Json

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of the scores."""
        return tuple(self.record["labels"])

    @property
    def positive(self) -> tuple[str, ...]:
        """The labels that mean leukaemia."""
        return tuple(self.record["positive"])

    @property
    def model_path(self) -> Path:
        """The file of the network that was refitted on all images."""
        return self.path / MODEL

    def fold_model_path(self, number: int) -> Path:
        """Return the file of the network of a fold, which is not trained on its test images."""
        return fold_folder(self.path, number) / MODEL

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The numbers of the folds, from 1."""
        return tuple(sorted({int(number) for number in self.fold_predictions().folds}))

    def predictions(self) -> Predictions:
        """Return the out-of-fold predictions, one row per image.

        Raises
        ------
        RunError
            If the file is missing or damaged, or has no scores for the run's labels.
        """
        return self._read(self.path / PREDICTIONS)

    def fold_predictions(self) -> Predictions:
        """Return the out-of-fold predictions, one row for every fold that tests an image.

        Raises
        ------
        RunError
            As `predictions`.
        """
        path = self.path / BY_FOLD
        return self._read(path) if path.is_file() else self.predictions()

    def split(self) -> tuple[SplitRow, ...]:
        """Return the training and test part of every fold, one row an image of the data set.

        Raises
        ------
        RunError
            If ``split.csv`` is missing or damaged, or does not say which folds trained on an
            image.
        """
        path = self.path / SPLIT
        rows = read_table(path, SPLIT_COLUMNS, TRAIN_AGAIN)
        try:
            split = tuple(map(_split_row, rows))
            _check_unique((row.image for row in split), rows)
        except ValueError as error:
            raise RunError(f"{path} is damaged: {error}", fix=TRAIN_AGAIN) from None
        return split

    def _read(self, path: Path) -> Predictions:
        columns = ("image", "label", "fold", "group", "camera", "truth")
        scores = tuple(f"score_{label}" for label in self.labels)
        rows = read_table(path, (*columns, *scores), TRAIN_AGAIN)
        try:
            predictions = _predictions(rows, self.labels)
            _check_unique(zip(predictions.images, predictions.folds, strict=True), rows)
        except (KeyError, ValueError) as error:
            raise RunError(f"{path} is damaged: {error}", fix=TRAIN_AGAIN) from None
        return predictions


def fold_folder(path: Path, number: int) -> Path:
    """Return the folder of a fold of a run."""
    return path / "folds" / str(number)


def load_run(path: str | Path) -> Run:
    """Return a finished run.

    Parameters
    ----------
    path : str or Path
        Folder of the run.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If there is no such run, it is unfinished, or its schema version is another one.

    Examples
    --------
    >>> run = load_run("runs/vgg16/20260101T120000Z-0")  # doctest: +SKIP
    >>> run.predictions().scores.shape  # doctest: +SKIP
    (108, 2)
    """
    path = Path(path)
    record = path / RECORD
    if not path.is_dir():
        raise RunError(f"there is no run {path}", fix="alledge train --model M --data D")
    if not record.is_file():
        unfinished = (path / SETTINGS).is_file()
        raise RunError(
            f"{path} is {'an unfinished run' if unfinished else 'not a run'}: it has no {RECORD}",
            fix="the same alledge train … with --resume" if unfinished else "name a run's folder",
        )
    document = read_json(record, error=RunError, fix=TRAIN_AGAIN, file_names=True)
    check_document(document, "run", record, error=RunError, fix=TRAIN_AGAIN, required=REQUIRED)
    if problem := _contradiction(document):
        raise RunError(f"{record} is damaged: {problem}", fix=TRAIN_AGAIN)
    return Run(path, document)


def _contradiction(record: Json) -> str | None:
    """Return what is wrong with the values of a record whose types are right."""
    labels, positive, (low, high) = record["labels"], set(record["positive"]), record["band"]
    if len(set(labels)) < len(labels):
        return "labels: two are the same"
    if not positive < set(labels):
        return f"positive: {sorted(positive)} are not some of the labels, and not all"
    if low > high:
        return f"band: {low} is above {high}"
    if missing := [key for key in CELL_KEYS if (key in record) != (record["task"] == CELL)]:
        has = "lacks" if record["task"] == CELL else "has"
        return f"task: a run of the task {record['task']} {has} {', '.join(missing)}"
    return None


def newest_finished(
    root: str | Path, model: str, head: str | None = None, task: str = FIELD
) -> Run:
    """Return the run of a model that was finished last.

    Parameters
    ----------
    root : str or Path
        Folder of all runs.
    model : str
    head : str, optional
        Consider only runs with this head.
    task : {"field", "cell"}
        Consider only runs of whole fields, or of cells.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If there is none. The message names an unfinished run, or a run of the other task, if there
        is one.
    """
    root = Path(root)
    folders = sorted(path for path in (root / model).glob("*") if path.is_dir())
    runs = [load_run(path) for path in folders if (path / RECORD).is_file()]
    runs = [run for run in runs if head in (None, run.record["head"])]
    of_task = [run for run in runs if run.record["task"] == task]
    if of_task:
        return max(of_task, key=lambda run: str(run.record["finished"]))
    if runs:
        other = str(runs[0].record["task"])
        raise RunError(
            f"there is no finished run of {model} with the task {task} under {root}, only one with "
            f"the task {other}",
            fix=f"--task {other}, or alledge train --model {model} --task {task} --data DATA",
        )
    unfinished = [path for path in folders if (path / SETTINGS).is_file()]
    wanted = f"{model} with the head {head}" if head else model
    option = "" if task == FIELD else f" --task {task}"
    raise RunError(
        f"there is no finished run of {wanted} under {root}"
        + (f"; {unfinished[-1]} is unfinished" if unfinished else ""),
        fix=f"alledge train --model {model}{option} --data DATA"
        + (" --resume" if unfinished else ""),
    )


def check_run_folder(path: Path) -> None:
    """Check that a new run may be written to a folder.

    Raises
    ------
    UsageError
        If the folder exists and is not empty, or cannot be written.
    """
    fix = "name another folder, or --resume if it is an unfinished run of these settings"
    check_folder(path, fix=fix)


def begin_run(path: Path, settings: RunSettings) -> None:
    """Create the folder of a new run and write its settings.

    Raises
    ------
    UsageError
        If the folder exists and is not empty, or cannot be written.
    """
    check_run_folder(path)
    make_folder(path)
    write_json(path / SETTINGS, settings)


def find_unfinished(folders: Iterable[Path], settings: RunSettings) -> Path:
    """Return the newest unfinished run that has these settings.

    The folder of the images is no setting: if the images were moved, their fingerprint is still
    the same.

    Raises
    ------
    RunError
        If there is none. The message says which settings of the newest unfinished run differ.
    """
    unfinished = [
        path for path in folders if (path / SETTINGS).is_file() and not (path / RECORD).is_file()
    ]
    unfinished.sort(key=lambda path: path.name)
    wanted, difference = _without_location(dict(settings)), ""
    for path in reversed(unfinished):
        stored = _without_location(_settings(path / SETTINGS))
        keys = [key for key in {**stored, **wanted} if stored.get(key) != wanted.get(key)]
        if not keys:
            return path
        difference = difference or f": {path} differs in {', '.join(keys)}"
    raise RunError(
        f"there is no unfinished run with these settings{difference}",
        fix="leave --resume out to start a new run",
    )


def _without_location(settings: Json) -> Json:
    changed = {"data": _source_without_location(settings.get("data"))}
    if isinstance(sources := settings.get("sources"), list):
        changed["sources"] = [_source_without_location(source) for source in sources]
    if "truth" in settings:
        changed["truth"] = _source_without_location(settings["truth"])
    return settings | changed


def _source_without_location(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    return {key: data[key] for key in data if key not in LOCATIONS}


def _settings(path: Path) -> Json:
    fix = "delete this run's folder, and leave --resume out to start a new one"
    settings = read_json(path, error=RunError, fix=fix, file_names=True)
    if not isinstance(settings, dict):
        raise RunError(f"{path} is damaged: it is not a JSON object", fix=fix)
    return settings


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file atomically. A float has nine digits, enough for float32; None is empty."""
    digits = ([f"{v:.9g}" if isinstance(v, float) else v for v in row] for row in rows)
    with replace_file(path) as beside:
        beside.write_text(csv_document(header, digits), encoding="utf-8", newline="")


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
