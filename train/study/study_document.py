"""Collects the results of a study in one JSON document: rows, comparisons and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.decisions import is_positive, positive_score
from ...runtime.metrics.intervals import auc
from ...runtime.metrics.metrics import Json
from ..data.cells.types import CellExamples
from ..data.split_types import Fold
from ..networks.architectures import architecture
from ..provenance import PACKAGES, code_version, package_versions
from ..roc import roc_points
from .cell_tuning import StudyWorker
from .ensembles import compare_ensembles
from .field_figures import camera_alone_fields, count_alone, field_figures
from .model_comparison import compare
from .model_costs import computed_by, cost, paper, trained
from .other_microscopes import other_microscopes
from .plan import BASE, HEAD, Plan
from .pooled_sections import (
    FoldScores,
    Section,
    both_labels,
    camera_alone,
    measure_section,
    sections,
)
from .types import FitResult
from .whole_fields import whole_field_figures

TUNED_KEYS = ("params", "slot", "loss", "default_loss", "by_strength")

Floats = NDArray[np.float64]


def study_document(worker: StudyWorker) -> Json:
    """Return the content of ``study.json``.

    Apart from durations and dates, the same command gives the same document.

    Parameters
    ----------
    worker : StudyWorker
        A row is left out if one of its folds is not finished in the worker's storage.

    Returns
    -------
    dict
    """
    plan = worker.plan
    fits = [worker.fitted(cell, kind) for cell in plan.cells() for kind in plan.kinds(cell.model)]
    return {
        "schema": "alledge/study",
        "schema_version": 1,
        "settings": plan.settings,
        "seed": plan.options.seed,
        "data": _data(plan),
        "code": code_version(),
        "computed_by": computed_by(worker),
        "versions": package_versions((*PACKAGES, "optuna")),
        "remaining": {"fits": sum(fit is None for fit in fits), "of": len(fits)},
        "sections": _sections(worker),
        **_beside(plan),
        "other_microscopes": other_microscopes(plan.options.adoption, plan.options.laboratories),
        "tuned": _tuned_rows(worker),
        "costs": [cost(worker, model) for model in plan.options.models],
        "paper": paper(plan),
    }


def _sections(worker: StudyWorker) -> list[Json]:
    plan, rows = worker.plan, []
    ensembles: dict[str, dict[str, Json]] = {}
    for section in sections(plan):
        row, compared = _section(worker, section)
        if section.split not in ensembles:
            fits = _fits_of_split(worker, section, compared)
            ensembles[section.split] = compare_ensembles(plan, section.split, fits)
        rows.append(row | {"ensembles": ensembles[section.split].get(section.key)})
    return rows


def _section(worker: StudyWorker, section: Section) -> tuple[Json, dict[str, str]]:
    """Return the figures of a section, and the kind of each model that is compared."""
    plan = worker.plan
    rows: list[Json] = []
    correct: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for model in plan.options.models:
        for kind in plan.kinds(model):
            results = [_fit_of(worker, section, model, kind, fold) for fold in section.folds]
            fits = [result for result in results if result]
            if len(fits) == len(results):
                row, correct[model, kind] = _row(plan, section, model, kind, fits)
                rows.append(row | _fields_of_row(worker, section, model, kind))
    groups = plan.splits[section.split].groups
    compared = _compared_kinds(plan, correct)
    document = {
        "split": section.split,
        "name": section.name,
        "folds": len(section.folds),
        "fold_numbers": [fold.number for fold in section.folds],
        "groups": len({groups[index] for fold in section.folds for index in fold.test}),
        "both_labels": both_labels(plan),
        "camera_alone": camera_alone(plan, section),
        "rows": rows,
        "comparison": compare(
            {model: correct[model, kind] for model, kind in compared.items()},
            compared,
            examples="cells" if plan.options.cells else "images",
        ),
        **_fields_of_section(plan, section),
    }
    return document, compared


def _fits_of_split(
    worker: StudyWorker, section: Section, kinds: Mapping[str, str]
) -> dict[str, list[FoldScores]]:
    """Return the scores of all folds of a section's split, of models whose folds are finished."""
    folds = worker.plan.splits[section.split].folds
    scores: dict[str, list[FoldScores]] = {}
    for model, kind in kinds.items():
        fits = [_fit_of(worker, section, model, kind, fold) for fold in folds]
        finished = [fit for fit in fits if fit]
        if len(finished) == len(folds):
            scores[model] = [{"images": fit["images"], "scores": fit["scores"]} for fit in finished]
    return scores


def _fields_of_section(plan: Plan, section: Section) -> Json:
    """Return the number of tested fields and the figures of rules that look at no cell."""
    if plan.options.cells is None:
        return {}
    return {
        "fields": {
            "camera_alone": camera_alone_fields(plan, section.folds),
            "count_alone": count_alone(plan, section.split).get(section.key),
        }
    }


def _fields_of_row(worker: StudyWorker, section: Section, model: str, kind: str) -> Json:
    """Return the figures of the fields whose cells a model judges; None if a fold is missing."""
    plan = worker.plan
    if plan.options.cells is None:
        return {}
    scores = _fits_of_split(worker, section, {model: kind}).get(model)
    if scores is None:
        return {"fields": None}
    return {"fields": field_figures(plan, section.split, scores).get(section.key)}


def _beside(plan: Plan) -> Json:
    """Return the figures of the study of whole fields that the page shows beside those of cells."""
    if plan.options.beside is None:
        return {}
    return {"beside": whole_field_figures(plan.options.beside, plan.settings["data"])}


def _compared_kinds(
    plan: Plan, correct: dict[tuple[str, str], NDArray[np.bool_]]
) -> dict[str, str]:
    """Return for every model the kind that is compared: the base, if it was fine-tuned."""
    return {
        model: BASE if (model, BASE) in correct else HEAD
        for model in plan.options.models
        if (model, BASE) in correct or (model, HEAD) in correct
    }


def _row(
    plan: Plan, section: Section, model: str, kind: str, fits: list[FitResult]
) -> tuple[Json, NDArray[np.bool_]]:
    """Return the row of a model, and whether it gave the true label of each image."""
    pooled = measure_section(plan, section, fits)
    truth_positive, score = _positive_side(plan, pooled.images, pooled.scores)
    row = {
        "model": model,
        "title": architecture(model).title,
        "kind": kind,
        "trained": trained(plan, model, kind),
        "weights": "random" if plan.options.weights[model] == "none" else "given",
        "summary": pooled.summary,
        "both_labels": pooled.both_labels,
        "roc": _roc(truth_positive, score),
        "curve": _learning_curve(fits),
        "fold_auc": [_fold_auc(plan, fit) for fit in fits],
        "seconds": round(sum(fit["seconds"] for fit in fits), 1),
    }
    return row, pooled.right


def _positive_side(
    plan: Plan, images: NDArray[np.int64], scores: Floats
) -> tuple[NDArray[np.bool_], Floats]:
    """Return whether each image is positive, and its positive score."""
    data = plan.examples.dataset
    side = is_positive(data.labels, data.positive)
    return side[plan.examples.truth[images]], positive_score(scores, data.labels, data.positive)


def _fold_auc(plan: Plan, fit: FitResult) -> float | None:
    area = auc(*_positive_side(plan, np.array(fit["images"]), np.array(fit["scores"])))
    return None if math.isnan(area) else area


def _roc(truth_positive: NDArray[np.bool_], score: Floats) -> list[list[float]]:
    """Return the points of the ROC curve: false alarms, sensitivity."""
    points = zip(*roc_points(truth_positive, score), strict=True)
    return [[round(float(x), 4), round(float(y), 4)] for x, y in points]


def _learning_curve(fits: Sequence[FitResult]) -> Json | None:
    """Return the mean losses over the folds, for the epochs that all folds have.

    Returns
    -------
    dict or None
        None if a fold has fewer than two epochs with a validation loss.
    """
    histories = []
    for fit in fits:
        phases = [row.get("phase") for row in fit["history"] if row["val_loss"] is not None]
        histories.append(
            [row for row in fit["history"] if phases and row.get("phase") == phases[-1]]
        )
    epochs = list(zip(*histories, strict=False))
    if len(epochs) < 2:
        return None

    def mean(losses: list[float | None]) -> float | None:
        known = [loss for loss in losses if loss is not None]
        return round(float(np.mean(known)), 5) if len(known) == len(losses) else None

    return {
        "epoch": [rows[0]["epoch"] for rows in epochs],
        "loss": [mean([row["loss"] for row in rows]) for rows in epochs],
        "val_loss": [mean([row["val_loss"] for row in rows]) for rows in epochs],
    }


def _fit_of(
    worker: StudyWorker, section: Section, model: str, kind: str, fold: Fold
) -> FitResult | None:
    return next(
        worker.fitted(cell, kind)
        for cell in worker.plan.cells()
        if (cell.split, cell.model, cell.fold.number) == (section.split, model, fold.number)
    )


def _tuned_rows(worker: StudyWorker) -> list[Json]:
    rows: list[Json] = []
    for cell in worker.plan.cells():
        tuned = worker.tuned(cell)
        if tuned:
            row: Json = {"split": cell.split, "fold": cell.fold.number, "model": cell.model}
            rows.append(row | {key: value for key, value in tuned.items() if key in TUNED_KEYS})
    return rows


def _data(plan: Plan) -> Json:
    truth, labels = plan.examples.truth, plan.examples.dataset.labels
    counts = {label: int((truth == index).sum()) for index, label in enumerate(labels)}
    data = {**plan.settings["data"], "classes": counts}
    if isinstance(plan.examples, CellExamples):
        known = plan.truth_known
        fields = plan.examples.fields
        data["cells"] = {
            "all": len(known),
            "unknown": int((~known).sum()),
            "fields": len(fields),
            "blasts": sum(field.blasts or 0 for field in fields),
            "missed_blasts": sum(field.missed_blasts for field in fields),
        }
    return data
