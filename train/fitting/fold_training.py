"""One training run: every fold fitted, its predictions kept, then a refit on all images."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.files import replace_file, write_json
from ...runtime.metrics.metrics import Json
from ..data.examples import Examples
from ..data.group_folds import split_off_validation
from ..data.split_types import Fold, Split
from ..networks.architectures import architecture, head_row, trains_base
from ..networks.hardware import FLOAT32, Hardware, detect
from ..networks.network import SCORES, build, features_of, freeze, head_of
from ..networks.tensorflow_import import keras, tf
from ..progress import TrainingProgress
from ..runs.run_folder import MODEL, fold_folder
from .augmentation import augment
from .feature_cache import AugmentationPass, FeatureCache, weights_digest
from .linear_probe import Probe, fit_probe
from .recipe import Recipe
from .targets import FitImages
from .training_loop import Fitter, Ints, Source, State, Weights, forward, predict

REFIT = 0  # number of the fit on all images, among the folds
HEAD_PHASE, BASE_PHASE = "head", "base"
WHOLE = "-whole"  # a phase fitted again on all training images of the fold
FOLD = "fold.json"  # written last in a fold's folder: the fold is done

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingTask:
    """What is trained, on what, and where it is kept.

    Parameters
    ----------
    model, head, weights : str
    seed : int
    recipe : Recipe
    examples : Examples
    split : Split
    folder : Path
    """

    model: str
    head: str
    weights: str
    seed: int
    recipe: Recipe
    examples: Examples
    split: Split
    folder: Path


class Trainer:
    """Fits the folds of a task one after the other with one compiled network.

    Parameters
    ----------
    task : TrainingTask
    progress : TrainingProgress
    cache : FeatureCache, optional
        Where features of the frozen base are kept; the user's cache folder by default.
    hardware : Hardware, optional
        What this machine has, by default.
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
        self.task, self.progress, recipe = task, progress, task.recipe
        self.cache = cache or FeatureCache()
        self.classes = len(task.examples.dataset.labels)
        self.hardware = hardware or detect()
        with self.hardware.scope():
            self.network = self._build(task.weights)
        self.start: Weights = self.network.get_weights()
        self.base = trains_base(architecture(task.model), head_row(task.head))
        freeze(self.network, base=not self.base, norm=recipe.freeze_norm)
        self.solved = not head_row(task.head).dense  # one dense layer is solved, not trained
        self.probing = task.weights != "none"
        self.pooled: list[Floats] = []
        self.maps: list[Floats] = []
        self._fitters: dict[str, Fitter] = {}

    @property
    def phases(self) -> dict[str, int]:
        """Epochs of each phase that is fitted step by step, at most."""
        recipe, phases = self.task.recipe, {}
        if not self.solved and (recipe.head_first or not self.base):
            phases[HEAD_PHASE] = recipe.head_epochs
        if self.base:
            phases[BASE_PHASE] = recipe.epochs
        return phases

    def run(self) -> list[Json]:
        """Fit every fold that is not done yet, then refit on all images.

        Returns
        -------
        list of dict
            One a fold, then the refit: history, best epochs, seconds; a fold's also holds the
            scores of its test images and those of the linear probe.
        """
        done: list[Json] = []
        length = sum(self.phases.values()) * (2 if self.task.recipe.whole_folds else 1)
        self.progress.plan(length * (len(self.task.split.folds) + 1))
        for fold in self.task.split.folds:
            name = f"fold {fold.number} of {len(self.task.split.folds)}"
            done.append(self._kept(fold.number) or self._fold(fold, name))
            self.progress.skip(length * len(done))
        done.append(self._kept(REFIT) or self._refit(done))
        return done

    def fold(self, fold: Fold, name: str) -> Json:
        """Fit one fold for its scores alone: no probe, no network kept, no refit.

        Returns
        -------
        dict
            Best epochs, history, seconds, and the scores of its test images.
        """
        self.progress.plan(sum(self.phases.values()) * (1 + self.task.recipe.whole_folds))
        return self._scored(fold, name)

    def _kept(self, number: int) -> Json | None:
        """Return the result of a fold that is done; None where none is, or it is damaged."""
        path = self._folder(number) / FOLD
        try:
            kept: Json = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return kept

    def _fold(self, fold: Fold, name: str) -> Json:
        result = self._scored(fold, name)
        if self.probing:
            probe = self._probe(fold.train, passes=0)
            result["probe"] = probe.scores(self.pooled[0][fold.test]).tolist()
        return self._keep(fold.number, result)

    def _scored(self, fold: Fold, name: str) -> Json:
        task, truth, groups = self.task, self.task.examples.truth, self.task.split.groups
        fitted, chosen = fold.train, fold.train[:0]
        if task.recipe.choose_epoch:
            fitted, chosen = split_off_validation(truth, groups, fold.train, task.seed)
        part = FitImages(fitted, chosen, truth, self.classes)
        result = self._fit(part, fold.number, name, self.phases)
        if task.recipe.whole_folds and len(chosen):
            whole = FitImages(fold.train, chosen[:0], truth, self.classes)
            again = self._fit(whole, fold.number, f"{name}, whole", result["best"], WHOLE)
            result["history"] += again["history"]
            result["seconds"] += again["seconds"]
        result["images"] = fold.test.tolist()
        result["scores"] = predict(self.network, self._pixels(fold.test, None)).tolist()
        return result

    def _refit(self, folds: list[Json]) -> Json:
        """Fit all images for as many epochs as the folds found best."""
        epochs = {
            phase: round(statistics.median(fold["best"][phase] for fold in folds))
            for phase in self.phases
        }
        truth = self.task.examples.truth
        part = FitImages(np.arange(len(truth)), np.empty(0, dtype=np.int64), truth, self.classes)
        return self._keep(REFIT, self._fit(part, REFIT, "refit on all images", epochs))

    def _fit(
        self, part: FitImages, number: int, name: str, epochs: dict[str, int], suffix: str = ""
    ) -> Json:
        began, history, best = time.perf_counter(), [], {}
        self.network.set_weights(self.start)
        if self.probing and (self.task.recipe.head_first or not self.base):
            self._features()
            if self.solved:
                self.progress.stage(f"{name}: head on frozen features")
                self._set_head(self._probe(part.train, passes=self.task.recipe.head_passes))
        for phase, length in epochs.items():
            file = self._folder(number) / f"{phase}{suffix}.state.npz"
            state = self._phase(phase, part, file, f"{name}, {phase}", length)
            best[phase] = state.best_epoch
            history += [{"fold": number, "phase": phase + suffix} | row for row in state.history]
        return {
            "number": number,
            "best": best,
            "history": history,
            "seconds": round(time.perf_counter() - began, 1),
        }

    def _phase(self, phase: str, part: FitImages, file: Path, name: str, epochs: int) -> State:
        fitter, source = self._fitter(phase)
        return fitter.fit(
            part,
            source,
            fitter.network.get_weights(),
            epochs=epochs,
            state_file=file,
            report=lambda row: self.progress.epoch(name, row),
        )

    def _fitter(self, phase: str) -> tuple[Fitter, Source]:
        recipe, seed = self.task.recipe, self.task.seed
        if phase == HEAD_PHASE:
            self._features()
        if phase not in self._fitters:
            if phase == HEAD_PHASE:
                length = max(recipe.head_epochs, 1)
                short = replace(recipe, epochs=length, lr=recipe.head_lr, patience=length)
                self._fitters[phase] = Fitter(head_of(self.network), short, seed, self.hardware)
            else:
                self._fitters[phase] = Fitter(self.network, recipe, seed, self.hardware)
        return self._fitters[phase], self._maps if phase == HEAD_PHASE else self._pixels

    def _pixels(self, images: Ints, epoch: int | None) -> Floats:
        """Return images as the network sees them in an epoch; as they are without one."""
        pixels, task = self.task.examples.pixels, self.task
        if epoch is None:
            return pixels[images].astype(np.float32)
        how = task.recipe.augmentation
        return np.stack(
            [augment(pixels[i], how, seed=task.seed, epoch=epoch, sample=int(i)) for i in images]
        ).astype(np.float32)

    def _maps(self, images: Ints, epoch: int | None) -> Floats:
        """Return frozen features, going round the augmented passes."""
        return self.maps[0 if epoch is None else epoch % len(self.maps)][images]

    def _features(self) -> None:
        """Run the frozen base once over the images and once over each augmented pass.

        It runs with the weights training starts from; those the network has are put back.
        """
        if self.pooled:
            return
        fitted = self.network.get_weights()
        self.network.set_weights(self.start)
        with self.hardware.scope():
            base = features_of(self.network)
        recipe, task = self.task.recipe, self.task
        name = weights_digest(task.model, task.weights, task.seed)
        if self.hardware.policy != FLOAT32:
            name += f" {self.hardware.policy}"
        for number in range(recipe.head_passes + 1):
            self.progress.stage(
                f"features of the frozen base, pass {number + 1} of {recipe.head_passes + 1}"
            )
            which = AugmentationPass(recipe.augmentation, task.seed, number)
            found, _ = self.cache.get(
                task.examples.pixels,
                name,
                which,
                lambda: lambda pixels: forward(base, pixels),
                maps=not self.solved,
            )
            self.pooled.append(found if self.solved else found.mean(axis=(1, 2)))
            if not self.solved:
                self.maps.append(found)
        self.network.set_weights(fitted)

    def _probe(self, train: Ints, passes: int) -> Probe:
        self._features()
        groups = [self.task.split.groups[index] for index in train]
        return fit_probe(
            np.concatenate([features[train] for features in self.pooled[: passes + 1]]),
            np.tile(self.task.examples.truth[train], passes + 1),
            groups * (passes + 1),
            balanced=self.task.recipe.class_weights,
            seed=self.task.seed,
        )

    def _set_head(self, probe: Probe) -> None:
        head_of(self.network).get_layer(SCORES).set_weights([probe.kernel, probe.bias])

    def _keep(self, number: int, result: Json) -> Json:
        """Save the network without its optimizer, then the result: the fold is done."""
        folder = self._folder(number)
        bare = self._build("none")
        bare.set_weights(self.network.get_weights())
        path = self.task.folder / MODEL if number == REFIT else folder / MODEL
        with replace_file(path) as beside:
            named = beside.with_suffix(path.suffix)  # Keras goes by the suffix
            bare.save(named)
            named.replace(beside)
        write_json(folder / FOLD, result)
        for state in folder.glob("*.state.npz"):
            state.unlink()
        return result

    def _folder(self, number: int) -> Path:
        return (
            self.task.folder / "refit" if number == REFIT else fold_folder(self.task.folder, number)
        )

    def _build(self, weights: str) -> Any:
        task = self.task
        size = task.examples.pixels.shape[1]
        return build(
            task.model, task.head, self.classes, weights=weights, seed=task.seed, size=size
        )


def fit_fold(
    *, fold: Fold, progress: TrainingProgress, cache: FeatureCache | None = None, **task: Any
) -> Json:
    """Fit one fold of a task and throw its network away: what a study does many times.

    Parameters
    ----------
    fold : Fold
    progress : TrainingProgress
    cache : FeatureCache, optional
    **task
        Fields of `TrainingTask`. A fit that was interrupted in its folder is resumed.

    Returns
    -------
    dict
        As `Trainer.fold`.
    """
    keras.backend.clear_session()
    whole = TrainingTask(**task)
    result = Trainer(whole, progress, cache).fold(fold, f"{whole.model}, {whole.folder.name}")
    shutil.rmtree(whole.folder, ignore_errors=True)
    return result
