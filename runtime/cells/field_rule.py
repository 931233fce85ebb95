"""From the probabilities of its cells to the verdict on a field or a smear; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics.intervals import wilson

OTHER = "other"  # the label of what is not a leucocyte
PROBABILITY_FLOOR = 1e-6
DIFFERENTIAL_CELLS = 100  # leucocytes of a manual differential count


@dataclass(frozen=True)
class FieldRule:
    """How the blast probabilities of the cells of a field become the verdict on the field.

    The log-odds of the field are ``bias + largest * logit(max p) + total * log(1 + sum p)``.
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
        Log-odds of the largest probability, and logarithm of 1 + expected number of blasts.
    """
    p = np.clip(blast_probabilities, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    top = float(p.max())
    return math.log(top / (1 - top)), math.log1p(float(p.sum()))


@dataclass(frozen=True)
class CellCounts:
    """The counts of a field or a smear.

    Parameters
    ----------
    leucocytes : int
        Cells that are counted: not ``other`` and not smudge cells.
    blasts : int
        Leucocytes whose label is positive.
    """

    leucocytes: int
    blasts: int

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

    def fields_short(self, fields: int, wanted: int = DIFFERENTIAL_CELLS) -> int | None:
        """Return how many further fields like these are needed.

        Parameters
        ----------
        fields : int
            Number of fields that the counts are of, at least 1.
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
        return math.ceil(short * fields / self.leucocytes) if self.leucocytes else None

    def __add__(self, other: CellCounts) -> CellCounts:
        """Return the counts of both together."""
        return CellCounts(self.leucocytes + other.leucocytes, self.blasts + other.blasts)


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
    counted = [
        label
        for label, own in zip(labels, flags, strict=True)
        if label != OTHER and "smudge" not in own
    ]
    return CellCounts(len(counted), sum(label in positive for label in counted))
