"""Trains a run: from the options of ``alledge train`` to a finished run folder."""

from __future__ import annotations

from pathlib import Path

from ...runtime.files import write_json
from ..fitting.task import TrainingTask
from ..networks.base_weights import NONE
from ..progress import TrainingProgress
from ..provenance import code_version, package_versions, utc_now
from .options import TrainOptions, check_options
from .run_folder import (
    METRICS,
    RECORD,
    RUNS,
    SCHEMA,
    SCHEMA_VERSION,
    Run,
    begin_run,
    check_run_folder,
    find_unfinished,
    load_run,
)
from .run_outputs import draw_plots, write_tables
from .run_results import run_results
from .run_settings import describe_weights, run_settings
from .training_set import TrainingSet, read_sources, read_training_set
from .types import RunRecord, RunSettings

__all__ = ["TrainOptions", "train"]


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
    check_options(options)
    if not resume:  # before minutes of reading images
        check_run_folder(options.out or RUNS / options.model / "new")
    weights = describe_weights(options.weights)
    with TrainingProgress(quiet) as progress:
        datasets = read_sources(options, progress)
    if weights != NONE:
        from ..networks.network import check_weights  # tensorflow takes seconds to import

        check_weights(options.model, options.weights)
    with TrainingProgress(quiet) as progress:
        data = read_training_set(options, datasets, progress)
        settings = run_settings(options, datasets, data.examples, data.split, weights)
        folder = _folder(options, settings, resume)
        progress.say(f"{'continuing' if resume else 'training'} {folder}")
        return _train_run(options, data, settings, folder, progress)


def _train_run(
    options: TrainOptions,
    data: TrainingSet,
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
        examples=data.examples,
        split=data.split,
        folder=folder,
    )
    folds, refit = Trainer(task, progress).run()
    progress.stage("computing metrics")
    results = run_results(options, data.examples, data.split, folds)
    history = [row for fold in (*folds, refit) for row in fold["history"]]
    write_tables(folder, data.examples, data.split, results, history)
    write_json(folder / METRICS, results.metrics)
    draw_plots(folder, options, data.examples, results, history)
    record: RunRecord = {
        **settings,
        **results.record(options.sensitivity),
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "refit": refit["best"],
        "guards": data.guards,
        "reading": data.reading,
        "seen": data.seen,
        "code": code_version(),
        "versions": package_versions(),
        "started": started,
        "finished": utc_now(),
    }
    if results.fields is not None:
        record["field_guards"] = data.field_guards
    write_json(folder / RECORD, record)  # last: it marks the run as finished
    return load_run(folder)


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
