"""Fits every fold of a training task, stores the scores of its test images, and refits on all."""

from __future__ import annotations

import shutil
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

from ...runtime.files import replace_file, write_json
from ..data.group_folds import split_off_validation
from ..data.split_types import Fold
from ..networks.architectures import architecture, head_row, trains_base
from ..networks.base_weights import NONE
from ..networks.hardware import Hardware, detect
from ..networks.network import SCORES, build, freeze, head_of
from ..networks.tensorflow_import import keras, tf
from ..progress import TrainingProgress
from ..runs.run_folder import MODEL, fold_folder
from .augmentation import augment
from .feature_cache import FeatureCache
from .fold_result_file import read_fit_result
from .frozen_features import FrozenFeatures
from .targets import FitImages
from .task import TrainingTask
from .training_loop import FitState, Fitter, predict
from .types import FitResult, Floats, FoldResult, HistoryRow, Ints

REFIT = 0  # fold number of the fit on all images
HEAD_PHASE, BASE_PHASE = "head", "base"
WHOLE = "-whole"  # suffix of a phase that is fitted again on all training images of the fold
FOLD_FILE = "fold.json"  # written last into a fold's folder: the fold is finished

Result = TypeVar("Result", bound=FitResult)


class Trainer:
    """Fits the folds of a task one after the other with one compiled network.

    Parameters
    ----------
    task : TrainingTask
    progress : TrainingProgress
    cache : FeatureCache, optional
        Cache for features of the frozen base. By default in the user's cache folder.
    hardware : Hardware, optional
        By default the hardware of this machine.
    """

    def __init__(
        self,
        task: TrainingTask,
        progress: TrainingProgress,
        cache: FeatureCache | None = None,
        hardware: Hardware | None = None,
    ) -> None:
        keras.utils.set_random_seed(task.seed)
        tf.config.experimental.enable_op_determinism()
        self.task, self.progress = task, progress
        self.hardware = hardware or detect()
        self.classes = len(task.examples.dataset.labels)
        with self.hardware.scope():
            self.network = self._build(task.weights)
        self.start = self.network.get_weights()
        head = head_row(task.head)
        self.trains_base = trains_base(architecture(task.model), head)
        freeze(self.network, base=not self.trains_base, norm=task.recipe.freeze_norm)
        self.solves_head = not head.dense  # a single dense layer is solved as the linear probe
        self.is_pretrained = task.weights != NONE
        self.features = FrozenFeatures(
            task,
            self.network,
            self.start,
            maps=not self.solves_head,
            hardware=self.hardware,
            progress=progress,
            cache=cache or FeatureCache(),
        )
        self._fitters: dict[str, Fitter] = {}

    @property
    def phases(self) -> dict[str, int]:
        """Greatest number of epochs of each phase that is fitted step by step."""
        recipe, phases = self.task.recipe, {}
        if not self.solves_head and (recipe.head_first or not self.trains_base):
            phases[HEAD_PHASE] = recipe.head_epochs
        if self.trains_base:
            phases[BASE_PHASE] = recipe.epochs
        return phases

    def run(self) -> tuple[list[FoldResult], FitResult]:
        """Fit every fold that is not finished, then fit all images.

        Returns
        -------
        folds : list of FoldResult
            One per fold, with the scores of its test images.
        refit : FitResult
        """
        results: list[FoldResult] = []
        folds = self.task.split.folds
        epochs = self._epochs_per_fold()
        self.progress.plan(epochs * (len(folds) + 1))
        for fold in folds:
            name = f"fold {fold.number} of {len(folds)}"
            finished = cast("FoldResult | None", self._read_result(fold.number, fold.test))
            results.append(finished or self._fit_fold(fold, name))
            self.progress.skip(epochs * len(results))
        return results, self._read_result(REFIT, None) or self._refit(results)

    def score_fold(self, fold: Fold, name: str) -> FoldResult:
        """Fit one fold and score its test images. Nothing is stored and no probe is fitted.

        Parameters
        ----------
        fold : Fold
        name : str
            Name of the fold for the progress display.
        """
        self.progress.plan(self._epochs_per_fold())
        return self._fit_and_score(fold, name)

    def _epochs_per_fold(self) -> int:
        recipe = self.task.recipe
        return sum(self.phases.values()) * (1 + (recipe.choose_epoch and recipe.whole_folds))

    def _read_result(self, number: int, test: Ints | None) -> FitResult | None:
        """Return the result of a finished fold. None if it is not finished, or damaged."""
        return read_fit_result(self._folder(number) / FOLD_FILE, test, self.classes)

    def _fit_fold(self, fold: Fold, name: str) -> FoldResult:
        result = self._fit_and_score(fold, name)
        if self.is_pretrained:
            probe = self.features.fit_probe(fold.train, passes=0)
            result["probe"] = probe.scores(self.features.pooled[0][fold.test]).tolist()
        return self._store(result)

    def _fit_and_score(self, fold: Fold, name: str) -> FoldResult:
        task, truth, groups = self.task, self.task.examples.truth, self.task.split.groups
        train, validation = fold.train, fold.train[:0]
        if task.recipe.choose_epoch:
            if fold.validation is None:
                train, validation = split_off_validation(truth, groups, fold.train, task.seed)
            else:
                train, validation = np.setdiff1d(fold.train, fold.validation), fold.validation
        images = FitImages(train, validation, truth, self.classes)
        fit = self._fit(images, fold.number, name, self.phases)
        if task.recipe.whole_folds and len(validation):
            images = FitImages(fold.train, validation[:0], truth, self.classes)
            whole = self._fit(images, fold.number, f"{name}, all images", fit["best"], WHOLE)
            fit["history"] += whole["history"]
            fit["seconds"] += whole["seconds"]
        scores = predict(self.network, self._pixels(fold.test, None))
        result = {**fit, "images": fold.test.tolist(), "scores": scores.tolist()}
        return cast("FoldResult", result)

    def _refit(self, folds: list[FoldResult]) -> FitResult:
        """Fit all images, for the median of the folds' best numbers of epochs."""
        epochs = {
            phase: round(statistics.median(fold["best"][phase] for fold in folds))
            for phase in self.phases
        }
        truth, train = self.task.examples.truth, self.task.split.refit
        train = np.arange(len(truth)) if train is None else train
        images = FitImages(train, train[:0], truth, self.classes)
        return self._store(self._fit(images, REFIT, "refit on all images", epochs))

    def _fit(
        self, images: FitImages, number: int, name: str, epochs: dict[str, int], suffix: str = ""
    ) -> FitResult:
        """Fit all phases from the initial weights. The network has the best weights afterwards."""
        began = time.perf_counter()
        history: list[HistoryRow] = []
        best: dict[str, int] = {}
        recipe = self.task.recipe
        self.network.set_weights(self.start)
        if self.solves_head and self.is_pretrained and (recipe.head_first or not self.trains_base):
            self.progress.stage(f"{name}: head on frozen features")
            probe = self.features.fit_probe(images.train, passes=recipe.head_passes)
            head_of(self.network).get_layer(SCORES).set_weights([probe.kernel, probe.bias])
        for phase, length in epochs.items():
            file = self._folder(number) / f"{phase}{suffix}.state.npz"
            state = self._fit_phase(phase, images, file, f"{name}, {phase}", length)
            best[phase] = state.best_epoch
            history += [
                cast("HistoryRow", {"fold": number, "phase": phase + suffix, **row})
                for row in state.history
            ]
        seconds = round(time.perf_counter() - began, 1)
        return {"number": number, "best": best, "history": history, "seconds": seconds}

    def _fit_phase(
        self, phase: str, images: FitImages, state_file: Path, name: str, epochs: int
    ) -> FitState:
        source = self.features.source() if phase == HEAD_PHASE else self._pixels
        fitter = self._fitter(phase)
        return fitter.fit(
            images,
            source,
            fitter.network.get_weights(),
            epochs=epochs,
            state_file=state_file,
            report=lambda row: self.progress.epoch(name, row),
        )

    def _fitter(self, phase: str) -> Fitter:
        """Return the fitter of a phase. It is kept, because compiling a network takes seconds."""
        recipe, seed = self.task.recipe, self.task.seed
        if phase not in self._fitters:
            network = self.network
            if phase == HEAD_PHASE:
                epochs = max(recipe.head_epochs, 1)
                recipe = replace(recipe, epochs=epochs, lr=recipe.head_lr, patience=epochs)
                network = head_of(self.network)
            self._fitters[phase] = Fitter(network, recipe, seed, self.hardware)
        return self._fitters[phase]

    def _pixels(self, images: Ints, epoch: int | None) -> Floats:
        """Return the network's inputs: images augmented for an epoch, or as they are for None."""
        pixels, task = self.task.examples.pixels, self.task
        if epoch is None:
            return pixels[images].astype(np.float32)
        limits = task.recipe.augmentation
        return np.stack(
            [augment(pixels[i], limits, seed=task.seed, epoch=epoch, sample=int(i)) for i in images]
        ).astype(np.float32)

    def _store(self, result: Result) -> Result:
        """Save the network without its optimizer, then the result, which finishes the fold."""
        number = result["number"]
        folder = self._folder(number)
        network = self._build(NONE)
        network.set_weights(self.network.get_weights())
        path = self.task.folder / MODEL if number == REFIT else folder / MODEL
        with replace_file(path) as beside:
            with_suffix = beside.with_suffix(path.suffix)  # Keras chooses the format by the suffix
            network.save(with_suffix)
            with_suffix.replace(beside)
        write_json(folder / FOLD_FILE, result)
        for state in folder.glob("*.state.npz"):
            state.unlink()
        return result

    def _folder(self, number: int) -> Path:
        folder = self.task.folder
        return folder / "refit" if number == REFIT else fold_folder(folder, number)

    def _build(self, weights: str) -> keras.Model:
        task, size = self.task, self.task.examples.pixels.shape[1]
        return build(
            task.model, task.head, self.classes, weights=weights, seed=task.seed, size=size
        )


def fit_fold(
    task: TrainingTask, fold: Fold, progress: TrainingProgress, cache: FeatureCache | None = None
) -> FoldResult:
    """Fit one fold of a task, return the scores of its test images and delete the task's folder.

    Parameters
    ----------
    task : TrainingTask
        An interrupted fit in its folder is resumed.
    fold : Fold
    progress : TrainingProgress
    cache : FeatureCache, optional
    """
    keras.backend.clear_session()
    result = Trainer(task, progress, cache).score_fold(fold, f"{task.model}, {task.folder.name}")
    shutil.rmtree(task.folder, ignore_errors=True)
    return result
