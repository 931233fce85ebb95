"""Trains a run: from the options of ``alledge train`` to a finished run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import UsageError
from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.data.layout_types import ReadOptions
from ...runtime.files import write_json
from ...runtime.guards.fitting import fit_guards
from ...runtime.image_settings import ImageSettings
from ...runtime.metrics.decisions import is_positive, positive_score
from ...runtime.metrics.metrics import Json
from ..data.connected_sets import connected_sets
from ..data.contradictions import refuse_contradictions
from ..data.examples import Examples, read_examples
from ..data.overlaps.search import find_overlaps
from ..data.split_types import GIVEN, GROUPED, PAPER, Split
from ..data.splits import make_split
from ..fitting.recipe import Recipe
from ..fitting.task import TrainingTask
from ..fitting.types import HistoryRow
from ..networks.architectures import architecture, head_row
from ..networks.base_weights import NONE, weights_file
from ..progress import TrainingProgress
from ..provenance import code_version, package_versions, utc_now
from .calibration_fitting import SENSITIVITY
from .camera_directions import directions
from .cross_fitting import cross_fit, fit_decision_rule
from .run_folder import (
    BY_FOLD,
    METRICS,
    PREDICTIONS,
    RECORD,
    RUNS,
    SCHEMA,
    SCHEMA_VERSION,
    SPLIT,
    Predictions,
    Run,
    begin_run,
    check_run_folder,
    find_unfinished,
    load_run,
)
from .run_metrics import decision_record, gather_predictions, run_metrics, seen_images
from .run_tables import write_history, write_predictions, write_split
from .types import RunRecord, RunSettings


@dataclass(frozen=True)
class TrainOptions:
    """The options of a training run.

    Parameters
    ----------
    model, head : str
        Names of an architecture and of a head.
    data : Path
        Folder of the data set.
    recipe : Recipe
    weights : str
        Weights that the base starts with: ``"imagenet"``, ``"none"`` or a file.
    read_options : ReadOptions
        How the data set is read.
    force : bool
        Train although the same pixels have several labels.
    split : str, optional
        As `make_split`. By default the split that the data set comes with, else grouped folds.
    folds : int
    groups : Path, optional
        CSV file with images that stay together.
    seed : int
    sensitivity : float
        Wanted at the threshold, in (0, 1].
    image_settings : ImageSettings
    out : Path, optional
        Folder of the run; one under ``runs/`` by default.
    """

    model: str
    data: Path
    recipe: Recipe
    head: str = "gap"
    weights: str = "imagenet"
    read_options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    split: str | None = None
    folds: int = 5
    groups: Path | None = None
    seed: int = 0
    sensitivity: float = SENSITIVITY
    image_settings: ImageSettings = field(default_factory=ImageSettings)
    out: Path | None = None


def train(options: TrainOptions, *, resume: bool = False, quiet: bool = False) -> Run:
    """Train a run.

    Parameters
    ----------
    options : TrainOptions
    resume : bool
        Continue the newest unfinished run with these options. The folder of the data set may be
        another one if it holds the same images.
    quiet : bool
        Show no progress.

    Returns
    -------
    Run
        Finished.

    Raises
    ------
    UsageError
        If an option is wrong, the folder of the run is not empty, or the weights are those of
        another architecture.
    DataError
        If the data set, the split or the groups cannot be used. Nothing was trained then.
    RunError
        If the weights cannot be downloaded, or there is no run to continue.

    Examples
    --------
    >>> options = TrainOptions("vgg16", Path("ALL_IDB1"), FINE_TUNING)  # doctest: +SKIP
    >>> train(options).record["oof"]["auc"]["value"]  # doctest: +SKIP
    0.99
    """
    architecture(options.model)
    head_row(options.head)
    if not 0 < options.sensitivity <= 1:
        raise UsageError(f"the sensitivity is {options.sensitivity}", allowed="above 0, at most 1")
    if not resume:  # before minutes of reading images
        check_run_folder(options.out or RUNS / options.model / "new")
    weights = _describe_weights(options.weights)
    with TrainingProgress(quiet) as progress:
        dataset = read_dataset(options.data, options.read_options, progress=progress.overlap_search)
        for line in dataset.description():
            progress.say(line)
    kind = options.split or (GIVEN if dataset.has_given_split else GROUPED)
    if weights != NONE:
        from ..networks.network import check_weights  # tensorflow takes seconds to import

        check_weights(options.model, options.weights)
    with TrainingProgress(quiet) as progress:
        progress.stage(f"reading {len(dataset.samples)} images")
        overlaps = find_overlaps(
            [sample.path for sample in dataset.samples], progress.overlap_search
        )
        pairs = [(overlap.a, overlap.b) for overlap in overlaps]
        examples = read_examples(dataset, options.image_settings, options.groups, overlaps=pairs)
        notes = refuse_contradictions(examples, overlaps, force=options.force, say=progress.say)
        split = make_split(examples, kind, options.folds, options.seed)
        for line in examples.flag_notes():
            progress.say(line)
        split = replace(split, notes=(*split.notes, *notes, *examples.flag_notes()))
        sets = connected_sets(len(examples.names), pairs)
        progress.say(
            f"{sum(map(len, sets))} images overlap, in {len(sets)} sets"
            + ("" if kind == PAPER else "; each set stays together")
        )
        settings = _settings(options, dataset, split, weights)
        folder = _folder(options, settings, resume)
        progress.say(f"{'continuing' if resume else 'training'} {folder}")
        return _train_run(options, examples, split, settings, folder, progress)


def _train_run(
    options: TrainOptions,
    examples: Examples,
    split: Split,
    settings: RunSettings,
    folder: Path,
    progress: TrainingProgress,
) -> Run:
    # tensorflow takes seconds to import: all options were checked before
    from ..fitting.fold_training import Trainer

    started = utc_now()
    task = TrainingTask(
        model=options.model,
        head=options.head,
        weights=options.weights,
        seed=options.seed,
        recipe=options.recipe,
        examples=examples,
        split=split,
        folder=folder,
    )
    folds, refit = Trainer(task, progress).run()
    progress.stage("computing metrics")
    labels, positive = examples.dataset.labels, examples.dataset.positive
    predictions = gather_predictions(examples, split, folds)
    images = predictions.per_image()
    rule = fit_decision_rule(images, labels, positive, options.sensitivity)
    calibrated = cross_fit(images, labels, positive, rule, options.sensitivity)
    metrics = run_metrics(predictions, calibrated, labels, positive, folds, options.seed)
    metrics["directions"] = directions(predictions, split, labels, positive, options.seed)
    history = [row for fold in (*folds, refit) for row in fold["history"]]
    _write_tables(folder, examples, split, predictions, history)
    write_json(folder / METRICS, metrics)
    _draw_plots(folder, options, examples, images, history, metrics)
    record: RunRecord = {
        **settings,
        "temperature": rule.temperature,
        "threshold": rule.threshold,
        "band": list(rule.band),
        "decision": decision_record(options.sensitivity, rule.reached, metrics),
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "refit": refit["best"],
        "calibration": metrics["calibration"],
        "oof": metrics["oof"],
        "against_probe": metrics["against_probe"],
        "directions": metrics["directions"],
        "guards": fit_guards(examples.statistics),
        "reading": examples.dataset.description(),
        "seen": seen_images(examples, settings["data"]["fingerprint"]),
        "code": code_version(),
        "versions": package_versions(),
        "started": started,
        "finished": utc_now(),
    }
    write_json(folder / RECORD, record)  # last: it marks the run as finished
    return load_run(folder)


def _settings(options: TrainOptions, dataset: Dataset, split: Split, weights: str) -> RunSettings:
    """Return everything that the results depend on, and the folder of the images.

    A run is resumed only with the same settings. The folder of the images may change.
    """
    labels_file = options.read_options.labels_file
    parts = "\n".join(
        f"{fold} {group}" for fold, group in zip(split.test_fold, split.groups, strict=True)
    )
    return {
        "model": options.model,
        "head": options.head,
        "task": "field",
        "labels": list(dataset.labels),
        "positive": list(dataset.positive),
        "image_path": options.image_settings.to_json(),
        "seed": options.seed,
        "sensitivity": options.sensitivity,
        "epochs": options.recipe.epochs,
        "batch_size": options.recipe.batch_size,
        "lr": options.recipe.lr,
        "recipe": options.recipe.to_json(),
        "split": {
            "kind": split.kind,
            "folds": len(split.folds),
            "digest": _digest(parts.encode("utf-8", "surrogateescape")),
            "notes": list(split.notes),
        },
        "weights": weights,
        "data": {
            "name": dataset.name,
            "layout": dataset.layout,
            "fingerprint": dataset.fingerprint(),
            "images": len(dataset.samples),
            "generated": dataset.generated,
            "positive": list(options.read_options.positive),
            "labels_digest": dataset.labels_digest,
            "labels_file": None if labels_file is None else str(labels_file.resolve()),
            "root": str(dataset.root.resolve()),
        },
    }


def _folder(options: TrainOptions, settings: RunSettings, resume: bool) -> Path:
    """Return the folder of the run: a new one, or that of the run to continue."""
    model_runs = RUNS / options.model
    if resume:
        candidates = [options.out] if options.out else model_runs.glob("*")
        return find_unfinished(candidates, settings)
    time = utc_now().replace("-", "").replace(":", "")
    folder = options.out or model_runs / f"{time}-{options.seed}"
    begin_run(folder, settings)
    return folder


def _describe_weights(weights: str) -> str:
    """Return the weights as ``run.json`` names them: a file by its name and digest."""
    path = weights_file(weights)
    return weights if path is None else f"{path.name} ({_digest(path.read_bytes())})"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _write_tables(
    folder: Path,
    examples: Examples,
    split: Split,
    predictions: Predictions,
    history: Sequence[HistoryRow],
) -> None:
    labels, images = examples.dataset.labels, predictions.per_image()
    write_predictions(folder / PREDICTIONS, images, labels)
    if len(images.images) < len(predictions.images):
        write_predictions(folder / BY_FOLD, predictions, labels)
    write_history(folder / "history.csv", history)
    write_split(folder / SPLIT, examples, split)


def _draw_plots(
    folder: Path,
    options: TrainOptions,
    examples: Examples,
    images: Predictions,
    history: Sequence[HistoryRow],
    metrics: Json,
) -> None:
    from . import plots

    labels, positive = examples.dataset.labels, examples.dataset.positive
    title = f"{architecture(options.model).title} on {examples.dataset.name}"
    scores = {"fine-tuned": positive_score(images.scores, labels, positive)}
    summaries = {"fine-tuned": metrics["oof"]}
    if images.probe is not None:
        scores["linear probe"] = positive_score(images.probe, labels, positive)
        summaries["linear probe"] = metrics["probe"]
    truth_positive = is_positive(labels, positive)[images.truth]
    plots.draw_curves(folder / "curves.png", history, title)
    plots.draw_confusion(folder / "confusion.png", metrics["oof"], title)
    plots.draw_roc(folder / "roc.png", truth_positive, scores, summaries, title)
    plots.draw_augmented(
        folder / "augmented.png", examples, options.recipe.augmentation, options.seed
    )
