"""What a study is asked, and the cells it is made of; imports neither keras nor optuna."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ...errors import AlledgeError, DataError
from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.metrics.metrics import Json
from ..data.examples import Examples, read_examples
from ..data.overlaps.search import find_overlaps
from ..data.splits import Fold, Split, make_split
from ..fitting.augmentation import PAPER, Augmentation
from ..fitting.feature_cache import Pass, weights_digest
from ..fitting.recipe import FINE_TUNING, FROM_SCRATCH, Recipe
from .options import StudyOptions, check_files, check_names, split_name

SCHEMA_VERSION = 1
INNER_FOLDS = 3  # of the training part: tuning measures on each in turn
STRENGTHS = (0.0, 0.5, 1.0)  # times the paper's augmentation
PROBE, HEAD, BASE = "probe", "head", "base"
# What is tuned; the first trial of every cell is the default.
LEARNING_RATES, BATCH_SIZES, EPOCHS = (1e-4, 3e-2), (8, 16, 32), (5, 60)
CELL_DEPENDS_ON = (
    *("head", "labels", "image_path", "seed", "passes", "inner_folds", "space", "default"),
    *("data", "version"),
)
# Settings of a recipe that came later, with what was done before: results of then stay valid.
LATER: dict[str, Any] = {"choose_epoch": True}
DEFAULT: dict[str, Any] = {"lr": 1e-3, "batch_size": 16, "epochs": 30, "strength": 1.0}


@dataclass(frozen=True)
class Cell:
    """One outer fold of one split, for one model: the unit that is tuned.

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
        """Its name, as storages and folders have it."""
        return f"{self.split}/{self.fold.number}/{self.model}"


@dataclass(frozen=True)
class Plan:
    """A study before anything is fitted.

    Parameters
    ----------
    options : StudyOptions
    examples : Examples
    splits : dict of str to Split
        By their names in storages.
    settings : dict
        Everything the numbers depend on.
    """

    options: StudyOptions
    examples: Examples
    splits: dict[str, Split]
    settings: Json

    def key(self, cell: Cell, kind: str = "") -> str:
        """Return the name of a cell's work in a storage: the same only where the numbers are.

        It holds what this cell depends on and nothing of its neighbours, so that a study may be
        given another model or split later, and goes on.

        Parameters
        ----------
        cell : Cell
        kind : str
            Of a fit; none means the tuning.
        """
        groups = self.splits[cell.split].groups
        about = {key: self.settings[key] for key in CELL_DEPENDS_ON} | {
            "weights": self.settings["weights"][cell.model],
            "parts": [cell.fold.train.tolist(), cell.fold.test.tolist()],
            "groups": [groups[at] for at in cell.fold.train],
        }
        if kind:  # a fit rests on the best of so many trials
            about |= {"trials": self.options.trials}
        if kind == BASE:
            recipes = self.settings["recipes"].items()
            about |= {"recipes": {name: _without_later(recipe) for name, recipe in recipes}}
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        return f"alledge/{digest[:16]}/{cell.name}/{kind or 'tuning'}"

    def cells(self) -> Iterator[Cell]:
        """Every cell, one model after the other."""
        for model in self.options.models:
            for kind, split in self.splits.items():
                for fold in split.folds:
                    yield Cell(kind, model, fold)

    def kinds(self, model: str) -> tuple[str, ...]:
        """What is fitted on the outer folds of a model."""
        return (PROBE, HEAD, BASE) if model in self.options.fine_tune else (PROBE, HEAD)

    def passes(self, strength: float) -> list[Pass]:
        """Return the passes whose features a head of this augmentation sees, plain ones first."""
        how, seed = strengthened(strength), self.options.seed
        count = self.options.passes if strength else 0
        return [Pass(how, seed, number) for number in range(count + 1)]

    def recipe(self, model: str, tuned: Json) -> Recipe:
        """Return how the whole network is fitted with what the head's tuning found."""
        start = FROM_SCRATCH if self.options.weights[model] == "none" else FINE_TUNING
        return replace(
            start,
            batch_size=int(tuned["batch_size"]),
            head_epochs=int(tuned["epochs"]),
            head_lr=float(tuned["lr"]),
            head_passes=self.options.passes if tuned["strength"] else 0,
            augmentation=strengthened(float(tuned["strength"])),
        )


def strengthened(strength: float) -> Augmentation:
    """Return the paper's augmentation made weaker or stronger; 0 changes nothing at all."""
    return Augmentation(
        quarter_turns=strength > 0,
        rotation=PAPER.rotation * strength,
        flip=strength > 0,
        scale=PAPER.scale * strength,
        brightness=PAPER.brightness * strength,
    )


def _without_later(recipe: Json) -> Json:
    """Leave out what keys did not have at first, where it is what was done then."""
    return {k: v for k, v in recipe.items() if k not in LATER or v != LATER[k]}


def make_plan(options: StudyOptions, found: Callable[[str, int, int], None] | None = None) -> Plan:
    """Read the data and part it; nothing is trained before this has succeeded.

    Parameters
    ----------
    options : StudyOptions
    found : callable, optional
        Told how far the search for images that show the same is.

    Raises
    ------
    UsageError
        If a name or a file cannot be meant, or weights do not fit their base.
    DataError
        If the data set or a split cannot be used, or a training part is too small to tune in.
    """
    check_names(options)
    dataset = read_dataset(options.data, options.layout)
    check_files(options, dataset)
    digests = {
        model: weights_digest(model, options.weights[model], options.seed)
        for model in options.models
    }
    alike = find_overlaps([sample.path for sample in dataset.samples], found)
    pairs = [(one.a, one.b) for one in alike]
    examples = read_examples(dataset, options.image_settings, options.groups, alike=pairs)
    splits, left_out = _splits(examples, options)
    settings = _settings(options, dataset, splits, digests) | {"left_out": left_out}
    return Plan(options, examples, splits, settings)


def _splits(examples: Examples, options: StudyOptions) -> tuple[dict[str, Split], dict[str, str]]:
    """Return the splits, and why each that may be left out is."""
    splits: dict[str, Split] = {}
    left_out: dict[str, str] = {}
    for kind in options.splits:
        name = split_name(kind)
        try:
            split = make_split(examples, kind, options.folds, options.seed)
            _refuse_untunable(name, split, examples)
        except AlledgeError as error:
            if kind not in options.optional:
                raise
            left_out[name] = error.what
        else:
            splits[name] = split
    return splits, left_out


def _refuse_untunable(kind: str, split: Split, examples: Examples) -> None:
    """A training part whose class has one group cannot be parted again inside."""
    labels = examples.dataset.labels
    for fold in split.folds:
        for index, label in enumerate(labels):
            groups = {split.groups[at] for at in fold.train if examples.truth[at] == index}
            if len(groups) < 2:
                raise DataError(
                    f"fold {fold.number} of the split {kind!r} trains on {len(groups)} groups of "
                    f"the class {label!r}: nothing can be tuned inside it",
                    allowed="2 groups or more",
                    fix="add images of that class, or leave this split out with --splits",
                )


def _settings(
    options: StudyOptions, dataset: Dataset, splits: dict[str, Split], digests: dict[str, str]
) -> Json:
    return {
        "version": SCHEMA_VERSION,
        "models": list(options.models),
        "fine_tune": list(options.fine_tune),
        "head": options.head,
        "weights": digests,
        "labels": list(dataset.labels),
        "positive": list(dataset.positive),
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
        "data": {
            "name": dataset.name,
            "layout": dataset.layout,
            "fingerprint": dataset.fingerprint(),
            "images": len(dataset.samples),
            "generated": dataset.generated,
        },
        "recipes": {"fine-tuned": FINE_TUNING.to_json(), "from scratch": FROM_SCRATCH.to_json()},
    }


def _split_settings(split: Split) -> Json:
    parts = "\n".join(
        f"{fold.number}: {fold.train.tolist()} {fold.test.tolist()}" for fold in split.folds
    )
    text = f"{parts}\n{list(split.groups)}"
    return {
        "folds": len(split.folds),
        "notes": list(split.notes),
        "digest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
    }
