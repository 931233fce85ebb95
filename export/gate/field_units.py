"""Judges whole fields by the scores of their cells: what a conversion costs a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...runtime.cells.field_rule import FieldRule
from ...runtime.metrics.decisions import Thresholds
from ..types import Comparison, Floats, Indices, Mask

NO_FIELD = -1  # the unit of an image of one cell, which belongs to no field


@dataclass(frozen=True)
class FieldUnits:
    """The fields that cells belong to; a field that several folds test is one unit a fold.

    Parameters
    ----------
    unit : (N,) ndarray of int
        Of each cell; -1 for an image of one cell.
    is_positive : (U,) ndarray of bool
        Whether the label of the field of each unit is positive.
    """

    unit: Indices
    is_positive: Mask

    @classmethod
    def of_cells(cls, fields: ArrayLike, folds: ArrayLike, is_positive: ArrayLike) -> FieldUnits:
        """Return the units of cells.

        Parameters
        ----------
        fields : (N,) array_like of int
            Index of the field of each cell; -1 for an image of one cell.
        folds : (N,) array_like of int
            Of each cell.
        is_positive : (F,) array_like of bool
            Of each field.

        Examples
        --------
        >>> FieldUnits.of_cells([0, 0, 1, -1, 0], [1, 1, 1, 1, 2], [False, True]).unit.tolist()
        [0, 0, 2, -1, 1]
        """
        pairs = np.stack([np.asarray(fields, np.int64), np.asarray(folds, np.int64)], axis=1)
        inside = pairs[:, 0] != NO_FIELD
        distinct, places = np.unique(pairs[inside], axis=0, return_inverse=True)
        unit = np.full(len(pairs), NO_FIELD, dtype=np.int64)
        unit[inside] = places.reshape(-1)
        positive = np.asarray(is_positive, dtype=bool)
        return cls(unit, positive[distinct[:, 0]] if len(distinct) else np.zeros(0, dtype=bool))

    def present(self, rows: Indices) -> Indices:
        """Return the units of some cells, each once, in ascending order."""
        units: Indices = np.unique(self.unit[rows])
        return np.asarray(units[units != NO_FIELD])

    def leucocytes(self, rows: Indices, p: Floats) -> list[Floats]:
        """Return the probabilities of each unit's leucocytes, in the order of `present`.

        Parameters
        ----------
        rows : (K,) ndarray of int
        p : (K,) ndarray of float64
            Calibrated blast probability of each of these cells; NaN for no leucocyte.
        """
        units = np.where(np.isnan(p), NO_FIELD, self.unit[rows])
        return [p[units == unit] for unit in self.present(rows)]

    def probabilities(self, rows: Indices, p: Floats, rule: FieldRule) -> Floats:
        """Return the probability of each unit by a rule, (U',), in the order of `present`.

        It is 0 for a field in which the model sees no leucocyte.
        """
        return np.array([rule.probability(own) or 0.0 for own in self.leucocytes(rows, p)])


@dataclass(frozen=True)
class FieldComparison:
    """How two models judge the same fields.

    Parameters
    ----------
    is_positive : (U,) ndarray of bool
        Truth.
    float_p, artifact_p : (U,) ndarray of float64
        Calibrated probabilities.
    comparison : Comparison
    """

    is_positive: Mask
    float_p: Floats
    artifact_p: Floats
    comparison: Comparison


def compare_fields(
    units: FieldUnits,
    rows: Indices,
    p: tuple[Floats, Floats],
    rules: tuple[FieldRule | None, FieldRule | None],
) -> FieldComparison | None:
    """Return how the float model and an artifact judge the fields of some cells.

    Parameters
    ----------
    units : FieldUnits
    rows : (K,) ndarray of int
        The cells.
    p : pair of (K,) ndarray of float64
        Their calibrated blast probabilities by the float model and by the artifact; NaN for no
        leucocyte.
    rules : pair of FieldRule
        Of both models.

    Returns
    -------
    FieldComparison or None
        None if no cell belongs to a field, or a model has no rule for fields.
    """
    is_positive = units.is_positive[units.present(rows)]
    float_rule, artifact_rule = rules
    if not len(is_positive) or float_rule is None or artifact_rule is None:
        return None
    float_p = units.probabilities(rows, p[0], float_rule)
    artifact_p = units.probabilities(rows, p[1], artifact_rule)
    thresholds = field_thresholds(float_rule), field_thresholds(artifact_rule)
    compared = compare_probabilities(float_p, artifact_p, *thresholds, is_positive)
    return FieldComparison(is_positive, float_p, artifact_p, compared)


def field_thresholds(rule: FieldRule) -> Thresholds:
    """Return the threshold and the indeterminate band of a field rule."""
    low, high = rule.band
    return Thresholds(rule.threshold, (low, high))


def compare_probabilities(
    float_p: NDArray[np.floating[Any]],
    artifact_p: NDArray[np.floating[Any]],
    float_thresholds: Thresholds,
    artifact_thresholds: Thresholds,
    is_positive: Mask,
) -> Comparison:
    """Return how the verdicts of an artifact on fields differ from those of the float model.

    Parameters
    ----------
    float_p, artifact_p : (N,) ndarray of float
        Calibrated probabilities of the same fields, N >= 1.
    float_thresholds, artifact_thresholds : Thresholds
    is_positive : (N,) ndarray of bool
        Truth of the fields.

    Returns
    -------
    Comparison
        As `compare`, but of calibrated probabilities.
    """
    found = is_positive & (float_p >= float_thresholds.threshold)
    low, high = artifact_thresholds.band
    below_band = artifact_p < min(low, artifact_thresholds.threshold)
    inside_band = (artifact_p >= low) & (artifact_p < high)
    same = (float_p >= float_thresholds.threshold) == (artifact_p >= artifact_thresholds.threshold)
    difference = np.abs(float_p - artifact_p)
    return {
        "max_dp": round(float(difference.max()), 6),
        "mean_dp": round(float(difference.mean()), 6),
        "agreement": round(float(same.mean()), 6),
        "lost_positives": int(np.sum(found & below_band)),
        "to_review": int(np.sum(~same & inside_band)),
        "float_positives": int(found.sum()),
    }
