"""Pools the fields of one smear: their counts, and one verdict from all their cells."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..records import Result
from .results import CellResult, judge_smear

if TYPE_CHECKING:
    from ..bundle.bundle import Bundle
    from .field_rule import FieldRule

# A flag of single fields is one of the smear too if this share of its fields has it.
COMMON_SHARE = 0.5
OF_ONE_FIELD = ("indeterminate", "too_few_cells")  # flags that say nothing about the smear
NOT_POOLED = "off_domain"  # such a field is none of this stain: its cells are not counted


def pool_fields(results: Iterable[Result], rule: FieldRule, bundle: Bundle, backend: str) -> Result:
    """Return one result for all fields of a smear.

    Fields that could not be read and fields with the flag ``off_domain`` are left out. A field that
    is there twice is counted once, see `distinct_fields`. An image of one cell counts as a field
    with one cell.

    Parameters
    ----------
    results : iterable of Result
        Of a cell bundle.
    rule : FieldRule
        Of the bundle's format.
    bundle : Bundle
    backend : str

    Returns
    -------
    Result
        Its `kind` is ``"smear"``, its `image` None. `counts.fields` is the number of fields that
        were pooled. It has the flag ``too_few_cells`` below `rule.smear_cells` leucocytes,
        ``indeterminate`` also if it is negative and one of its fields is positive, and each other
        flag that at least half of the fields have.
    """
    cells: list[Sequence[CellResult]] = []
    flags: Counter[str] = Counter()
    more, ms, has_positive = 0, 0.0, False
    for result in distinct_fields(results):
        ms += result.ms
        if result.status == "error" or NOT_POOLED in result.flags:
            continue
        cells.append(result.cells or ())
        flags.update(result.flags)
        has_positive |= result.label in bundle.positive
        more += result.counts.more if result.counts else 0
    verdict = judge_smear(cells, rule, bundle.labels, bundle.positive, more=more)
    own = [
        flag
        for flag, number in flags.items()
        if flag not in OF_ONE_FIELD and number >= COMMON_SHARE * len(cells)
    ]
    # few blasts in a large smear: a person should look at the fields that have them
    doubtful = has_positive and verdict.label not in bundle.positive
    own += ["indeterminate"] * (verdict.indeterminate or doubtful)
    own += ["too_few_cells"] * (verdict.counts.leucocytes < max(rule.smear_cells, 1))
    return Result(
        image=None,
        status="review" if own else "ok",
        label=verdict.label,
        probability=verdict.probability,
        scores=verdict.scores,
        threshold=rule.threshold,
        flags=tuple(own),
        bundle=bundle.name,
        digest=bundle.digest,
        backend=backend,
        ms=ms,
        task="cell",
        kind="smear",
        counts=verdict.counts,
    )


def distinct_fields(results: Iterable[Result]) -> list[Result]:
    """Return the results without those of a field that came before.

    A field that is counted twice makes the interval too narrow. It is the same field if its cells
    lie at exactly the same places, also in a file of another name or format; without a cell, if it
    is the same file.

    Parameters
    ----------
    results : iterable of Result
        Of a cell bundle.

    Returns
    -------
    list of Result
    """
    first: dict[Hashable, Result] = {}
    for number, result in enumerate(results):
        first.setdefault(_field_key(result) or number, result)
    return list(first.values())


def _field_key(result: Result) -> Hashable:
    """Return what only the same field has; None if that is not known."""
    # the place of a cell without a nucleus is that of the centre, for all images of one size
    if result.cells and "too_few_cells" not in result.flags:
        return tuple((cell.x, cell.y, cell.radius, cell.probability) for cell in result.cells)
    if result.image is None or result.status == "error":
        return None
    return os.path.realpath(result.image)
