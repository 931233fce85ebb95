"""The figures of fields in a study of cells: verdicts that follow from the scores of the cells.

The rules of cells and fields are fitted as those of `alledge train`: on other folds, and for a
camera that is left out on the other directions of the split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.evaluation import EVEN_THRESHOLD
from ...runtime.metrics.field_metrics import (
    NEGATIVE,
    POSITIVE,
    JudgedFields,
    sensitivity_at,
    summarize_fields,
)
from ...runtime.metrics.metrics import Json, summarize
from ..data.cells.types import CellExamples
from ..data.cells.unknown_cells import known_cells
from ..data.split_types import CAMERA, Fold
from ..runs.cross_fitting import cross_fit, fit_decision_rule
from ..runs.field_directions import FIELD_FIGURES, judge_direction
from ..runs.field_fitting import cross_fit_fields, fit_field_judge
from ..runs.field_table import counted_cells, field_table
from ..runs.predictions import Predictions
from .plan import Plan
from .pooled_sections import FoldScores

# Of every cell, where a field is judged by its number of cells. A cell of one half or less is no
# evidence for a blast, so that the field rule would not see the number; of three classes, only so
# high a score stays above one half at every temperature.
SAME_SCORE = 1.0


def field_figures(plan: Plan, split: str, fits: Sequence[FoldScores]) -> dict[str, Json]:
    """Return the figures of the fields of each section of a split.

    Parameters
    ----------
    plan, split, fits
        As `judged_fields`.

    Returns
    -------
    dict of str to dict
        By the name of the split, or by the camera that is left out. A section without a rule is
        left out.
    """
    summaries = {
        name: summarize_fields(judged, seed=plan.options.seed)
        for name, judged in judged_fields(plan, split, fits).items()
    }
    return {
        name: {key: summary[key] for key in FIELD_FIGURES}
        for name, summary in summaries.items()
        if summary
    }


def judged_fields(plan: Plan, split: str, fits: Sequence[FoldScores]) -> dict[str, JudgedFields]:
    """Return the verdicts on the fields of each section of a split.

    Parameters
    ----------
    plan : Plan
        Of a study of cells.
    split : str
    fits : sequence of FoldScores
        One for each fold of the split, in their order.

    Returns
    -------
    dict of str to JudgedFields
        As `field_figures`.
    """
    examples = _cell_examples(plan)
    data, own = examples.dataset, plan.splits[split]
    predictions, table = _predictions(plan, split, fits), field_table(examples)
    common = (data.labels, data.positive)
    if own.kind == CAMERA:
        cameras = sorted({fold.camera for fold in own.folds if fold.camera})
        rows = ((name, judge_direction(predictions, own, name, table, *common)) for name in cameras)
        return {name: judged for name, judged in rows if judged is not None}
    once = predictions.per_image()
    known = once.with_truth()
    cells = fit_decision_rule(known, *common)
    judge = fit_field_judge(once, table, *common, cells=cells)
    if judge is None:
        return {}
    crossed = cross_fit_fields(once, table, *common, judge, cross_fit(known, *common, cells))
    return {split: crossed.judged}


def count_alone(plan: Plan, split: str) -> dict[str, Json]:
    """Return the figures of fields that are judged by their number of cells.

    Every cell gets the same score. Where fields with blasts have more leucocytes than healthy ones,
    this row shows how far a verdict may come without a look at a cell.
    """
    classes = len(plan.examples.dataset.labels)
    score = [(1 - SAME_SCORE) / (classes - 1)] * classes
    for index, label in enumerate(plan.examples.dataset.labels):
        if label in plan.examples.dataset.positive:
            score[index] = SAME_SCORE
    fits: list[FoldScores] = [
        {"images": fold.test.tolist(), "scores": [score] * len(fold.test)}
        for fold in plan.splits[split].folds
    ]
    return field_figures(plan, split, fits)


def camera_alone_fields(plan: Plan, folds: Sequence[Fold]) -> Json | None:
    """Return the figures of fields that are judged by their camera.

    A field gets the commoner label of the training fields of its camera, or of all training fields
    if its camera is not among them.

    Parameters
    ----------
    plan : Plan
    folds : sequence of Fold
        Of one section.

    Returns
    -------
    dict or None
        As `summarize` returns it; None if no field is tested.
    """
    examples = _cell_examples(plan)
    fields = examples.fields
    positive = np.array([field.label in examples.dataset.positive for field in fields])
    cameras = np.array([field.camera for field in fields])
    votes: list[list[float]] = [[] for _ in fields]
    for fold in folds:
        trained = _fields_of(examples, fold.train)
        for index in _fields_of(examples, fold.test):
            same = trained[cameras[trained] == cameras[index]]
            known = same if len(same) else trained
            votes[index].append(float(positive[known].mean() > EVEN_THRESHOLD))
    tested = [index for index, own in enumerate(votes) if own]
    if not tested:
        return None
    p = np.array([np.mean(votes[index]) for index in tested])
    summary = summarize(
        positive[tested].astype(int),
        np.stack([1 - p, p], axis=1),
        (NEGATIVE, POSITIVE),
        (POSITIVE,),
        EVEN_THRESHOLD,
        [fields[index].group for index in tested],
        cameras[tested].tolist(),
        seed=plan.options.seed,
    )
    return summary | {"sensitivity_at_95": sensitivity_at(positive[tested], p)}


def _fields_of(examples: CellExamples, cells: NDArray[np.int64]) -> NDArray[np.int64]:
    index = np.unique(examples.field_index[cells])
    return index[index >= 0]


def _cell_examples(plan: Plan) -> CellExamples:
    if not isinstance(plan.examples, CellExamples):
        raise TypeError("the study is not of cells")
    return plan.examples


def _predictions(plan: Plan, split: str, fits: Sequence[FoldScores]) -> Predictions:
    """Return one row for every cell and every fold that tests it."""
    examples = _cell_examples(plan)
    cells = np.concatenate([np.array(fit["images"], dtype=np.int64) for fit in fits])
    numbers = [fold.number for fold in plan.splits[split].folds]
    folds = np.repeat(numbers, [len(fit["images"]) for fit in fits])

    def of_cells(values: Sequence[str]) -> tuple[str, ...]:
        return tuple(values[index] for index in cells)

    return Predictions(
        of_cells(examples.names),
        of_cells(plan.splits[split].groups),
        of_cells(examples.cameras),
        folds,
        examples.truth[cells],
        np.concatenate([np.array(fit["scores"], dtype=float) for fit in fits]),
        counted=counted_cells(examples)[cells],
        known=known_cells(examples)[cells],
    )
