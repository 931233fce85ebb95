"""Reads the data of a study and divides its work into cells; imports neither keras nor optuna."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...runtime.data.datasets import Dataset
from ...runtime.metrics.metrics import Json
from ..data.cells.sources import all_samples, image_names
from ..data.cells.types import CellExamples
from ..data.cells.unknown_cells import known_cells
from ..data.contradictions import refuse_contradictions
from ..data.examples import Examples
from ..data.overlaps.search import find_overlaps
from ..data.split_types import Fold, Split
from ..fitting.augmentation import PAPER_AUGMENTATION, Augmentation
from ..fitting.feature_cache import AugmentationPass, weights_digest
from ..fitting.recipe import CELL_FINE_TUNING, FINE_TUNING, FROM_SCRATCH, Recipe
from ..networks.base_weights import NONE
from ..runs.base_images import refuse_images_of_bases
from .options import StudyOptions, check_files, check_names
from .study_data import make_splits, read_sources, read_study_examples, with_default_splits
from .types import HeadParameters

SCHEMA_VERSION = 1
INNER_FOLDS = 3  # of a training part, for tuning
STRENGTHS = (0.0, 0.5, 1.0)  # times the paper's augmentation
PROBE, HEAD, BASE = "probe", "head", "base"
CELL_TASK = "cell"
# The range or the values of every tuned parameter. The first trial of a cell is the default.
LEARNING_RATES, BATCH_SIZES, EPOCHS = (1e-4, 3e-2), (8, 16, 32), (5, 60)
# The settings that the results of every cell depend on.
CELL_SETTINGS = (
    "head",
    "labels",
    "image_path",
    "seed",
    "passes",
    "inner_folds",
    "space",
    "default",
    "data",
    "version",
    "task",
    "cells",
    "truth",
)
DEFAULT: HeadParameters = {"lr": 1e-3, "batch_size": 16, "epochs": 30, "strength": 1.0}


@dataclass(frozen=True)
class Cell:
    """One model on one outer fold of one split; it is tuned on its own.

    Parameters
    ----------
    split, model : str
    fold : Fold
    """

    split: str
    model: str
    fold: Fold

    @property
    def name(self) -> str:
        """The name of the cell in storages and folders."""
        return f"{self.split}/{self.fold.number}/{self.model}"


@dataclass(frozen=True)
class Plan:
    """The data, the splits and the settings of a study, before anything is fitted.

    Parameters
    ----------
    options : StudyOptions
    examples : Examples
    splits : dict of str to Split
        By their names in storages.
    settings : dict
        Everything that the results depend on, as ``settings.json`` has it.
    """

    options: StudyOptions
    examples: Examples
    splits: dict[str, Split]
    settings: Json

    def key(self, cell: Cell, kind: str = "") -> str:
        """Return the name of a cell's work in a storage.

        It depends on everything that the results of the cell depend on, and on nothing else. A
        study may therefore continue with another model or split.

        Parameters
        ----------
        cell : Cell
        kind : str
            Of a fit; empty for tuning.

        Returns
        -------
        str
        """
        groups = self.splits[cell.split].groups
        settings = {name: self.settings[name] for name in CELL_SETTINGS if name in self.settings}
        settings |= {
            "weights": self.settings["weights"][cell.model],
            "parts": [cell.fold.train.tolist(), cell.fold.test.tolist()],
            "groups": [groups[index] for index in cell.fold.train],
        }
        if kind:  # a fit uses the parameters of the best trial
            settings["trials"] = self.options.trials
        if kind == BASE:
            settings["recipes"] = self.settings["recipes"]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return f"alledge/{digest[:16]}/{cell.name}/{kind or 'tuning'}"

    def cells(self) -> Iterator[Cell]:
        """Yield all cells, one model after the other."""
        for model in self.options.models:
            for kind, split in self.splits.items():
                for fold in split.folds:
                    yield Cell(kind, model, fold)

    def kinds(self, model: str) -> tuple[str, ...]:
        """Return the kinds of fit on the outer folds of a model."""
        return (PROBE, HEAD, BASE) if model in self.options.fine_tune else (PROBE, HEAD)

    def passes(self, strength: float) -> list[AugmentationPass]:
        """Return the passes for a strength of augmentation; the first has no augmentation."""
        augmentation = scaled_augmentation(strength, self.augmentation)
        count = self.options.passes if strength else 0
        return [
            AugmentationPass(augmentation, self.options.seed, number) for number in range(count + 1)
        ]

    def recipe(self, model: str, params: HeadParameters) -> Recipe:
        """Return the recipe for fine-tuning a model, with the parameters tuned for its head."""
        random_weights = self.options.weights[model] == NONE
        return replace(
            FROM_SCRATCH if random_weights else _fine_tuning(self.options),
            batch_size=int(params["batch_size"]),
            head_epochs=int(params["epochs"]),
            head_lr=float(params["lr"]),
            head_passes=self.options.passes if params["strength"] else 0,
            augmentation=scaled_augmentation(float(params["strength"]), self.augmentation),
        )

    @cached_property
    def truth_known(self) -> NDArray[np.bool_]:
        """Whether the true label of each image or cell is known, (N,)."""
        if isinstance(self.examples, CellExamples):
            return known_cells(self.examples)
        return np.ones(len(self.examples.truth), dtype=bool)

    @property
    def augmentation(self) -> Augmentation:
        """The augmentation whose ranges the strengths multiply."""
        return _fine_tuning(self.options).augmentation


def _fine_tuning(options: StudyOptions) -> Recipe:
    return CELL_FINE_TUNING if options.cells else FINE_TUNING


def scaled_augmentation(strength: float, full: Augmentation = PAPER_AUGMENTATION) -> Augmentation:
    """Return an augmentation with its ranges multiplied by a strength; 0 is none."""
    ranges = {
        name: strength > 0 and value if isinstance(value, bool) else value * strength
        for name, value in full.to_json().items()
    }
    return Augmentation(**ranges)


def make_plan(
    options: StudyOptions, progress: Callable[[str, int, int], None] | None = None
) -> Plan:
    """Read the data and make the splits. All options are checked before anything is trained.

    Parameters
    ----------
    options : StudyOptions
    progress : callable, optional
        Takes the stage of the search for overlapping images, the items done and their number.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        If a name is unknown, a file does not exist, or weights do not fit their base.
    DataError
        If the data set or a split cannot be used, or a training part is too small for tuning.
    """
    check_names(options)
    datasets = read_sources(options, progress)
    options = with_default_splits(options, datasets[0])
    check_files(options, image_names(datasets))
    digests = {
        model: weights_digest(model, options.weights[model], options.seed)
        for model in options.models
    }
    paths = [sample.path for _, sample in all_samples(datasets)]
    bases = [options.weights[model] for model in options.models]
    notes = refuse_images_of_bases(bases, paths, force=options.force, say=lambda line: None)
    overlaps = find_overlaps(paths, progress)
    examples = read_study_examples(options, datasets, overlaps, progress)
    same_images = () if options.cells else overlaps
    notes += refuse_contradictions(
        examples, same_images, force=options.force, say=lambda line: None
    )
    splits, left_out = make_splits(examples, options)
    settings = (
        _settings(options, datasets, examples, splits, digests)
        | _cell_settings(examples)
        | {
            "left_out": left_out,
            "reading": [
                *(line for dataset in datasets for line in dataset.description()),
                *notes,
                *examples.flag_notes(),
            ],
        }
    )
    return Plan(options, examples, splits, settings)


def _settings(
    options: StudyOptions,
    datasets: Sequence[Dataset],
    examples: Examples,
    splits: dict[str, Split],
    digests: dict[str, str],
) -> Json:
    return {
        "version": SCHEMA_VERSION,
        "models": list(options.models),
        "fine_tune": list(options.fine_tune),
        "head": options.head,
        "weights": digests,
        "labels": list(examples.dataset.labels),
        "positive": list(examples.dataset.positive),
        "image_path": options.image_settings.to_json(),
        "seed": options.seed,
        "trials": options.trials,
        "passes": options.passes,
        "inner_folds": INNER_FOLDS,
        "space": {
            "lr": list(LEARNING_RATES),
            "batch_size": list(BATCH_SIZES),
            "epochs": list(EPOCHS),
            "strength": list(STRENGTHS),
        },
        "default": DEFAULT,
        "splits": {kind: _split_settings(split) for kind, split in splits.items()},
        "data": _data_settings(datasets),
        "recipes": {
            "fine-tuned": _fine_tuning(options).to_json(),
            "from scratch": FROM_SCRATCH.to_json(),
        },
    }


def _data_settings(datasets: Sequence[Dataset]) -> Json:
    first, fingerprints = datasets[0], [dataset.fingerprint() for dataset in datasets]
    settings: Json = {
        "name": " + ".join(dataset.name for dataset in datasets),
        "layout": first.layout,
        "fingerprint": fingerprints[0],
        "images": sum(len(dataset.samples) for dataset in datasets),
        "generated": any(dataset.generated for dataset in datasets),
        "labels_digest": first.labels_digest,
    }
    return settings | ({"more_fingerprints": fingerprints[1:]} if fingerprints[1:] else {})


def _cell_settings(examples: Examples) -> Json:
    """Return the settings that only a study of cells has."""
    if not isinstance(examples, CellExamples):
        return {}
    return {
        "task": CELL_TASK,
        "cells": examples.settings.to_json(),
        "truth": examples.truth_digest(),
    }


def _split_settings(split: Split) -> Json:
    parts = "\n".join(
        f"{fold.number}: {fold.train.tolist()} {fold.test.tolist()}" for fold in split.folds
    )
    text = f"{parts}\n{list(split.groups)}"
    return {
        "folds": len(split.folds),
        "notes": list(split.notes),
        "digest": f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()}",
    }
