"""The results of the fields of a run: the rule that is exported, and cross-fitted metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.cells.field_rule import FieldRule
from ...runtime.metrics.decisions import is_positive
from ...runtime.metrics.field_metrics import summarize_fields
from ...runtime.metrics.metrics import Json
from ..data.cells.types import CellExamples
from ..data.split_types import Split
from .camera_directions import positive_auc
from .cross_fitting import CrossFit, FittedRule
from .field_directions import field_directions
from .field_fitting import CrossFittedFields, cross_fit_fields, fit_field_judge
from .field_table import FieldTable, field_table
from .options import TrainOptions
from .predictions import Predictions


@dataclass(frozen=True)
class FieldResults:
    """What a run says of its fields.

    Parameters
    ----------
    rule : FieldRule
        Fitted to all fields; the default where they cannot fit one.
    table : FieldTable
    crossed : CrossFittedFields or None
        None if no rule could be fitted.
    metrics : dict
        The keys of ``metrics.json``: ``fields``, ``field_calibration``, ``field_directions`` and
        ``certain_auc``, see `auc_of_certain_cells`.
    """

    rule: FieldRule
    table: FieldTable
    crossed: CrossFittedFields | None
    metrics: Json


def field_results(
    predictions: Predictions,
    examples: CellExamples,
    split: Split,
    cells: FittedRule,
    calibrated: CrossFit,
    options: TrainOptions,
) -> FieldResults:
    """Fit the rule of fields and measure it on fields that it was not fitted on.

    Parameters
    ----------
    predictions : Predictions
        Of cells, one row for every fold that tests a cell.
    examples : CellExamples
    split : Split
    cells : FittedRule
        Fitted to all cells.
    calibrated : CrossFit
        Of one row a cell.
    options : TrainOptions

    Returns
    -------
    FieldResults
    """
    labels, positive = examples.dataset.labels, examples.dataset.positive
    table, once = field_table(examples), predictions.per_image()
    certain = {"certain_auc": auc_of_certain_cells(once, examples, seed=options.seed)}
    judge = fit_field_judge(once, table, labels, positive, options.sensitivity, cells=cells)
    if judge is None:
        nothing: Json = {"fields": None, "field_calibration": None, "field_directions": []}
        return FieldResults(FieldRule(), table, None, nothing | certain)
    crossed = cross_fit_fields(
        once, table, labels, positive, judge, calibrated, options.sensitivity
    )
    metrics = {
        "fields": summarize_fields(crossed.judged, seed=options.seed),
        "field_calibration": crossed.kind,
        "field_directions": field_directions(
            predictions, split, table, labels, positive, options.sensitivity, seed=options.seed
        ),
    }
    return FieldResults(judge.field, table, crossed, metrics | certain)


def auc_of_certain_cells(
    predictions: Predictions, examples: CellExamples, *, seed: int = 0
) -> Json | None:
    """Return the AUC of blasts against the cells of fields without a blast.

    There the label of every cell is certain. A cell of a field with blasts that the data set does
    not name is taken for healthy, which it may not be.

    Parameters
    ----------
    predictions : Predictions
        One row a cell.
    examples : CellExamples
    seed : int
        Of the bootstrap, which draws whole groups.

    Returns
    -------
    dict or None
        ``{"value", "low", "high", "n"}``; None if there are no fields of both kinds.
    """
    labels, positive = examples.dataset.labels, examples.dataset.positive
    chosen = predictions.select(np.flatnonzero(certain_cells(predictions, examples)))
    return positive_auc(chosen, labels, positive, seed=seed)


def certain_cells(predictions: Predictions, examples: CellExamples) -> NDArray[np.bool_]:
    """Return which cells are named blasts, or cells of fields without a blast, (N,)."""
    labels, positive = examples.dataset.labels, examples.dataset.positive
    healthy = {
        name
        for name, field in zip(examples.names, examples.field_index.tolist(), strict=True)
        if field >= 0 and examples.fields[field].label not in positive
    }
    is_blast = is_positive(labels, positive)[predictions.truth]
    rows = is_blast | np.array([name in healthy for name in predictions.images], dtype=bool)
    return np.asarray(rows if predictions.known is None else rows & predictions.known)
