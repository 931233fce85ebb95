"""``alledge train`` from its options to a finished run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UsageError
from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.files import write_json
from ...runtime.guards.fitting import fit_guards
from ...runtime.image_settings import ImageSettings
from ...runtime.metrics.metrics import Json, positive_score
from ..data.connected_sets import connected_sets
from ..data.examples import Examples, read_examples
from ..data.overlaps.search import find_overlaps
from ..data.split_types import GROUPED, PAPER, Indices, Split
from ..data.splits import make_split
from ..fitting.recipe import Recipe
from ..fitting.task import TrainingTask
from ..fitting.types import FitResult, HistoryRow
from ..networks.architectures import architecture, head_row
from ..networks.base_weights import NONE, weights_file
from ..progress import TrainingProgress
from ..provenance import code_version, package_versions, utc_now
from . import run_metrics
from .calibration_fitting import SENSITIVITY
from .camera_directions import directions
from .cross_fitting import cross_fit, fit_decision_rule
from .run_folder import (
    BY_FOLD,
    PREDICTIONS,
    RECORD,
    RUNS,
    SCHEMA,
    SCHEMA_VERSION,
    SPLIT,
    SPLIT_COLUMNS,
    Predictions,
    Run,
    begin,
    find_unfinished,
    load_run,
    write_table,
)

HISTORY = (
    "fold",
    "phase",
    "epoch",
    "lr",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
)


@dataclass(frozen=True)
class TrainOptions:
    """What a user asks of a training run.

    Parameters
    ----------
    model, head : str
        Names of rows.
    data : Path
    recipe : Recipe
    weights : str
        ``"imagenet"``, ``"none"`` or a file.
    layout : str, optional
    split : str
    folds : int
    groups : Path, optional
        CSV with images that stay together.
    seed : int
    sensitivity : float
        What the threshold is to have, in (0, 1].
    image_path : ImageSettings
    out : Path, optional
        The run's folder; under ``runs/`` by default.
    """

    model: str
    data: Path
    recipe: Recipe
    head: str = "gap"
    weights: str = "imagenet"
    layout: str | None = None
    split: str = GROUPED
    folds: int = 5
    groups: Path | None = None
    seed: int = 0
    sensitivity: float = SENSITIVITY
    image_path: ImageSettings = field(default_factory=ImageSettings)
    out: Path | None = None


def train(order: TrainOptions, *, resume: bool = False, quiet: bool = False) -> Run:
    """Train as ordered, and return the finished run.

    Parameters
    ----------
    order : TrainOptions
    resume : bool
        Go on with the newest unfinished run of the same order.
    quiet : bool
        Show no progress.

    Returns
    -------
    Run

    Raises
    ------
    UsageError
        If a name, a file or the folder cannot be meant, or the weights are another model's.
    DataError
        If the data set, the split or the groups cannot be used; nothing is trained then.
    RunError
        If the weights cannot be downloaded or there is no run to go on with.
    """
    architecture(order.model), head_row(order.head)
    if not 0 < order.sensitivity <= 1:
        raise UsageError(
            f"a sensitivity of {order.sensitivity} cannot be wanted", allowed="above 0, at most 1"
        )
    weights = _weights(order.weights)
    dataset = read_dataset(order.data, order.layout)
    if weights != NONE:
        from ..networks.network import check_weights  # tensorflow takes seconds to load

        check_weights(order.model, order.weights)
    with TrainingProgress(quiet) as progress:
        progress.stage(f"reading {len(dataset.samples)} images")
        alike = find_overlaps([sample.path for sample in dataset.samples], progress.overlap_search)
        pairs = [(one.a, one.b) for one in alike]
        examples = read_examples(dataset, order.image_path, order.groups, overlaps=pairs)
        split = make_split(examples, order.split, order.folds, order.seed)
        together = connected_sets(len(examples.names), pairs)
        progress.say(
            f"{sum(map(len, together))} images in {len(together)} sets show the same"
            + ("" if order.split == PAPER else ": each set stays together")
        )
        settings = _settings(order, dataset, split, weights)
        folder = _folder(order, settings, resume)
        progress.say(f"{'going on with' if resume else 'training'} {folder}")
        return _run(order, examples, split, settings, folder, progress)


def _run(
    order: TrainOptions,
    examples: Examples,
    split: Split,
    settings: Json,
    folder: Path,
    progress: TrainingProgress,
) -> Run:
    from ..fitting.fold_training import (
        Trainer,  # tensorflow takes seconds to load: errors come first
    )

    started = utc_now()
    task = TrainingTask(
        order.model, order.head, order.weights, order.seed, order.recipe, examples, split, folder
    )
    folds, refit = Trainer(task, progress).run()
    progress.stage("measuring")
    labels, positive = examples.dataset.labels, examples.dataset.positive
    predictions = run_metrics.gather(examples, split, folds)
    once = predictions.per_image()
    settled = fit_decision_rule(once, labels, positive, order.sensitivity)
    read = cross_fit(once, labels, positive, settled, order.sensitivity)
    metrics = run_metrics.measure(predictions, read, labels, positive, folds, order.seed)
    metrics["directions"] = directions(predictions, split, labels, positive, order.seed)
    settled["decision"] = run_metrics.decision(order.sensitivity, settled.pop("reached"), metrics)
    history = [row for fold in (*folds, refit) for row in fold["history"]]
    _write(folder, examples, split, predictions, history, metrics)
    _draw(folder, order, examples, once, history, metrics)
    record = settings | settled | _record(examples, settings, metrics, refit, started)
    write_json(folder / RECORD, record)  # last: from now on the run is finished
    return load_run(folder)


def _record(
    examples: Examples, settings: Json, metrics: Json, refit: FitResult, started: str
) -> Json:
    """Return what the record holds beside the settings and the calibration."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "refit": refit["best"],
        "calibration": metrics["calibration"],
        "oof": metrics["oof"],
        "against_probe": metrics["against_probe"],
        "directions": metrics["directions"],
        "guards": fit_guards(examples.statistics),
        "seen": run_metrics.seen(examples, settings["data"]["fingerprint"]),
        "code": code_version(),
        "versions": package_versions(),
        "started": started,
        "finished": utc_now(),
    }


def _settings(order: TrainOptions, dataset: Dataset, split: Split, weights: str) -> Json:
    """Return what the numbers depend on: a run is resumed only if all of it is the same."""
    return {
        "model": order.model,
        "head": order.head,
        "task": "field",
        "labels": list(dataset.labels),
        "positive": list(dataset.positive),
        "image_path": order.image_path.to_json(),
        "seed": order.seed,
        "sensitivity": order.sensitivity,
        "epochs": order.recipe.epochs,
        "batch_size": order.recipe.batch_size,
        "lr": order.recipe.lr,
        "recipe": order.recipe.to_json(),
        "split": {
            "kind": split.kind,
            "folds": len(split.folds),
            "digest": _digest(
                "\n".join(
                    f"{f} {g}" for f, g in zip(split.test_fold, split.groups, strict=True)
                ).encode()
            ),
            "notes": list(split.notes),
        },
        "weights": weights,
        "data": {
            "name": dataset.name,
            "layout": dataset.layout,
            "fingerprint": dataset.fingerprint(),
            "images": len(dataset.samples),
            "generated": dataset.generated,
            "root": str(dataset.root.resolve()),
        },
    }


def _folder(order: TrainOptions, settings: Json, resume: bool) -> Path:
    """Return the folder of a new run, or of the one to go on with."""
    under = RUNS / order.model
    if resume:
        return find_unfinished([order.out] if order.out else under.glob("*"), settings)
    name = utc_now().replace("-", "").replace(":", "")
    folder = order.out or under / f"{name}-{order.seed}"
    begin(folder, settings)
    return folder


def _weights(weights: str) -> str:
    """Return how the record names the weights: a file by its name and its content."""
    path = weights_file(weights)
    if path is None:
        return weights
    return f"{path.name} ({_digest(path.read_bytes())})"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _write(
    folder: Path,
    examples: Examples,
    split: Split,
    predictions: Predictions,
    history: Sequence[Mapping[str, Any]],
    metrics: Json,
) -> None:
    labels = examples.dataset.labels
    once = predictions.per_image()
    run_metrics.write_predictions(folder / PREDICTIONS, once, labels)
    if len(once.images) < len(predictions.images):
        run_metrics.write_predictions(folder / BY_FOLD, predictions, labels)
    write_table(
        folder / "history.csv", HISTORY, ([row[name] for name in HISTORY] for row in history)
    )
    write_table(
        folder / SPLIT,
        SPLIT_COLUMNS,
        zip(
            examples.names,
            split.test_fold.tolist(),
            split.groups,
            (labels[index] for index in examples.truth),
            examples.cameras,
            _fold_numbers(len(examples.names), [(fold.number, fold.train) for fold in split.folds]),
            _fold_numbers(len(examples.names), [(fold.number, fold.test) for fold in split.folds]),
            strict=True,
        ),
    )
    write_json(folder / "metrics.json", metrics)


def _fold_numbers(images: int, parts: Sequence[tuple[int, Indices]]) -> list[str]:
    """Return for every image the numbers of the folds whose part holds it, as ``"1 3"``."""
    numbers: list[list[str]] = [[] for _ in range(images)]
    for number, part in parts:
        for index in part:
            numbers[index].append(str(number))
    return [" ".join(row) for row in numbers]


def _draw(
    folder: Path,
    order: TrainOptions,
    examples: Examples,
    predictions: Predictions,
    history: Sequence[HistoryRow],
    metrics: Json,
) -> None:
    from . import plots

    labels, positive = examples.dataset.labels, examples.dataset.positive
    title = f"{architecture(order.model).title} on {examples.dataset.name}"
    curves = {"fine-tuned": positive_score(predictions.scores, labels, positive)}
    summaries = {"fine-tuned": metrics["oof"]}
    if predictions.probe is not None:
        curves["linear probe"] = positive_score(predictions.probe, labels, positive)
        summaries["linear probe"] = metrics["probe"]
    ill = np.isin(predictions.truth, [labels.index(label) for label in positive])
    plots.draw_curves(folder / "curves.png", history, title)
    plots.draw_confusion(folder / "confusion.png", metrics["oof"], title)
    plots.draw_roc(folder / "roc.png", ill, curves, summaries, title)
    plots.draw_augmented(folder / "augmented.png", examples, order.recipe.augmentation, order.seed)
