"""What the pictures of cells say in words: the verdict on the field, the counts and the legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ..cells.field_rule import DIFFERENTIAL_CELLS, CellCounts
from ..cells.results import CellResult
from ..cells.tables import no_leucocyte_text
from ..records import Result
from ..terminal import printable
from .caption import Line, Part, verdict_text
from .cell_marks import FLAG_SIGNS, STYLES, Verdict, verdict_of

LABELS_SHOWN = 4  # of one verdict, in the legend
TEXT_COLOUR = (40, 40, 40)


def field_heading(result: Result, positive: Collection[str]) -> str:
    """Return the verdict on the field, or that it has no leucocyte and what it has instead."""
    if result.label is None:
        return no_leucocyte_text(result.cells or ())
    return verdict_text(result, positive)


def caption_lines(result: Result, positive: Collection[str]) -> list[Line]:
    """Return the lines of the counts and of the legend.

    Parameters
    ----------
    result : Result
        With `cells` and `counts`.
    positive : collection of str
        The labels that mean a blast.
    """
    cells = result.cells or ()
    lines = [] if result.counts is None else [Line(count_parts(result.counts), TEXT_COLOUR)]
    if not cells:
        return lines
    blast = printable(", ".join(sorted(positive)))
    signs = [
        f"{sign}: {meaning}"
        for flag, (sign, meaning) in FLAG_SIGNS.items()
        if any(flag in cell.flags for cell in cells)
    ]
    legend: tuple[Part | str, ...] = (
        *_legend(cells, positive),
        f"%: probability of {blast}",
        *signs,
    )
    return [*lines, Line(legend, TEXT_COLOUR)]


def count_parts(counts: CellCounts) -> tuple[str, ...]:
    """Return the counts in words: leucocytes, blasts, percentage with interval, what is missing."""
    more = f"{counts.more} further cells not judged" if counts.more else ""
    if counts.blast_percent is None or counts.interval is None:
        return (more,)
    low, high = counts.interval
    short = counts.fields_short()
    fields = "field" if short == 1 else "fields"
    return (
        f"{counts.blasts} {_plural('blast', counts.blasts)} of {counts.leucocytes} "
        f"{_plural('leucocyte', counts.leucocytes)}",
        f"{counts.blast_percent:.1f}% (95% interval {low:.1f} to {high:.1f}%)",
        f"{short} more {fields} like this for {DIFFERENTIAL_CELLS} leucocytes" if short else "",
        more,
    )


def _legend(cells: Sequence[CellResult], positive: Collection[str]) -> list[Part]:
    """Return a sample of each mark with the numbers of its cells by label."""
    labels: dict[Verdict, Counter[str]] = {verdict: Counter() for verdict in STYLES}
    for cell in cells:
        verdict = verdict_of(cell, positive)
        labels[verdict]["smudge cell" if verdict == "smudge" else cell.label] += 1
    parts = []
    for verdict, counter in labels.items():
        shown = [f"{printable(name)} {count}" for name, count in counter.most_common(LABELS_SHOWN)]
        text = ", ".join([*shown, "..."] if len(counter) > LABELS_SHOWN else shown)
        is_counted = verdict in ("positive", "negative")
        if shown:
            parts.append(Part(text if is_counted else f"{text} (not counted)", STYLES[verdict]))
    return parts


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
