"""Rows of text as an aligned table; standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from .terminal import printable


def text_table(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return rows of cells as lines in which the columns are aligned.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first row is the heading. All rows have the same length. Characters that cannot be
        seen are escaped, so that a row is one line.
    left : int
        Number of leading columns that are aligned to the left. The others are aligned to the
        right, as numbers are.

    Returns
    -------
    str

    Examples
    --------
    >>> print(text_table([["camera", "images"], ["Canon", "75"]]))
    camera  images
    Canon       75
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
