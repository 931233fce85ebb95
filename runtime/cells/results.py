"""The results of cells, and the verdict on a field or a smear from them; numpy only.

Training, evaluation and the device call the same functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics.decisions import Thresholds, decide
from .field_rule import (
    OTHER,
    PROBABILITY_FLOOR,
    CellCounts,
    FieldRule,
    count_cells,
    is_leucocyte,
)
from .types import Cell

# Of a cell: of the detector, of the model's indeterminate band, and of the guards.
CELL_FLAGS = ("clipped", "smudge", "indeterminate", "unfamiliar")
PROBABILITY_DIGITS = 6


@dataclass(frozen=True)
class CellResult:
    """The result of one cell.

    Parameters
    ----------
    x, y, radius : float
        Centre and radius of the nucleus, in pixels of the upright original.
    label : str
    probability : float
        Of all positive labels together, calibrated, in [0, 1].
    flags : tuple of str
        Of `CELL_FLAGS`.
    """

    x: float
    y: float
    radius: float
    label: str
    probability: float
    flags: tuple[str, ...] = ()

    @property
    def is_leucocyte(self) -> bool:
        """Whether the cell is counted: it is not ``other``, and no smudge cell."""
        return is_leucocyte(self.label, self.flags)

    def to_json(self) -> dict[str, Any]:
        """Return the cell as the ``cells`` of a record have it: whole pixels, at least 1."""
        return {
            "x": max(round(self.x), 0),
            "y": max(round(self.y), 0),
            "radius": max(round(self.radius), 1),
            "label": self.label,
            "probability": round(self.probability, PROBABILITY_DIGITS),
            "flags": list(self.flags),
        }


@dataclass(frozen=True)
class FieldVerdict:
    """The verdict on a field or a smear.

    Parameters
    ----------
    label, probability, scores
        As of `Result`; None without a leucocyte.
    indeterminate : bool
        True inside the band of the rule.
    counts : CellCounts
    """

    label: str | None
    probability: float | None
    scores: dict[str, float] | None
    indeterminate: bool
    counts: CellCounts


def judge_cells(
    cells: Sequence[Cell],
    scores: ArrayLike,
    labels: Sequence[str],
    positive: Sequence[str],
    thresholds: Thresholds,
    unfamiliar: Sequence[bool] | None = None,
    *,
    least_other: float = 0.0,
) -> tuple[CellResult, ...]:
    """Return the result of each cell.

    Parameters
    ----------
    cells : sequence of Cell
        In pixels of the upright original.
    scores : (N, C) array_like of float
        Calibrated, in the order of the labels.
    labels, positive : sequence of str
    thresholds : Thresholds
        Of cells.
    unfamiliar : sequence of bool, optional
        Which cells the guards do not know.
    least_other : float
        Least probability of ``other`` with which a cell has this label. Below it, a cell that
        would have it gets the likeliest label of a leucocyte that is not positive, and the flag
        ``unfamiliar``.

    Returns
    -------
    tuple of CellResult
        In the order of `cells`.
    """
    if not cells:
        return ()
    table = np.asarray(scores, dtype=np.float64)
    verdicts = decide(table, labels, positive, thresholds)
    strange = [False] * len(cells) if unfamiliar is None else list(unfamiliar)
    if OTHER in labels and least_other > 0:
        negative = [n for n, name in enumerate(labels) if name not in (OTHER, *positive)]
        for number, verdict in enumerate(verdicts):
            if verdict.label == OTHER and table[number, labels.index(OTHER)] < least_other:
                likeliest = labels[max(negative, key=table[number].__getitem__)]
                verdicts[number] = replace(verdict, label=likeliest)
                strange[number] = True
    return tuple(
        CellResult(
            cell.x,
            cell.y,
            cell.radius,
            verdict.label,
            verdict.probability,
            cell.flags
            + (("indeterminate",) if verdict.indeterminate else ())
            + (("unfamiliar",) if is_strange else ()),
        )
        for cell, verdict, is_strange in zip(cells, verdicts, strange, strict=True)
    )


def judge_field(
    cells: Sequence[CellResult],
    rule: FieldRule,
    labels: Sequence[str],
    positive: Sequence[str],
    *,
    more: int = 0,
) -> FieldVerdict:
    """Return the verdict on a field from its cells.

    Only leucocytes decide: cells that are neither ``other`` nor smudge cells. Several labels on
    one side share the probability of this side by their numbers of cells; the label is the one
    with the largest share.

    Parameters
    ----------
    cells : sequence of CellResult
    rule : FieldRule
    labels, positive : sequence of str
        Of the cell model.
    more : int
        Number of cells that were not judged.

    Returns
    -------
    FieldVerdict
    """
    return judge_smear([cells], rule, labels, positive, more=more)


def judge_smear(
    fields: Sequence[Sequence[CellResult]],
    rule: FieldRule,
    labels: Sequence[str],
    positive: Sequence[str],
    *,
    more: int = 0,
) -> FieldVerdict:
    """Return the verdict on a smear of several fields from the cells of each.

    The log-odds of the smear are the mean of those of its fields. The rule of fields cannot judge
    the cells of all fields at once: it was fitted to fields, and the more cells there are, the
    higher is the largest of their probabilities.

    Parameters
    ----------
    fields : sequence of sequence of CellResult
        The cells of each field.
    rule, labels, positive, more
        As `judge_field`.

    Returns
    -------
    FieldVerdict
    """
    cells = [cell for field in fields for cell in field]
    counts = count_cells([c.label for c in cells], [c.flags for c in cells], positive)
    counts = CellCounts(counts.leucocytes, counts.blasts, len(fields), more)
    answers = [
        p
        for field in fields
        if (p := rule.probability([c.probability for c in field if c.is_leucocyte])) is not None
    ]
    if not answers:
        return FieldVerdict(None, None, None, False, counts)
    p = answers[0] if len(answers) == 1 else _mean_probability(answers)
    numbers = Counter(cell.label for cell in cells if cell.is_leucocyte)
    negative = [label for label in labels if label not in positive and label != OTHER]
    shares = _shares(negative, 1 - p, numbers) | _shares(positive, p, numbers)
    side = positive if p >= rule.threshold else negative
    low, high = rule.band
    label = max((name for name in labels if name in side), key=shares.__getitem__)
    scores = {name: shares[name] for name in labels if name in shares}
    return FieldVerdict(label, p, scores, low <= p < high, counts)


def _mean_probability(probabilities: Sequence[float]) -> float:
    """Return the probability whose log-odds are the mean of those of some probabilities."""
    p = np.clip(probabilities, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return float(1 / (1 + np.exp(-np.mean(np.log(p / (1 - p))))))


def _shares(side: Sequence[str], total: float, numbers: Counter[str]) -> dict[str, float]:
    """Return the probability of one side, shared by its labels by their numbers of cells."""
    cells = sum(numbers[label] + 1 for label in side)
    return {label: total * (numbers[label] + 1) / cells for label in side}
