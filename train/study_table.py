"""What a study came to, as one JSON document: rows, comparisons, costs; imports no keras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.metrics import Json, assign, auc, positive_score, summarize
from .architectures import SOURCE, architecture
from .outcome import EVEN, code, versions
from .splits import Fold
from .study_plan import BASE, HEAD, INNER_FOLDS, PROBE, Plan
from .study_verdict import compare
from .study_work import Bench, trained

CAMERA = "camera"
PAPER_TEST = {"healthy": 12, "blast": 10}  # support of the paper's per-class reports
KINDS = (PROBE, HEAD, BASE)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Section:
    """Folds whose predictions are pooled: a split, or one direction of a camera split.

    Parameters
    ----------
    split : str
    name : str
        The split, or the cameras of the blasts in training and in test.
    folds : tuple of Fold
    """

    split: str
    name: str
    folds: tuple[Fold, ...]


def sections(plan: Plan) -> list[Section]:
    """Return what is pooled, split by split."""
    found: list[Section] = []
    for kind, split in plan.splits.items():
        if kind != CAMERA:
            found.append(Section(kind, kind, split.folds))
            continue
        ways: dict[str, list[Fold]] = {}
        for fold in split.folds:
            way = f"{_cameras(plan, fold.train)} → {_cameras(plan, fold.test)}"
            ways.setdefault(way, []).append(fold)
        found += [Section(kind, way, tuple(folds)) for way, folds in ways.items()]
    return found


def tabulate(bench: Bench) -> Json:
    """Return the study's document: the same for the same command, seconds and dates apart.

    Parameters
    ----------
    bench : Bench
        Its storage is asked for what is there; a row whose folds are not all done is left out.

    Returns
    -------
    dict
    """
    plan = bench.plan
    parts = [_section(bench, section) for section in sections(plan)]
    wanted = sum(len(plan.kinds(cell.model)) for cell in plan.cells())
    done = sum(
        bench.fitted(cell, kind) is not None
        for cell in plan.cells()
        for kind in plan.kinds(cell.model)
    )
    return {
        "schema": "alledge/study",
        "schema_version": 1,
        "settings": plan.settings,
        "seed": plan.order.seed,
        "data": _data(plan),
        "code": code(),
        "versions": versions() | _optuna(),
        "remaining": {"fits": wanted - done, "of": wanted},
        "sections": parts,
        "tuned": _tuned(bench),
        "costs": [_cost(bench, model) for model in plan.order.models],
        "paper": {
            "source": SOURCE,
            "test_images": sum(PAPER_TEST.values()),
            "accuracy": {m: architecture(m).paper_accuracy for m in plan.order.models},
        },
    }


def _section(bench: Bench, section: Section) -> Json:
    plan = bench.plan
    rows, right = [], {}
    for model in plan.order.models:
        for kind in plan.kinds(model):
            fits = [_fitted(bench, section, model, kind, fold) for fold in section.folds]
            if any(fit is None for fit in fits):
                continue
            row, correct = _row(plan, section, model, kind, [fit for fit in fits if fit])
            rows.append(row)
            right[model, kind] = correct
    groups = {plan.splits[section.split].groups[at] for f in section.folds for at in f.test}
    return {
        "split": section.split,
        "name": section.name,
        "folds": len(section.folds),
        "groups": len(groups),
        "rows": rows,
        "comparison": compare(_furthest(plan, right)),
    }


def _furthest(plan: Plan, right: dict[tuple[str, str], Any]) -> dict[str, Any]:
    """Return what each model had right, of the row in which most of it was trained."""
    found = {}
    for model in plan.order.models:
        kinds = [kind for kind in (BASE, HEAD) if (model, kind) in right]
        if kinds:
            found[model] = right[model, kinds[0]]
    return found


def _row(
    plan: Plan, section: Section, model: str, kind: str, fits: list[Json]
) -> tuple[Json, NDArray[np.bool_]]:
    images, scores = _pooled(fits)
    examples = plan.examples
    truth, data = examples.truth[images], examples.dataset
    groups = [plan.splits[section.split].groups[at] for at in images]
    cameras = [examples.cameras[at] for at in images]
    common = (data.labels, data.positive)
    summary = summarize(truth, scores, *common, EVEN, groups, cameras, seed=plan.order.seed)
    ill = np.isin(truth, [data.labels.index(label) for label in data.positive])
    row = {
        "model": model,
        "title": architecture(model).title,
        "kind": kind,
        "trained": trained(plan, model, kind),
        "weights": "random" if plan.order.weights[model] == "none" else "given",
        "summary": summary,
        "roc": _roc(ill, positive_score(scores, *common)),
        "curve": _curve(fits),
        "fold_auc": [_fold_auc(plan, fit) for fit in fits],
        "seconds": round(sum(fit["seconds"] for fit in fits), 1),
    }
    return row, assign(scores, *common, EVEN) == truth


def _pooled(fits: list[Json]) -> tuple[NDArray[np.int64], Floats]:
    """Return every tested image once; one that several folds test has its mean score."""
    found: dict[int, list[Any]] = {}
    for fit in fits:
        for at, scores in zip(fit["images"], fit["scores"], strict=True):
            found.setdefault(at, []).append(scores)
    images = sorted(found)
    return np.array(images, np.int64), np.array([np.mean(found[at], axis=0) for at in images])


def _fold_auc(plan: Plan, fit: Json) -> float | None:
    data = plan.examples.dataset
    truth = plan.examples.truth[fit["images"]]
    ill = np.isin(truth, [data.labels.index(label) for label in data.positive])
    area = auc(ill, positive_score(np.array(fit["scores"]), data.labels, data.positive))
    return None if math.isnan(area) else area


def _roc(ill: NDArray[np.bool_], score: Floats) -> list[list[float]]:
    """Return the corners of the ROC curve: false alarms, sensitivity."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    found = np.cumsum(ill[order])[last] / max(ill.sum(), 1)
    alarms = np.cumsum(~ill[order])[last] / max((~ill).sum(), 1)
    corners = zip(alarms, found, strict=True)
    return [[0.0, 0.0], *([round(float(x), 4), round(float(y), 4)] for x, y in corners)]


def _curve(fits: list[Json]) -> Json | None:
    """Return mean losses over the folds, as long as all of them went on."""
    histories = []
    for fit in fits:
        rows = fit["history"]
        phases = [row.get("phase") for row in rows if row["val_loss"] is not None]
        histories.append([row for row in rows if phases and row.get("phase") == phases[-1]])
    length = min(map(len, histories), default=0)
    if length < 2:
        return None

    def mean(name: str) -> list[float | None]:
        columns = [[history[at][name] for history in histories] for at in range(length)]
        return [None if None in c else round(float(np.mean(c)), 5) for c in columns]

    epochs = [histories[0][at]["epoch"] for at in range(length)]
    return {"epoch": epochs, "loss": mean("loss"), "val_loss": mean("val_loss")}


def _fitted(bench: Bench, section: Section, model: str, kind: str, fold: Fold) -> Json | None:
    return next(
        bench.fitted(cell, kind)
        for cell in bench.plan.cells()
        if (cell.split, cell.model, cell.fold.number) == (section.split, model, fold.number)
    )


def _tuned(bench: Bench) -> list[Json]:
    rows = []
    for cell in bench.plan.cells():
        found = bench.tuned(cell)
        if found:
            rows.append(
                {
                    "split": cell.split,
                    "fold": cell.fold.number,
                    "model": cell.model,
                    **{key: found[key] for key in ("params", "slot", "loss", "default_loss")},
                }
            )
    return rows


def _cost(bench: Bench, model: str) -> Json:
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
    size = plan.order.image_path.size / 224
    return {
        "model": model,
        "title": row.title,
        "parameters": trained(plan, model, BASE)["network"],
        "gflops": round(2 * row.macs * size * size / 1e9, 2),
        "pass_seconds": through and round(through, 2),
        "head_epoch_ms": head and round(1000 * head, 3),
        "ratio": round(through / head, 1) if through and head else None,
        "fit_seconds": seconds,
    }


def _data(plan: Plan) -> Json:
    truth, labels = plan.examples.truth, plan.examples.dataset.labels
    counts = {label: int((truth == at).sum()) for at, label in enumerate(labels)}
    return {**plan.settings["data"], "classes": counts}


def _cameras(plan: Plan, images: NDArray[np.int64]) -> str:
    """Return the cameras of the positive images among these."""
    data = plan.examples.dataset
    found = {
        plan.examples.cameras[at]
        for at in images
        if data.labels[plan.examples.truth[at]] in data.positive
    }
    return " + ".join(sorted(found))


def _optuna() -> dict[str, str]:
    import optuna

    return {"optuna": optuna.__version__}
