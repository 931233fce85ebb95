"""Tunes the head of one cell inside its training part, then fits it on the whole training part.

The test images of a cell are used once, to compute their scores. Tuning never uses them.
Tensorflow is imported only if features are not in the cache or a base is fine-tuned.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from threadpoolctl import threadpool_limits

from ...runtime.metrics.metrics import Json
from ..data.group_folds import group_folds
from ..fitting.linear_probe import fit_probe
from ..fitting.targets import FitImages, balanced_loss
from ..fitting.task import TrainingTask
from ..networks.architectures import head_row
from ..progress import TrainingProgress
from ..provenance import code_version
from .frozen_features import Features
from .numpy_head import DenseHead, HeadRecipe, Source, fit_head
from .plan import (
    BASE,
    BATCH_SIZES,
    DEFAULT,
    EPOCHS,
    HEAD,
    INNER_FOLDS,
    LEARNING_RATES,
    PROBE,
    STRENGTHS,
    Cell,
    Plan,
)
from .trial_queue import RESULT, TrialQueue, suggest
from .types import EpochLosses, FitResult, HeadParameters, TrialResult, TunedCell

# Trials that may run at the same time. TPE learns only from the generations before.
GENERATION = 4
DIGITS = 7  # decimals of stored scores and losses

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
# of a cell and the tuned parameters -> scores of the test images, history
Fit = Callable[[Cell, HeadParameters], tuple[Floats, list[EpochLosses]]]


def search_space() -> dict[str, optuna.distributions.BaseDistribution]:
    """Return the distribution of every tuned parameter."""
    return {
        "lr": optuna.distributions.FloatDistribution(*LEARNING_RATES, log=True),
        "batch_size": optuna.distributions.CategoricalDistribution(BATCH_SIZES),
        "epochs": optuna.distributions.IntDistribution(*EPOCHS),
        "strength": optuna.distributions.CategoricalDistribution(STRENGTHS),
    }


def sample_parameters(trial: optuna.Trial) -> Json:
    """Return the parameters of a trial."""
    return {
        "lr": trial.suggest_float("lr", *LEARNING_RATES, log=True),
        "batch_size": trial.suggest_categorical("batch_size", BATCH_SIZES),
        "epochs": trial.suggest_int("epochs", *EPOCHS),
        "strength": trial.suggest_categorical("strength", STRENGTHS),
    }


class StudyWorker:
    """Runs the trials and fits of the cells of a study; several processes may share the storage.

    Parameters
    ----------
    plan : Plan
    features : Features
    storage : RDBStorage
    folder : Path
        For the state of interrupted fine-tunings.
    progress : TrainingProgress
    """

    def __init__(
        self, plan: Plan, features: Features, storage: Any, folder: Path, progress: TrainingProgress
    ) -> None:
        self.plan, self.features, self.folder = plan, features, folder
        self.storage, self.progress = storage, progress
        self.code = code_version()  # stored with every result: commits may change during a study
        self._queues: dict[str, TrialQueue] = {}
        self._tuned: dict[str, TunedCell] = {}
        self._fits: dict[tuple[str, str], FitResult] = {}

    def queue(self, cell: Cell, kind: str = "") -> TrialQueue:
        """Return the queue of a cell's trials, or of its fit of one kind."""
        name = self.plan.key(cell, kind)
        if name not in self._queues:
            self._queues[name] = TrialQueue(self.storage, name)
        return self._queues[name]

    def tune(self, cell: Cell) -> bool:
        """Run one trial of a cell.

        Returns
        -------
        bool
            False if none is left, or other processes run those that are.
        """
        queue, finished = self.queue(cell), self._finished_trials(cell)
        slots = range(self.plan.options.trials)
        first = next((slot for slot in slots if slot not in finished), None)
        if first is None:
            return False
        generation = _generation(first)
        earlier = [finished[slot] for slot in sorted(finished) if _generation(slot) < generation]
        queue.offer(
            {
                slot: self._parameters(cell, slot, earlier)
                for slot in slots
                if slot not in finished and _generation(slot) == generation
            }
        )
        return queue.work(partial(self._run_trial, cell), sample_parameters)

    def tuned(self, cell: Cell) -> TunedCell | None:
        """Return the best trial of a cell; None if trials are left."""
        if cell.name not in self._tuned:
            trials = self._finished_trials(cell)
            if len(trials) < self.plan.options.trials:
                return None
            best = min(trials, key=lambda slot: (trials[slot].value, slot))
            seconds = [trial.user_attrs[RESULT]["epoch_seconds"] for trial in trials.values()]
            self._tuned[cell.name] = TunedCell(
                params=cast(HeadParameters, dict(trials[best].params)),
                slot=best,
                loss=float(trials[best].value),
                default_loss=float(trials[0].value),
                by_strength={f"{s:g}": _lowest_loss(trials.values(), s) for s in STRENGTHS},
                epoch_seconds=float(np.median(seconds)),
            )
        return self._tuned[cell.name]

    def fit(self, cell: Cell, kind: str) -> bool:
        """Fit one kind of model on the whole training part of a tuned cell.

        Returns
        -------
        bool
            False if another process does it.
        """
        queue = self.queue(cell, kind)
        queue.offer({0: {}})
        return queue.work(partial(self._run_fit, cell, kind), lambda trial: {})

    def fitted(self, cell: Cell, kind: str) -> FitResult | None:
        """Return the result of a fit; None if it is not finished."""
        key = (cell.name, kind)
        if key not in self._fits:
            finished = self.queue(cell, kind).finished()
            if 0 not in finished:
                return None
            self._fits[key] = finished[0].user_attrs[RESULT]
        return self._fits[key]

    def results(self, cell: Cell) -> list[TrialResult | FitResult]:
        """Return the results of all finished trials and fits of a cell."""
        trials = [trial.user_attrs[RESULT] for trial in self._finished_trials(cell).values()]
        fits = [self.fitted(cell, kind) for kind in self.plan.kinds(cell.model)]
        return trials + [fit for fit in fits if fit]

    def trials_done(self, cell: Cell) -> int:
        """Return how many trials of a cell are finished, by any process."""
        return len(self._finished_trials(cell))

    def state_folder(self, cell: Cell) -> Path:
        """Return the folder for the state of the cell's fine-tuning.

        Its name depends on everything that the fit depends on. With other options, the weights in
        it may have been trained on what are test images now.
        """
        digest = hashlib.sha256(self.plan.key(cell, BASE).encode()).hexdigest()
        return self.folder / f"{cell.model}-{digest[:16]}"

    def _finished_trials(self, cell: Cell) -> dict[int, FrozenTrial]:
        finished = self.queue(cell).finished()
        return {slot: trial for slot, trial in finished.items() if slot < self.plan.options.trials}

    def _parameters(self, cell: Cell, slot: int, earlier: list[FrozenTrial]) -> Mapping[str, Any]:
        """Return the parameters of a trial: a function of seed, cell, slot and earlier trials."""
        if not slot:
            return DEFAULT
        text = f"{self.plan.options.seed} {cell.name} {slot}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        return suggest(search_space(), earlier, seed=seed, startup=2 * GENERATION)

    def _run_trial(self, cell: Cell, params: Json) -> tuple[float, TrialResult]:
        """Return the mean loss over grouped folds inside the training part, and the result."""
        truth, train = self.plan.examples.truth, cell.fold.train
        groups = [self.plan.splits[cell.split].groups[index] for index in train]
        inner_fold = group_folds(truth[train], groups, INNER_FOLDS, self.plan.options.seed)
        source = self.features.source(cell.model, params["strength"])
        losses, seconds = [], []
        with threadpool_limits(1):  # the matrices are small: more threads are slower
            for number in np.unique(inner_fold):
                held_out = train[inner_fold == number]
                head, history = self._fit_dense_head(
                    train[inner_fold != number], held_out, source, cast(HeadParameters, params)
                )
                losses.append(balanced_loss(truth[held_out], head.scores(source(0)[held_out])))
                seconds += [row["seconds"] for row in history]
        result = TrialResult(epoch_seconds=float(np.median(seconds)), code=self.code)
        return round(float(np.mean(losses)), DIGITS), result

    def _fit_dense_head(
        self, train: Ints, measured: Ints, source: Source, params: HeadParameters
    ) -> tuple[DenseHead, list[Json]]:
        examples, head = self.plan.examples, head_row(self.plan.options.head)
        recipe = HeadRecipe(
            lr=params["lr"],
            batch_size=params["batch_size"],
            epochs=params["epochs"],
            dense=head.dense,
            dropout=head.dropout,
        )
        part = FitImages(train, measured, examples.truth, len(examples.dataset.labels))
        return fit_head(part, source, recipe, seed=self.plan.options.seed)

    def _run_fit(self, cell: Cell, kind: str, _: Json) -> tuple[float, FitResult]:
        tuned = self.tuned(cell)
        if tuned is None:
            raise RuntimeError(f"{cell.name} is fitted before it is tuned")
        fits: dict[str, Fit] = {
            PROBE: self._fit_probe,
            HEAD: self._fit_head,
            BASE: self._fit_base,
        }
        began = time.perf_counter()
        with threadpool_limits(1):
            scores, history = fits[kind](cell, tuned["params"])
        test, truth = cell.fold.test, self.plan.examples.truth
        return round(balanced_loss(truth[test], scores), DIGITS), FitResult(
            images=test.tolist(),
            scores=np.round(scores.astype(float), DIGITS).tolist(),
            history=history,
            seconds=round(time.perf_counter() - began, 3),
            code=self.code,
        )

    def _fit_probe(self, cell: Cell, _: HeadParameters) -> tuple[Floats, list[EpochLosses]]:
        train, groups = cell.fold.train, self.plan.splits[cell.split].groups
        features = self.features.get(cell.model, 0.0, 0)[0]
        probe = fit_probe(
            features[train],
            self.plan.examples.truth[train],
            [groups[index] for index in train],
            balanced=True,
            seed=self.plan.options.seed,
        )
        return probe.scores(features[cell.fold.test]).astype(np.float32), []

    def _fit_head(self, cell: Cell, params: HeadParameters) -> tuple[Floats, list[EpochLosses]]:
        source = self.features.source(cell.model, params["strength"])
        # The test images are measured for the learning curve only: the epochs were tuned before.
        measured = cell.fold.test[self.plan.truth_known[cell.fold.test]]
        head, history = self._fit_dense_head(cell.fold.train, measured, source, params)
        return head.scores(source(0)[cell.fold.test]), _losses(history)

    def _fit_base(self, cell: Cell, params: HeadParameters) -> tuple[Floats, list[EpochLosses]]:
        from ..fitting.fold_training import fit_fold

        options = self.plan.options
        task = TrainingTask(
            model=cell.model,
            head=options.head,
            weights=options.weights[cell.model],
            seed=options.seed,
            recipe=self.plan.recipe(cell.model, params),
            examples=self.plan.examples,
            split=self.plan.splits[cell.split],
            folder=self.state_folder(cell),
        )
        result = fit_fold(task, cell.fold, self.progress, self.features.cache)
        return np.asarray(result["scores"], np.float32), _losses(result["history"])


def _losses(history: Iterable[Mapping[str, Any]]) -> list[EpochLosses]:
    """Return phase, epoch and rounded losses of a history."""
    return [
        cast(
            EpochLosses,
            {
                key: round(row[key], DIGITS) if isinstance(row[key], float) else row[key]
                for key in ("phase", "epoch", "loss", "val_loss")
                if key in row
            },
        )
        for row in history
    ]


def _lowest_loss(trials: Iterable[FrozenTrial], strength: float) -> float | None:
    """Return the lowest loss of the trials with this strength; None if there is none."""
    losses = [float(trial.value) for trial in trials if trial.params["strength"] == strength]
    return min(losses, default=None)


def _generation(slot: int) -> int:
    """Return the generation of a trial; the first trial is generation 0 on its own."""
    return 1 + (slot - 1) // GENERATION if slot else 0
