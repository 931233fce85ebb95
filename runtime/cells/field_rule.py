"""From the probabilities of its cells to the verdict on a field or a smear; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..json_values import check_stored
from ..metrics.intervals import wilson
from .field_rule_validation import check_field_rule

OTHER = "other"  # the label of what is not a leucocyte
SMUDGE = "smudge"  # the flag of a broken nucleus
PROBABILITY_FLOOR = 1e-6
DIFFERENTIAL_CELLS = 100  # leucocytes of a manual differential count


@dataclass(frozen=True)
class FieldRule:
    """How the blast probabilities of the cells of a field become the verdict on the field.

    The log-odds of the field are ``bias + largest * logit(max p) + total * log(1 + sum e)``, where
    ``e = max(0, 2 p - 1)`` is the evidence of a cell that is more likely a blast than not. Cells
    below one half add nothing: a field with many healthy leucocytes is not a field with blasts.
    Neither weight is negative: a further blast never makes a field healthier.

    Parameters
    ----------
    bias, largest, total : float
    threshold : float
        Least probability of the field that gives the positive label, in [0, 1].
    band : (float, float)
        Probabilities from the first up to below the second are indeterminate.
    smear_cells : int
        Least number of leucocytes of a smear whose blast percentage is reported without the flag
        ``too_few_cells``.
    """

    bias: float = 0.0
    largest: float = 1.0
    total: float = 0.0
    threshold: float = 0.5
    band: tuple[float, float] = (0.5, 0.5)
    smear_cells: int = DIFFERENTIAL_CELLS

    def to_json(self) -> dict[str, Any]:
        """Return the rule as a JSON object."""
        return {**asdict(self), "band": list(self.band)}

    @classmethod
    def from_json(cls, rule: dict[str, Any]) -> FieldRule:
        """Return the rule that a bundle or a run stores.

        Raises
        ------
        BundleError
            If a key is missing, has the wrong type or range, or is unknown to this version.
        """
        check_stored(check_field_rule, rule, "field")
        return cls(**{**rule, "band": tuple(rule["band"])})

    def probability(self, blast_probabilities: ArrayLike) -> float | None:
        """Return the probability that a field has a blast.

        Parameters
        ----------
        blast_probabilities : (N,) array_like of float
            Of its cells, calibrated, in [0, 1].

        Returns
        -------
        float or None
            In [0, 1]; None for a field without a cell.
        """
        p = np.asarray(blast_probabilities, dtype=np.float64)
        if not p.size:
            return None
        odds = self.bias + float(np.dot((self.largest, self.total), field_features(p)))
        return 1.0 / (1.0 + math.exp(-min(max(odds, -700.0), 700.0)))


def field_features(blast_probabilities: ArrayLike) -> tuple[float, float]:
    """Return the two numbers that a field is judged by.

    Parameters
    ----------
    blast_probabilities : (N,) array_like of float
        At least one.

    Returns
    -------
    (float, float)
        Log-odds of the largest probability, and logarithm of 1 + the evidence of all cells.
    """
    p = np.clip(blast_probabilities, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    top = float(p.max())
    evidence = float(np.maximum(0.0, 2.0 * p - 1.0).sum())
    return math.log(top / (1 - top)), math.log1p(evidence)


@dataclass(frozen=True)
class CellCounts:
    """The counts of a field or a smear.

    Parameters
    ----------
    leucocytes : int
        Cells that are counted: not ``other`` and not smudge cells.
    blasts : int
        Leucocytes whose label is positive.
    fields : int
        Number of fields that the counts are of.
    more : int
        Number of further cells that were not judged, because a field has too many.
    """

    leucocytes: int
    blasts: int
    fields: int = 1
    more: int = 0

    @property
    def blast_percent(self) -> float | None:
        """Blasts in percent of the leucocytes; None without a leucocyte."""
        return 100.0 * self.blasts / self.leucocytes if self.leucocytes else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of `blast_percent`; None without a leucocyte."""
        if not self.leucocytes:
            return None
        low, high = wilson(self.blasts, self.leucocytes)
        return 100.0 * low, 100.0 * high

    def fields_short(
        self, fields: int | None = None, wanted: int = DIFFERENTIAL_CELLS
    ) -> int | None:
        """Return how many further fields like these are needed.

        Parameters
        ----------
        fields : int, optional
            Number of fields that the counts are of, at least 1; by default `self.fields`.
        wanted : int
            Number of leucocytes.

        Returns
        -------
        int or None
            0 if there are enough leucocytes; None if there is no leucocyte to estimate from.
        """
        short = wanted - self.leucocytes
        if short <= 0:
            return 0
        fields = self.fields if fields is None else fields
        return math.ceil(short * fields / self.leucocytes) if self.leucocytes else None

    def to_json(self) -> dict[str, Any]:
        """Return the ``counts`` of a record, with percentages to one decimal."""
        percent, interval = self.blast_percent, self.interval
        return {
            "leucocytes": self.leucocytes,
            "blasts": self.blasts,
            "blast_percent": None if percent is None else round(percent, 1),
            "interval": interval and [round(end, 1) for end in interval],
            "fields": self.fields,
            "fields_short": self.fields_short(),
            "more": self.more,
        }

    def __add__(self, other: CellCounts) -> CellCounts:
        """Return the counts of both together."""
        return CellCounts(
            self.leucocytes + other.leucocytes,
            self.blasts + other.blasts,
            self.fields + other.fields,
            self.more + other.more,
        )


def is_leucocyte(label: str, flags: Sequence[str]) -> bool:
    """Return whether a cell is counted: it is a leucocyte, and no smudge cell."""
    return label != OTHER and SMUDGE not in flags


def count_cells(
    labels: Sequence[str], flags: Sequence[tuple[str, ...]], positive: Sequence[str]
) -> CellCounts:
    """Return the counts of the cells of a field.

    Parameters
    ----------
    labels : sequence of str
        Of each cell.
    flags : sequence of tuple of str
        Of each cell.
    positive : sequence of str
        The labels that mean a blast.

    Returns
    -------
    CellCounts
    """
    counted = [label for label, own in zip(labels, flags, strict=True) if is_leucocyte(label, own)]
    return CellCounts(len(counted), sum(label in positive for label in counted))
