"""The results of cells, and the verdict on a field or a smear from them; numpy only.

Training, evaluation and the device call the same functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from ..metrics.decisions import Thresholds, decide
from .field_rule import OTHER, CellCounts, FieldRule, count_cells, is_leucocyte
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

    Returns
    -------
    tuple of CellResult
        In the order of `cells`.
    """
    if not cells:
        return ()
    verdicts = decide(scores, labels, positive, thresholds)
    strange = [False] * len(cells) if unfamiliar is None else unfamiliar
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
    fields: int = 1,
    more: int = 0,
) -> FieldVerdict:
    """Return the verdict on a field, or on a smear of several fields, from its cells.

    Only leucocytes decide: cells that are neither ``other`` nor smudge cells. Several labels on
    one side share the probability of this side by their numbers of cells; the label is the one
    with the largest share.

    Parameters
    ----------
    cells : sequence of CellResult
        Of all fields.
    rule : FieldRule
    labels, positive : sequence of str
        Of the cell model.
    fields : int
        Number of fields.
    more : int
        Number of cells that were not judged.

    Returns
    -------
    FieldVerdict
    """
    counted = [cell for cell in cells if cell.is_leucocyte]
    counts = count_cells([c.label for c in cells], [c.flags for c in cells], positive)
    counts = CellCounts(counts.leucocytes, counts.blasts, fields, more)
    p = rule.probability([cell.probability for cell in counted])
    if p is None:
        return FieldVerdict(None, None, None, False, counts)
    numbers = Counter(cell.label for cell in counted)
    scores: dict[str, float] = {}
    for side, share in (([x for x in labels if x not in positive and x != OTHER], 1 - p),
                        ([x for x in labels if x in positive], p)):  # fmt: skip
        total = sum(numbers[label] + 1 for label in side)
        scores.update({label: share * (numbers[label] + 1) / total for label in side})
    side = [label for label in scores if (label in positive) == (p >= rule.threshold)]
    low, high = rule.band
    label = max(side, key=scores.__getitem__)
    ordered = {name: scores[name] for name in labels if name in scores}
    return FieldVerdict(label, p, ordered, low <= p < high, counts)
