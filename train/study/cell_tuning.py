"""What is done in a cell of a study: its head tuned inside the training part, then fitted on it.

The images of the outer test part are looked at once, to be scored; tuning never has them.
Tensorflow is loaded only where features are not in the cache or a base is fine-tuned.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ...runtime.metrics.metrics import Json
from ..data.splits import group_folds
from ..fitting.linear_probe import fit_probe
from ..fitting.targets import Part, balanced_loss
from ..networks.architectures import head_row
from ..progress import TrainingProgress
from ..provenance import code_version
from .frozen_features import Features
from .numpy_head import DenseHead, HeadRecipe, fit_head
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

GENERATION = 4  # trials that are tried at the same time; each learns from the generations before
DIGITS = 7  # of scores and losses as they are stored

Floats = NDArray[np.float32]


def space() -> dict[str, optuna.distributions.BaseDistribution]:
    """Return what is tuned, and how far."""
    found = optuna.distributions
    return {
        "lr": found.FloatDistribution(*LEARNING_RATES, log=True),
        "batch_size": found.CategoricalDistribution(BATCH_SIZES),
        "epochs": found.IntDistribution(*EPOCHS),
        "strength": found.CategoricalDistribution(STRENGTHS),
    }


def ask(trial: optuna.Trial) -> Json:
    """Ask a trial for everything that is tuned."""
    return {
        "lr": trial.suggest_float("lr", *LEARNING_RATES, log=True),
        "batch_size": trial.suggest_categorical("batch_size", BATCH_SIZES),
        "epochs": trial.suggest_int("epochs", *EPOCHS),
        "strength": trial.suggest_categorical("strength", STRENGTHS),
    }


class StudyWorker:
    """Does the work of cells.

    Parameters
    ----------
    plan : Plan
    features : Features
    storage : RDBStorage
    folder : Path
        Where a fine-tuning that was cut off left its state.
    progress : TrainingProgress
    """

    def __init__(
        self, plan: Plan, features: Features, storage: Any, folder: Path, progress: TrainingProgress
    ) -> None:
        self.plan, self.features, self.folder = plan, features, folder
        self.storage, self.progress = storage, progress
        self.code = code_version()  # kept with every result: a study may outlive a commit
        self._shelves: dict[str, TrialQueue] = {}
        self._tuned: dict[str, Json] = {}
        self._fitted: dict[tuple[str, str], Json] = {}

    def shelf(self, cell: Cell, kind: str = "") -> TrialQueue:
        """Return the Optuna study of a cell's tuning, or of one of its fits."""
        name = self.plan.key(cell, kind)
        if name not in self._shelves:
            self._shelves[name] = TrialQueue(self.storage, name)
        return self._shelves[name]

    def tune(self, cell: Cell) -> bool:
        """Do one trial of a cell; False where other processes have, or have done, what is left."""
        shelf, done = self.shelf(cell), self._done(cell)
        first = next((at for at in range(self.plan.options.trials) if at not in done), None)
        if first is None:
            return False
        generation = 1 + (first - 1) // GENERATION if first else 0
        slots = [0] if not first else range(1, self.plan.options.trials)
        earlier = [done[at] for at in sorted(done) if _generation(at) < generation]
        wanted = {
            slot: self._parameters(cell, slot, earlier)
            for slot in slots
            if slot not in done and _generation(slot) == generation
        }
        shelf.offer(wanted)
        return shelf.work(partial(self._trial, cell), ask)

    def tuned(self, cell: Cell) -> Json | None:
        """Return the best parameters of a cell, with their loss; None while trials are left."""
        if cell.name not in self._tuned:
            done = self._done(cell)
            if len(done) < self.plan.options.trials:
                return None
            best = min(done, key=lambda slot: (done[slot].value, slot))
            self._tuned[cell.name] = {
                "params": dict(done[best].params),
                "slot": best,
                "loss": done[best].value,
                "default_loss": done[0].value,
                "by_strength": {f"{s:g}": _least(done.values(), s) for s in STRENGTHS},
                "epoch_seconds": float(
                    np.median([t.user_attrs[RESULT]["epoch_seconds"] for t in done.values()])
                ),
            }
        return self._tuned[cell.name]

    def fit(self, cell: Cell, kind: str) -> bool:
        """Fit one kind on a tuned cell's whole training part; False where another process does."""
        shelf = self.shelf(cell, kind)
        shelf.offer({0: {}})
        return shelf.work(partial(self._fit, cell, kind), lambda _: {})

    def fitted(self, cell: Cell, kind: str) -> Json | None:
        """Return what a fit came to; None while there is none."""
        at = (cell.name, kind)
        if at not in self._fitted:
            done = self.shelf(cell, kind).done()
            if 0 not in done:
                return None
            self._fitted[at] = done[0].user_attrs[RESULT]
        return self._fitted[at]

    def results(self, cell: Cell) -> list[Json]:
        """Return what every finished trial and fit of a cell came to."""
        trials = [trial.user_attrs[RESULT] for trial in self._done(cell).values()]
        fits = [self.fitted(cell, kind) for kind in self.plan.kinds(cell.model)]
        return trials + [fit for fit in fits if fit]

    def state_folder(self, cell: Cell) -> Path:
        """Return where a fine-tuning that is cut off leaves its state.

        It is named by everything the fit depends on: weights that were fitted under another order
        may have seen what are test images under this one.
        """
        digest = hashlib.sha256(self.plan.key(cell, BASE).encode()).hexdigest()
        return self.folder / f"{cell.model}-{digest[:16]}"

    def _done(self, cell: Cell) -> dict[int, Any]:
        found = self.shelf(cell).done()
        return {slot: trial for slot, trial in found.items() if slot < self.plan.options.trials}

    def trials_done(self, cell: Cell) -> int:
        """Return how many trials of a cell are finished, by whomever."""
        return len(self._done(cell))

    def _parameters(self, cell: Cell, slot: int, earlier: list[Any]) -> Json:
        if not slot:
            return dict(DEFAULT)
        text = f"{self.plan.options.seed} {cell.name} {slot}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        return suggest(space(), earlier, seed=seed, startup=2 * GENERATION)

    def _trial(self, cell: Cell, params: Json) -> tuple[float, Json]:
        """Measure parameters by grouped folds inside the training part."""
        with threadpool_limits(1):  # small matrices: a second thread costs more than it does
            return self._measured(cell, params)

    def _measured(self, cell: Cell, params: Json) -> tuple[float, Json]:
        truth, train = self.plan.examples.truth, cell.fold.train
        groups = [self.plan.splits[cell.split].groups[at] for at in train]
        part = group_folds(truth[train], groups, INNER_FOLDS, self.plan.options.seed)
        source = self.features.source(cell.model, params["strength"])
        losses, seconds = [], []
        for number in np.unique(part):
            out = train[part == number]
            head, history = self._head(train[part != number], out, source, params)
            losses.append(balanced_loss(truth[out], head.scores(source(0)[out])))
            seconds += [row["seconds"] for row in history]
        value = round(float(np.mean(losses)), DIGITS)
        return value, {"epoch_seconds": float(np.median(seconds)), "code": self.code}

    def _head(
        self, train: Any, chosen: Any, source: Any, params: Json
    ) -> tuple[DenseHead, list[Json]]:
        examples, row = self.plan.examples, head_row(self.plan.options.head)
        recipe = HeadRecipe(
            params["lr"], params["batch_size"], params["epochs"], row.dense, row.dropout
        )
        part = Part(train, chosen, examples.truth, len(examples.dataset.labels))
        return fit_head(part, source, recipe, seed=self.plan.options.seed)

    def _fit(self, cell: Cell, kind: str, _: Json) -> tuple[float, Json]:
        tuned = self.tuned(cell)
        if tuned is None:
            raise RuntimeError(f"{cell.name} is fitted before it is tuned")
        began = time.perf_counter()
        doing = {PROBE: self._fit_probe, HEAD: self._fit_head, BASE: self._fit_base}[kind]
        with threadpool_limits(1):
            scores, history = doing(cell, tuned["params"])
        test, truth = cell.fold.test, self.plan.examples.truth
        return round(balanced_loss(truth[test], scores), DIGITS), {
            "images": test.tolist(),
            "scores": np.round(scores.astype(float), DIGITS).tolist(),
            "history": history,
            "seconds": round(time.perf_counter() - began, 3),
            "code": self.code,
        }

    def _fit_probe(self, cell: Cell, _: Json) -> tuple[Floats, list[Json]]:
        train, groups = cell.fold.train, self.plan.splits[cell.split].groups
        plain = self.features.get(cell.model, 0.0, 0)[0]
        probe = fit_probe(
            plain[train],
            self.plan.examples.truth[train],
            [groups[at] for at in train],
            balanced=True,
            seed=self.plan.options.seed,
        )
        return probe.scores(plain[cell.fold.test]).astype(np.float32), []

    def _fit_head(self, cell: Cell, params: Json) -> tuple[Floats, list[Json]]:
        source = self.features.source(cell.model, params["strength"])
        # the test part is measured for the learning curve; the epochs are those that were tuned
        head, history = self._head(cell.fold.train, cell.fold.test, source, params)
        rows = [
            {key: _rounded(row[key]) for key in ("epoch", "loss", "val_loss")} for row in history
        ]
        return head.scores(source(0)[cell.fold.test]), rows

    def _fit_base(self, cell: Cell, params: Json) -> tuple[Floats, list[Json]]:
        from ..fitting.fold_training import fit_fold

        order, split = self.plan.options, self.plan.splits[cell.split]
        result = fit_fold(
            model=cell.model,
            head=order.head,
            weights=order.weights[cell.model],
            seed=order.seed,
            recipe=self.plan.recipe(cell.model, params),
            examples=self.plan.examples,
            split=split,
            fold=cell.fold,
            folder=self.state_folder(cell),
            progress=self.progress,
            cache=self.features.cache,
        )
        rows = [
            {key: _rounded(row[key]) for key in ("phase", "epoch", "loss", "val_loss")}
            for row in result["history"]
        ]
        return np.asarray(result["scores"], np.float32), rows


def _least(trials: Iterable[Any], strength: float) -> float | None:
    """Return the least loss of the trials with this augmentation; None where there was none."""
    found = [trial.value for trial in trials if trial.params["strength"] == strength]
    return min(found, default=None)


def _generation(slot: int) -> int:
    return 1 + (slot - 1) // GENERATION if slot else 0


def _rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value
