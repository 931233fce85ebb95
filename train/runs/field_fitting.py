"""From the out-of-fold scores of cells to verdicts on fields, by rules fitted on other folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.cells.field_rule import OTHER, FieldRule
from ...runtime.metrics.decisions import apply_temperature, assign_labels, positive_score
from ...runtime.metrics.field_metrics import JudgedFields
from .calibration_fitting import SENSITIVITY
from .cross_fitting import CROSS_FITTED, IN_SAMPLE, CrossFit, FittedRule, fit_decision_rule
from .field_rule_fitting import fit_field_rule
from .field_table import FieldTable
from .predictions import Predictions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class FieldJudge:
    """What turns the scores of cells into the verdict on their field.

    Parameters
    ----------
    cells : FittedRule
        Calibrates and labels the cells.
    field : FieldRule
    """

    cells: FittedRule
    field: FieldRule


@dataclass(frozen=True)
class CellCountsOfFields:
    """The leucocytes of fields.

    Parameters
    ----------
    probabilities : tuple of (N,) ndarray of float64
        Of each field, the calibrated blast probabilities of its leucocytes.
    blasts : (F,) ndarray of int
        Leucocytes that are labelled as blasts.
    compared_blasts : (F,) ndarray of int
        Those of them whose truth is known.
    """

    probabilities: tuple[Floats, ...]
    blasts: Ints
    compared_blasts: Ints

    @property
    def leucocytes(self) -> Ints:
        """Number of leucocytes of each field."""
        return np.array([len(p) for p in self.probabilities], dtype=np.int64)


@dataclass(frozen=True)
class CrossFittedFields:
    """Fields, each judged by what was fitted without it.

    Parameters
    ----------
    kind : {"cross-fitted", "in-sample"}
        As `CrossFit`.
    judged : JudgedFields
    folds : (F,) ndarray of int
        The fold that judges each field; 0 if no cell of it was tested.
    """

    kind: str
    judged: JudgedFields
    folds: Ints


def count_cells_of_fields(
    predictions: Predictions,
    table: FieldTable,
    rule: FittedRule,
    labels: Sequence[str],
    positive: Sequence[str],
) -> CellCountsOfFields:
    """Calibrate and label cells, and collect the leucocytes of each field.

    Parameters
    ----------
    predictions : Predictions
        Of cells, one row a cell, not calibrated.
    table : FieldTable
    rule : FittedRule
        Of the cells.
    labels, positive : sequence of str
        All labels in the order of the scores, and those of them that mean leukaemia.

    Returns
    -------
    CellCountsOfFields
    """
    scores = apply_temperature(predictions.scores, rule.temperature)
    assigned = assign_labels(scores, labels, positive, rule.threshold)
    p = np.minimum(positive_score(scores, labels, positive), 1.0)
    is_other = np.array([label == OTHER for label in labels])[assigned]
    field = np.where(is_other, -1, table.field_of_cells(predictions))
    is_blast = np.array([label in positive for label in labels])[assigned] & (field >= 0)
    known = np.ones(len(p), dtype=bool) if predictions.known is None else predictions.known
    count = len(table.names)
    return CellCountsOfFields(
        tuple(p[field == index] for index in range(count)),
        np.bincount(field[is_blast], minlength=count),
        np.bincount(field[is_blast & known], minlength=count),
    )


def fit_field_judge(
    predictions: Predictions,
    table: FieldTable,
    labels: Sequence[str],
    positive: Sequence[str],
    sensitivity: float = SENSITIVITY,
    *,
    cells: FittedRule | None = None,
) -> FieldJudge | None:
    """Fit the rule of fields to the out-of-fold scores of their cells.

    Parameters
    ----------
    predictions, table, labels, positive
        As `count_cells_of_fields`.
    sensitivity : float
        Wanted of cells and of fields, in (0, 1].
    cells : FittedRule, optional
        Of the cells; fitted to the same predictions by default.

    Returns
    -------
    FieldJudge or None
        None if the fields with a leucocyte, or their cells, are not of both classes.
    """
    if cells is None:
        known = predictions.with_truth()
        if len({labels[index] in positive for index in known.truth.tolist()}) < 2:
            return None
        cells = fit_decision_rule(known, labels, positive, sensitivity)
    counts = count_cells_of_fields(predictions, table, cells, labels, positive)
    rule = fit_field_rule(counts.probabilities, np.isin(table.labels, positive), sensitivity)
    return None if rule is None else FieldJudge(cells, rule)


def judge_fields(
    predictions: Predictions,
    table: FieldTable,
    judges: Iterable[tuple[Mask, FieldJudge]],
    labels: Sequence[str],
    positive: Sequence[str],
) -> JudgedFields:
    """Return the verdicts on fields.

    Parameters
    ----------
    predictions, table, labels, positive
        As `count_cells_of_fields`.
    judges : iterable of ((N,) ndarray of bool, FieldJudge)
        Rows of `predictions`, all those of a field together, and what judges them.

    Returns
    -------
    JudgedFields
        A field without a row in any mask has no leucocyte.
    """
    count = len(table.names)
    probability, threshold = np.full(count, np.nan), np.full(count, 0.5)
    leucocytes, blasts, compared = np.zeros((3, count), np.int64)
    for rows, judge in judges:
        cells = predictions.select(rows)
        counts = count_cells_of_fields(cells, table, judge.cells, labels, positive)
        for index in np.unique(table.field_of_cells(cells)):
            if index < 0:
                continue
            p = judge.field.probability(counts.probabilities[index])
            probability[index] = np.nan if p is None else p
            threshold[index] = judge.field.threshold
            leucocytes[index] = counts.leucocytes[index]
            blasts[index] = counts.blasts[index]
            compared[index] = counts.compared_blasts[index]
    return JudgedFields(
        table.names,
        table.cameras,
        table.groups,
        np.isin(table.labels, positive),
        probability,
        threshold,
        leucocytes,
        blasts,
        table.true_blasts,
        compared,
        table.missed_blasts,
    )


def cross_fit_fields(
    predictions: Predictions,
    table: FieldTable,
    labels: Sequence[str],
    positive: Sequence[str],
    judge: FieldJudge,
    calibrated: CrossFit,
    sensitivity: float = SENSITIVITY,
) -> CrossFittedFields:
    """Judge the fields of each fold by a rule that was fitted to the other folds.

    Cells of a group that the fold tests are not used to fit its rule.

    Parameters
    ----------
    predictions, table, labels, positive
        As `count_cells_of_fields`; one row a cell.
    judge : FieldJudge
        Fitted to all predictions. It judges all fields if, for some fold, the others cannot fit a
        rule.
    calibrated : CrossFit
        Of the same cells.
    sensitivity : float
        Wanted, in (0, 1].

    Returns
    -------
    CrossFittedFields
    """
    judges: list[tuple[Mask, FieldJudge]] = []
    kind = calibrated.kind
    for number in np.unique(predictions.folds):
        inside = predictions.folds == number
        others = ~np.isin(predictions.groups, np.asarray(predictions.groups)[inside])
        own = None
        if kind == CROSS_FITTED:
            own = fit_field_judge(
                predictions.select(others),
                table,
                labels,
                positive,
                sensitivity,
                cells=calibrated.rules[int(number)],
            )
        if own is None:
            kind, judges = IN_SAMPLE, [(np.ones(len(inside), dtype=bool), judge)]
            break
        judges.append((inside, own))
    judged = judge_fields(predictions, table, judges, labels, positive)
    folds = np.zeros(len(table.names), dtype=np.int64)
    field = table.field_of_cells(predictions)
    folds[field[field >= 0]] = predictions.folds[field >= 0]
    return CrossFittedFields(kind, judged, folds)
