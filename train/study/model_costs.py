"""What stands behind a study's figures: weights, cost, the paper's own numbers, who computed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from ...runtime.metrics.metrics import Json
from ..networks.architectures import SOURCE, architecture, count, head_row, trains_base
from ..networks.base_weights import IMAGENET, NONE
from .cell_tuning import StudyWorker
from .plan import BASE, HEAD, INNER_FOLDS, PROBE, Plan

KINDS = (PROBE, HEAD, BASE)
PAPER_TEST = {"healthy": 12, "blast": 10}  # support of the paper's per-class reports


def trained(plan: Plan, model: str, kind: str) -> Json:
    """Return what was trained in a row: words, and the number of parameters."""
    row, head = architecture(model), head_row(plan.options.head)
    classes = len(plan.examples.dataset.labels)
    counted = count(row, head, classes)
    base = row.weights if trains_base(row, head) else 0
    if kind == BASE:
        words, number = ("all of it" if base else "the head, the base frozen"), counted.trainable
    elif kind == HEAD:
        words, number = "the head alone, on frozen features", counted.trainable - base
    else:
        words = "a logistic regression on frozen features"
        number = counted.trainable - base
    if plan.options.weights[model] == "none" and not (kind == BASE and base):
        words += " of a base with random weights"
    return {"words": words, "parameters": number, "network": counted.network}


def cost(bench: StudyWorker, model: str) -> Json:
    """Return what a model costs: parameters, multiplications, and seconds as they were measured."""
    plan, row = bench.plan, architecture(model)
    cells = [cell for cell in plan.cells() if cell.model == model]
    # an epoch over all images, as a pass through the base is: tuning fits two of three inner folds
    images = len(plan.examples.truth) / (1 - 1 / INNER_FOLDS)
    epochs = [
        found["epoch_seconds"] * images / len(cell.fold.train)
        for cell in cells
        if (found := bench.tuned(cell))
    ]
    seconds: dict[str, float | None] = {}
    for kind in KINDS:
        fits = [bench.fitted(cell, kind) for cell in cells if kind in plan.kinds(model)]
        times = [fit["seconds"] for fit in fits if fit]
        seconds[kind] = round(float(np.median(times)), 3) if times else None
    through = bench.features.get(model, 0.0, 0)[1] if epochs else None
    head = float(np.median(epochs)) if epochs else None
    size = plan.options.image_settings.size / 224
    return {
        "model": model,
        "title": row.title,
        "weights": weights_of(plan, model),
        "parameters": trained(plan, model, BASE)["network"],
        "gflops": round(2 * row.macs * size * size / 1e9, 2),
        "pass_seconds": through and round(through, 2),
        "head_epoch_ms": head and round(1000 * head, 3),
        "ratio": round(through / head, 1) if through and head else None,
        "fit_seconds": seconds,
    }


def weights_of(plan: Plan, model: str) -> Json:
    """Return where a model's weights come from: Keras' own, drawn at random, or a file."""
    given = plan.options.weights[model]
    if given in (IMAGENET, NONE):
        return {"source": "random" if given == NONE else IMAGENET, "file": None, "sha256": None}
    digest = plan.settings["weights"][model].split(" ", 1)[1]
    return {"source": "file", "file": Path(given).name, "sha256": digest}


def computed_by(bench: StudyWorker) -> list[Json]:
    """Return the code that trials and fits were computed with, and how many each.

    Results from before this was kept have neither version nor commit.
    """
    found: Counter[tuple[str | None, str | None]] = Counter()
    for cell in bench.plan.cells():
        for result in bench.results(cell):
            made = result.get("code") or {"version": None, "commit": None}
            found[made["version"], made["commit"]] += 1
    return [
        {"version": version, "commit": commit, "results": number}
        for (version, commit), number in found.most_common()
    ]


def paper(plan: Plan) -> Json:
    """Return what the paper says of the models of a study."""
    models = [architecture(model) for model in plan.options.models]
    rows = []
    for row in models:
        counted = count(row, head_row("paper"))
        rows.append(
            {
                "model": row.name,
                "epochs": row.paper_epochs,
                "base": "trained" if row.paper_trains_base else "frozen",
                "trainable": counted.trainable,
                "non_trainable": counted.frozen,
                "total": counted.total,
            }
        )
    return {
        "source": SOURCE,
        "test_images": sum(PAPER_TEST.values()),
        "accuracy": {row.name: row.paper_accuracy for row in models},
        "rows": rows,
    }
