"""Counts and cells as text for people and as columns of CSV."""

from __future__ import annotations

from collections.abc import Sequence

from .field_rule import DIFFERENTIAL_CELLS, SMUDGE, CellCounts
from .results import CellResult

NO_LEUCOCYTE = "no leucocyte found"
COUNT_COLUMNS = (
    "counts.leucocytes", "counts.blasts", "counts.blast_percent", "counts.interval.low",
    "counts.interval.high", "counts.fields", "counts.fields_short", "counts.more",
)  # fmt: skip
CELL_COLUMNS = ("image", "number", "x", "y", "radius", "label", "probability", "flags")


def count_row(counts: CellCounts | None) -> list[object]:
    """Return the cells of `COUNT_COLUMNS`; None is an empty cell."""
    if counts is None:
        return [None] * len(COUNT_COLUMNS)
    row = counts.to_json()
    low, high = row["interval"] or (None, None)
    return [
        row["leucocytes"], row["blasts"], row["blast_percent"], low, high,
        row["fields"], row["fields_short"], row["more"],
    ]  # fmt: skip


def cell_rows(image: str | None, cells: Sequence[CellResult]) -> list[list[object]]:
    """Return the rows of `CELL_COLUMNS`: one for each cell, numbered from 1 as in the overlay."""
    rows: list[list[object]] = []
    for number, cell in enumerate(cells, 1):
        row = cell.to_json()
        flags = " ".join(row["flags"])
        rows.append(
            [image, number, *(row[key] for key in ("x", "y", "radius", "label")),
             row["probability"], flags]
        )  # fmt: skip
    return rows


def no_leucocyte_text(cells: Sequence[CellResult]) -> str:
    """Return that a field has no leucocyte, and what was found instead of one.

    Parameters
    ----------
    cells : sequence of CellResult
        Of the field; none of them is a leucocyte.

    Returns
    -------
    str

    Examples
    --------
    >>> no_leucocyte_text([CellResult(812, 455, 41, "other", 0.02, ("smudge",))])
    'no leucocyte found, only smudge cells'
    """
    smudges = sum(SMUDGE in cell.flags for cell in cells)
    kinds = ("smudge cells",) * (smudges > 0) + ("cells called other",) * (smudges < len(cells))
    return f"{NO_LEUCOCYTE}, only {' and '.join(kinds)}" if kinds else NO_LEUCOCYTE


def counts_text(counts: CellCounts, cells: Sequence[CellResult] = ()) -> str:
    """Return the counts in words, with the number of fields that are missing.

    Parameters
    ----------
    counts : CellCounts
    cells : sequence of CellResult
        Of a field: what was found instead of a leucocyte.

    Returns
    -------
    str

    Examples
    --------
    >>> counts_text(CellCounts(23, 9))
    '9 blasts of 23 leucocytes: 39.1 % (22.2 to 59.2); 4 more fields for 100 leucocytes'
    """
    more = f"; {counts.more} more cells were not judged" if counts.more else ""
    percent, interval = counts.blast_percent, counts.interval
    if percent is None or interval is None:
        return f"{no_leucocyte_text(cells)}{more}"
    text = (
        f"{_number(counts.blasts, 'blast')} of {_number(counts.leucocytes, 'leucocyte')}: "
        f"{percent:.1f} % ({interval[0]:.1f} to {interval[1]:.1f})"
    )
    if short := counts.fields_short():
        text += (
            f"; {short} more field{'s' if short > 1 else ''} for {DIFFERENTIAL_CELLS} leucocytes"
        )
    return text + more


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
