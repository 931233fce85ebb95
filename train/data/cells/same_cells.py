"""Finds examples that show the same cell, and refuses to train on one cell under two labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ....errors import DataError
from ....runtime.cells.matching import REACH
from ..contradictions import SAME_PICTURE
from ..examples import NAMED_AT_MOST
from ..overlaps.alignment import Overlap
from .image_reading import ImageReading
from .types import CellExamples
from .unknown_cells import known_cells

SAME_SHARE = 0.9  # of both images that is common: both show the cell in their centre


def same_cells(
    readings: Sequence[ImageReading],
    overlaps: Iterable[Overlap],
    copies: Iterable[tuple[int, int]],
) -> list[tuple[int, int]]:
    """Return the pairs of examples that show the same cell.

    They are images of one cell that show the same picture or are copies of each other, an image of
    one cell and the cell in its centre in the field that it was cut from, and the cells of
    identical fields.

    Parameters
    ----------
    readings : sequence of ImageReading
        Of all images. The examples are their cells, in order.
    overlaps : iterable of Overlap
        Between the images.
    copies : iterable of (int, int)
        Images that are copies of each other.

    Returns
    -------
    list of (int, int)
        Indices of examples, sorted, the lower one first.
    """
    first = np.cumsum([0, *(len(reading.cells) for reading in readings)]).tolist()
    pairs: set[tuple[int, int]] = set()

    def connect(a: int, b: int) -> None:
        pairs.add((min(a, b), max(a, b)))

    for a, b in copies:
        if not (readings[a].field or readings[b].field) and readings[a].cells and readings[b].cells:
            connect(first[a], first[b])
    for overlap in overlaps:
        one, other = readings[overlap.a], readings[overlap.b]
        if one.field and other.field:
            if overlap.kind == "identical":
                for index in range(len(one.cells)):
                    connect(first[overlap.a] + index, first[overlap.b] + index)
        elif not (one.field or other.field):
            same = overlap.kind in SAME_PICTURE or min(overlap.shares) >= SAME_SHARE
            if same and one.cells and other.cells:
                connect(first[overlap.a], first[overlap.b])
        else:
            whole, part, sign = (
                (overlap.a, overlap.b, 1) if one.field else (overlap.b, overlap.a, -1)
            )
            shift = sign * overlap.dx, sign * overlap.dy
            cell = _cell_in_field(readings[whole], readings[part], shift)
            if cell is not None:
                connect(first[whole] + cell, first[part])
    return sorted(pairs)


def _cell_in_field(field: ImageReading, single: ImageReading, shift: tuple[int, int]) -> int | None:
    """Return which cell of a field an image of one cell shows, if it was cut out at `shift`."""
    if not (field.cells and single.cells):
        return None
    cell = single.cells[0].cell
    rows = [
        (float(np.hypot(own.cell.x - cell.x - shift[0], own.cell.y - cell.y - shift[1])), index)
        for index, own in enumerate(field.cells)
    ]
    distance, index = min(rows)
    return index if distance <= REACH * field.cells[index].cell.radius else None


def refuse_cell_contradictions(
    examples: CellExamples, *, force: bool, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Refuse to train on the same cell under two labels. Cells without a known truth are left out.

    Parameters
    ----------
    examples : CellExamples
    force : bool
        Warn instead.
    say : callable
        Called with the warning.

    Returns
    -------
    tuple of str
        Notes for whoever reads the results.

    Raises
    ------
    DataError
        If there are such cells, and `force` is False.
    """
    labels = [sample.label for sample in examples.dataset.samples]
    known = known_cells(examples)
    pairs = [
        (a, b) for a, b in _all_pairs(examples) if labels[a] != labels[b] and known[a] and known[b]
    ]
    if not pairs:
        return ()
    shown = "; ".join(
        f"{examples.names[a]} ({labels[a]}) and {examples.names[b]} ({labels[b]})"
        for a, b in pairs[:NAMED_AT_MOST]
    )
    more = f"; and {len(pairs) - NAMED_AT_MOST} more" if len(pairs) > NAMED_AT_MOST else ""
    what = f"labels contradict: {len(pairs)} pairs of examples show the same cell: {shown}{more}"
    if not force:
        raise DataError(what, fix="correct one label of each pair, or --force to train on both")
    say(what)
    return (f"{len(pairs)} pairs of examples show the same cell and have different labels",)


def _all_pairs(examples: CellExamples) -> list[tuple[int, int]]:
    """Return the pairs that show the same cell, those with the same pixels included."""
    pairs = set(examples.same_cells)
    same: dict[bytes, list[int]] = defaultdict(list)
    for index, pixels in enumerate(examples.pixels):
        same[pixels.tobytes()].append(index)
    pairs |= {(members[0], other) for members in same.values() for other in members[1:]}
    return sorted(pairs)
