"""Writes and reads the folder of a training run; imports no keras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import RunError
from ...runtime.csv_cells import csv_document
from ...runtime.files import replace_file, write_json
from ...runtime.json_documents import read_json
from ...runtime.json_schema import check_document
from ...runtime.metrics.metrics import Json
from ...runtime.outputs import check_folder, make_folder
from .predictions import TRAIN_AGAIN, Predictions, SplitRow, read_predictions, read_split
from .types import CELL, FIELD, RunSettings

RUNS = Path("runs")  # folder of all runs, unless --out names another
RECORD = "run.json"  # written last: a run that has it is finished
SETTINGS = "settings.json"  # written first: the settings of a run, finished or not
MODEL = "model.keras"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
BY_FOLD = "fold-predictions.csv"  # written if several folds test the same image
SPLIT = "split.csv"
# The keys of `run.json` that evaluation and export read. The other ones are for people.
REQUIRED = (
    "model", "head", "task", "labels", "positive", "image_path", "seed", "split", "weights",
    "data", "temperature", "threshold", "band", "oof", "guards", "seen", "code", "finished",
)  # fmt: skip
# the keys that a run of cells has beside these
CELL_KEYS = ("cells", "sources", "truth", "field", "fields", "field_guards")
SCHEMA, SCHEMA_VERSION = "alledge/run", 1
LOCATIONS = (
    "root",
    "labels_file",
    "cells_file",
)  # where the data are: no settings, since they may be moved


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
        return read_predictions(self.path / PREDICTIONS, self.labels)

    def fold_predictions(self) -> Predictions:
        """Return the out-of-fold predictions, one row for every fold that tests an image.

        Raises
        ------
        RunError
            As `predictions`.
        """
        path = self.path / BY_FOLD
        return read_predictions(path, self.labels) if path.is_file() else self.predictions()

    def split(self) -> tuple[SplitRow, ...]:
        """Return the training and test part of every fold, one row an image of the data set.

        Raises
        ------
        RunError
            If ``split.csv`` is missing or damaged, or does not say which folds trained on an
            image.
        """
        return read_split(self.path / SPLIT)


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
