"""What a study came to, as one JSON document: rows, comparisons, costs; imports no keras."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.metrics import Json, auc, positive_score
from ..data.splits import Fold
from ..networks.architectures import architecture
from ..provenance import PACKAGES, code_version, package_versions
from .cell_tuning import StudyWorker
from .model_comparison import compare
from .model_costs import computed_by, cost, paper, trained
from .plan import BASE, HEAD, Plan
from .pooled_sections import Section, both_labels, camera_alone, measure_section, sections

TUNED = ("params", "slot", "loss", "default_loss", "by_strength")

Floats = NDArray[np.float64]


def tabulate(bench: StudyWorker) -> Json:
    """Return the study's document: the same for the same command, seconds and dates apart.

    Parameters
    ----------
    bench : StudyWorker
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
        "seed": plan.options.seed,
        "data": _data(plan),
        "code": code_version(),
        "computed_by": computed_by(bench),
        "versions": package_versions((*PACKAGES, "optuna")),
        "remaining": {"fits": wanted - done, "of": wanted},
        "sections": parts,
        "tuned": _tuned(bench),
        "costs": [cost(bench, model) for model in plan.options.models],
        "paper": paper(plan),
    }


def _section(bench: StudyWorker, section: Section) -> Json:
    plan = bench.plan
    rows, right = [], {}
    for model in plan.options.models:
        for kind in plan.kinds(model):
            fits = [_fitted(bench, section, model, kind, fold) for fold in section.folds]
            if any(fit is None for fit in fits):
                continue
            row, correct = _row(plan, section, model, kind, [fit for fit in fits if fit])
            rows.append(row)
            right[model, kind] = correct
    groups = {plan.splits[section.split].groups[at] for f in section.folds for at in f.test}
    furthest = _furthest(plan, right)
    return {
        "split": section.split,
        "name": section.name,
        "folds": len(section.folds),
        "fold_numbers": [fold.number for fold in section.folds],
        "groups": len(groups),
        "both_labels": both_labels(plan),
        "camera_alone": camera_alone(plan, section),
        "rows": rows,
        "comparison": compare(
            {model: right[model, kind] for model, kind in furthest.items()}, furthest
        ),
    }


def _furthest(plan: Plan, right: dict[tuple[str, str], Any]) -> dict[str, str]:
    """Return the kind of each model's row in which most of it was trained."""
    found = {}
    for model in plan.options.models:
        kinds = [kind for kind in (BASE, HEAD) if (model, kind) in right]
        if kinds:
            found[model] = kinds[0]
    return found


def _row(
    plan: Plan, section: Section, model: str, kind: str, fits: list[Json]
) -> tuple[Json, NDArray[np.bool_]]:
    found, data = measure_section(plan, section, fits), plan.examples.dataset
    truth = plan.examples.truth[found.images]
    ill = np.isin(truth, [data.labels.index(label) for label in data.positive])
    row = {
        "model": model,
        "title": architecture(model).title,
        "kind": kind,
        "trained": trained(plan, model, kind),
        "weights": "random" if plan.options.weights[model] == "none" else "given",
        "summary": found.summary,
        "both_labels": found.both_labels,
        "roc": _roc(ill, positive_score(found.scores, data.labels, data.positive)),
        "curve": _curve(fits),
        "fold_auc": [_fold_auc(plan, fit) for fit in fits],
        "seconds": round(sum(fit["seconds"] for fit in fits), 1),
    }
    return row, found.right


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


def _fitted(bench: StudyWorker, section: Section, model: str, kind: str, fold: Fold) -> Json | None:
    return next(
        bench.fitted(cell, kind)
        for cell in bench.plan.cells()
        if (cell.split, cell.model, cell.fold.number) == (section.split, model, fold.number)
    )


def _tuned(bench: StudyWorker) -> list[Json]:
    rows = []
    for cell in bench.plan.cells():
        found = bench.tuned(cell)
        if found:
            rows.append(
                {
                    "split": cell.split,
                    "fold": cell.fold.number,
                    "model": cell.model,
                    **{key: found[key] for key in TUNED},
                }
            )
    return rows


def _data(plan: Plan) -> Json:
    truth, labels = plan.examples.truth, plan.examples.dataset.labels
    counts = {label: int((truth == at).sum()) for at, label in enumerate(labels)}
    return {**plan.settings["data"], "classes": counts}
