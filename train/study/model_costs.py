"""Weights, costs, the paper's numbers and the computing code, for the document of a study."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from ...runtime.metrics.metrics import Json
from ..networks.architectures import SOURCE, architecture, count_parameters, head_row, trains_base
from ..networks.base_weights import IMAGENET, NONE
from .cell_tuning import StudyWorker
from .plan import BASE, HEAD, INNER_FOLDS, PROBE, Plan

PAPER_TEST = {"healthy": 12, "blast": 10}  # images in the paper's per-class reports
REFERENCE_SIZE = 224  # pixels: image size of the multiply-accumulates in ARCHITECTURES


def trained(plan: Plan, model: str, kind: str) -> Json:
    """Return what was trained in a row of the document.

    Parameters
    ----------
    plan : Plan
    model : str
    kind : {"probe", "head", "base"}

    Returns
    -------
    dict
        A description in `words`, the number of trained `parameters`, and those of the `network`.
    """
    row, head = architecture(model), head_row(plan.options.head)
    counts = count_parameters(row, head, len(plan.examples.dataset.labels))
    base = row.base_parameters if trains_base(row, head) else 0
    parameters = counts.trainable if kind == BASE else counts.trainable - base
    if kind == BASE:
        words = "all of it" if base else "the head, the base frozen"
    elif kind == HEAD:
        words = "the head alone, on frozen features"
    else:
        words = "a logistic regression on frozen features"
    if plan.options.weights[model] == NONE and not (kind == BASE and base):
        words += " of a base with random weights"
    return {"words": words, "parameters": parameters, "network": counts.network}


def cost(worker: StudyWorker, model: str) -> Json:
    """Return the parameters, floating-point operations and measured times of a model.

    Returns
    -------
    dict
        `pass_seconds` is the time of one pass of all images through the base, `head_epoch_ms`
        that of one epoch of the head over as many images; None if nothing was tuned yet.
    """
    plan, row = worker.plan, architecture(model)
    cells = [cell for cell in plan.cells() if cell.model == model]
    fit_seconds: dict[str, float | None] = {}
    for kind in (PROBE, HEAD, BASE):
        fits = [worker.fitted(cell, kind) for cell in cells if kind in plan.kinds(model)]
        seconds = [fit["seconds"] for fit in fits if fit]
        fit_seconds[kind] = round(float(np.median(seconds)), 3) if seconds else None
    head_s = _head_epoch_seconds(worker, model)
    pass_s = None if head_s is None else worker.features.get(model, 0.0, 0)[1]
    scale = (plan.options.image_settings.size / REFERENCE_SIZE) ** 2
    return {
        "model": model,
        "title": row.title,
        "weights": weights_of(plan, model),
        "parameters": trained(plan, model, BASE)["network"],
        "gflops": round(2 * row.macs * scale / 1e9, 2),
        "pass_seconds": None if pass_s is None else round(pass_s, 2),
        "head_epoch_ms": None if head_s is None else round(1000 * head_s, 3),
        "ratio": round(pass_s / head_s, 1) if pass_s and head_s else None,
        "fit_seconds": fit_seconds,
    }


def _head_epoch_seconds(worker: StudyWorker, model: str) -> float | None:
    """Return the time of an epoch of the head over all images, from the epochs of its trials.

    A trial trains on all inner folds but one of the training part, so its time is scaled up.
    """
    images = len(worker.plan.examples.truth) / (1 - 1 / INNER_FOLDS)
    seconds = [
        tuned["epoch_seconds"] * images / len(cell.fold.train)
        for cell in worker.plan.cells()
        if cell.model == model and (tuned := worker.tuned(cell))
    ]
    return float(np.median(seconds)) if seconds else None


def weights_of(plan: Plan, model: str) -> Json:
    """Return the source of a model's weights: ``imagenet``, ``random`` or a file with its hash."""
    weights = plan.options.weights[model]
    if weights in (IMAGENET, NONE):
        return {"source": "random" if weights == NONE else IMAGENET, "file": None, "sha256": None}
    digest = plan.settings["weights"][model].split(" ", 1)[1]
    return {"source": "file", "file": Path(weights).name, "sha256": digest}


def computed_by(worker: StudyWorker) -> list[Json]:
    """Return the versions of the code that computed trials and fits, and how many each."""
    counts = Counter(
        (result["code"]["version"], result["code"]["commit"])
        for cell in worker.plan.cells()
        for result in worker.results(cell)
    )
    return [
        {"version": version, "commit": commit, "results": results}
        for (version, commit), results in counts.most_common()
    ]


def paper(plan: Plan) -> Json:
    """Return the numbers that the paper reports for the models of a study."""
    models = [architecture(model) for model in plan.options.models]
    rows = []
    for row in models:
        counts = count_parameters(row, head_row("paper"))
        rows.append(
            {
                "model": row.name,
                "epochs": row.paper_epochs,
                "base": "trained" if row.paper_trains_base else "frozen",
                "trainable": counts.trainable,
                "non_trainable": counts.frozen,
                "total": counts.total,
            }
        )
    return {
        "source": SOURCE,
        "test_images": sum(PAPER_TEST.values()),
        "accuracy": {row.name: row.paper_accuracy for row in models},
        "rows": rows,
    }
