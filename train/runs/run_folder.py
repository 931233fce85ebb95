"""The run folder: what training leaves, written and read; imports no keras."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError, UsageError
from ...runtime.files import replace_file
from ...runtime.metrics.metrics import Json

RUNS = Path("runs")  # where runs lie unless --out says otherwise
RECORD = "run.json"  # written last: its presence is what "finished" means
SETTINGS = "settings.json"  # written first: what an unfinished run was asked to do
MODEL = "model.keras"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
BY_FOLD = "fold-predictions.csv"  # beside it where several folds test an image
SPLIT = "split.csv"
SPLIT_COLUMNS = ("image", "fold", "group", "label", "camera", "trained_by", "tested_by")
SCHEMA, SCHEMA_VERSION = "alledge/run", 1


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions, as the networks gave them: not calibrated.

    Parameters
    ----------
    images, groups, cameras : tuple of str
    folds, truth : (N,) ndarray of int
    scores : (N, C) ndarray of float64
        In the order of the run's labels.
    probe : (N, C) ndarray of float64, optional
        Those of the linear probe, where the run had weights to probe.
    """

    images: tuple[str, ...]
    groups: tuple[str, ...]
    cameras: tuple[str, ...]
    folds: NDArray[np.int64]
    truth: NDArray[np.int64]
    scores: NDArray[np.float64]
    probe: NDArray[np.float64] | None = None

    def of(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """Return some of the rows, by a mask or by their indices."""
        images, groups, cameras = (
            tuple(np.asarray(names)[rows].tolist())
            for names in (self.images, self.groups, self.cameras)
        )
        probe = None if self.probe is None else self.probe[rows]
        return Predictions(
            images, groups, cameras, self.folds[rows], self.truth[rows], self.scores[rows], probe
        )

    def per_image(self) -> Predictions:
        """Return one row an image: the mean score of the folds that test it, the first of them."""
        rows: dict[str, list[int]] = {}
        for at, image in enumerate(self.images):
            rows.setdefault(image, []).append(at)
        first = self.of(np.array([at[0] for at in rows.values()], dtype=np.int64))

        def mean(table: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.array([table[at].mean(axis=0) for at in rows.values()])

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
    record : dict
        Its ``run.json``.
    """

    path: Path
    record: Json

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the scores."""
        return tuple(self.record["labels"])

    @property
    def positive(self) -> tuple[str, ...]:
        """The labels that mean leukaemia."""
        return tuple(self.record["positive"])

    @property
    def model_path(self) -> Path:
        """The network refitted on all images."""
        return self.path / MODEL

    def fold_model_path(self, number: int) -> Path:
        """Return the network that has not seen the test images of this fold (from 1)."""
        return fold_folder(self.path, number) / MODEL

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The numbers of the folds."""
        return tuple(sorted({int(number) for number in self.fold_predictions().folds}))

    def predictions(self) -> Predictions:
        """Return the out-of-fold predictions, one row an image.

        Raises
        ------
        RunError
            If the file is missing or does not have the run's labels.
        """
        return self._read(self.path / PREDICTIONS)

    def fold_predictions(self) -> Predictions:
        """Return what every fold's network predicted: a row for each fold that tests an image.

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
            If ``split.csv`` is missing or does not say which folds trained on an image.
        """
        path = self.path / SPLIT
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                return tuple(_split_row(row) for row in csv.DictReader(stream))
        except (OSError, KeyError, ValueError) as error:
            raise RunError(
                f"{path} does not say which images each fold trained on: {error}",
                allowed=f"a CSV file with the columns {','.join(SPLIT_COLUMNS)}",
                fix="train again with this version of alledge",
            ) from None

    def _read(self, path: Path) -> Predictions:
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream))
            return _predictions(rows, self.labels)
        except (OSError, KeyError, ValueError) as error:
            raise RunError(
                f"{path} cannot be read: {error}", fix="train again: the run is damaged"
            ) from None


def fold_folder(path: Path, number: int) -> Path:
    """Return where a fold of a run lies."""
    return path / "folds" / str(number)


def load_run(path: str | Path) -> Run:
    """Return a finished run.

    Parameters
    ----------
    path : str or Path
        Its folder.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If there is none, it is unfinished, or another version of alledge wrote it.
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
    document = json.loads(record.read_text(encoding="utf-8"))
    if (document.get("schema"), document.get("schema_version")) != (SCHEMA, SCHEMA_VERSION):
        raise RunError(
            f"{record} is {document.get('schema')} version {document.get('schema_version')}",
            allowed=f"{SCHEMA} version {SCHEMA_VERSION}",
            fix="train again with this version of alledge",
        )
    return Run(path, document)


def newest_finished(root: str | Path, model: str, head: str | None = None) -> Run:
    """Return the run of a model that finished last.

    Parameters
    ----------
    root : str or Path
        Where runs lie.
    model : str
    head : str, optional
        Only runs with this head.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If there is none; an unfinished one is named.
    """
    root = Path(root)
    folders = sorted(path for path in (root / model).glob("*") if path.is_dir())
    runs = [load_run(path) for path in folders if (path / RECORD).is_file()]
    runs = [run for run in runs if head in (None, run.record["head"])]
    if runs:
        return max(runs, key=lambda run: str(run.record["finished"]))
    unfinished = [path for path in folders if (path / SETTINGS).is_file()]
    which = f"{model} with the head {head}" if head else model
    raise RunError(
        f"there is no finished run of {which} under {root}"
        + (f"; {unfinished[-1]} is unfinished" if unfinished else ""),
        fix=f"alledge train --model {model} --data DATA" + (" --resume" if unfinished else ""),
    )


def begin(path: Path, settings: Json) -> None:
    """Make the folder of a new run and write down what it was asked to do.

    Raises
    ------
    UsageError
        If the folder holds something already.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(
            f"{path} is there already",
            fix="name another folder, or --resume if it is an unfinished run of these settings",
        )
    path.mkdir(parents=True, exist_ok=True)
    with replace_file(path / SETTINGS) as beside:
        beside.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def find_unfinished(folders: Iterable[Path], settings: Json) -> Path:
    """Return the newest unfinished run that was asked for the same.

    Raises
    ------
    RunError
        If there is none; says what differs from the newest unfinished one.
    """
    unfinished = [
        path for path in folders if (path / SETTINGS).is_file() and not (path / RECORD).is_file()
    ]
    unfinished.sort(key=lambda path: path.name)
    differing: list[str] = []
    for path in reversed(unfinished):
        asked = _settings(path / SETTINGS)
        wrong = [key for key in {**asked, **settings} if asked.get(key) != settings.get(key)]
        if not wrong:
            return path
        differing = differing or [f"{path} differs in {', '.join(wrong)}"]
    raise RunError(
        "there is no unfinished run with these settings"
        + (f": {differing[0]}" if differing else ""),
        fix="leave --resume out to start a new run",
    )


def _settings(path: Path) -> Json:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(
            f"{path} is damaged: {error}",
            fix="delete this run's folder, and leave --resume out to start a new one",
        ) from error
    if not isinstance(settings, dict):
        raise RunError(f"{path} is damaged: it holds no settings", fix="delete this run's folder")
    return settings


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file atomically; a float keeps the nine digits of float32, None is empty."""
    with replace_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([f"{v:.9g}" if isinstance(v, float) else v for v in row])


def _split_row(row: dict[str, str]) -> SplitRow:
    trained, tested = (
        frozenset(int(number) for number in row[name].split())
        for name in ("trained_by", "tested_by")
    )
    return SplitRow(row["image"], row["group"], trained, tested)


def _predictions(rows: list[dict[str, str]], labels: Sequence[str]) -> Predictions:
    def table(prefix: str) -> NDArray[np.float64]:
        return np.array([[float(row[f"{prefix}_{label}"]) for label in labels] for row in rows])

    return Predictions(
        tuple(row["image"] for row in rows),
        tuple(row["group"] for row in rows),
        tuple(row["camera"] for row in rows),
        np.array([int(row["fold"]) for row in rows], dtype=np.int64),
        np.array([int(row["truth"]) for row in rows], dtype=np.int64),
        table("score"),
        table("probe") if rows and f"probe_{labels[0]}" in rows[0] else None,
    )
