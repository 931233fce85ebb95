"""What the results of a run depend on: the content of ``settings.json``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ...runtime.data.datasets import Dataset
from ..data.cells.types import CellExamples
from ..data.examples import Examples
from ..data.split_types import Split
from ..networks.base_weights import weights_file
from .options import TrainOptions
from .types import CellRunSettings, DataSettings, RunSettings


def run_settings(
    options: TrainOptions,
    datasets: Sequence[Dataset],
    examples: Examples,
    split: Split,
    weights: str,
) -> RunSettings:
    """Return everything that the results depend on, and the folders of the images.

    A run is resumed only with the same settings. The folders of the images may change.

    Parameters
    ----------
    options : TrainOptions
    datasets : sequence of Dataset
        As they were read.
    examples : Examples
        Their labels are those of the network.
    split : Split
    weights : str
        As `describe_weights`.

    Returns
    -------
    RunSettings
    """
    parts = "\n".join(
        f"{fold} {group}" for fold, group in zip(split.test_fold, split.groups, strict=True)
    )
    sources = [_data_settings(options, dataset) for dataset in datasets]
    settings: RunSettings = {
        "model": options.model,
        "head": options.head,
        "task": options.task,
        "labels": list(examples.dataset.labels),
        "positive": list(examples.dataset.positive),
        "image_path": options.model_input.to_json(),
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
        "data": sources[0],
    }
    if isinstance(examples, CellExamples):
        file = options.cells_file
        cells: CellRunSettings = {
            "cells": options.cells.to_json(),
            "sources": sources,
            "truth": {
                "digest": examples.truth_digest(),
                "cells_file": None if file is None else str(file.resolve()),
            },
        }
        settings = {**settings, **cells}
    return settings


def describe_weights(weights: str) -> str:
    """Return the weights as ``run.json`` names them: a file by its name and digest."""
    path = weights_file(weights)
    return weights if path is None else f"{path.name} ({_digest(path.read_bytes())})"


def _data_settings(options: TrainOptions, dataset: Dataset) -> DataSettings:
    labels_file = options.read_options.labels_file
    return {
        "name": dataset.name,
        "layout": dataset.layout,
        "fingerprint": dataset.fingerprint(),
        "images": len(dataset.samples),
        "generated": dataset.generated,
        "positive": list(options.read_options.positive),
        "labels_digest": dataset.labels_digest,
        "labels_file": None if labels_file is None else str(labels_file.resolve()),
        "root": str(dataset.root.resolve()),
    }


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
