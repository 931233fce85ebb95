"""Types of a report: the rows of results, with what merging and estimating add to them."""

from __future__ import annotations

from typing import Any, TypedDict

from ..types import DataBlock, ResultRow


class Judged(TypedDict):
    """When, and on which data set, the accuracy of a row was measured."""

    at: str
    data: DataBlock | None


class Repeats(TypedDict):
    """How often one configuration was measured, and the range of its medians."""

    times: int
    low_ms: float
    high_ms: float


class Conflict(TypedDict):
    """The range of the medians that several results give for one measurement."""

    low_ms: float
    high_ms: float


class Band(TypedDict):
    """Range of an estimated time, in milliseconds."""

    low: float
    high: float


class Row(ResultRow, total=False):
    """A row of a report: a measured row of a result, or an estimated one."""

    judged: Judged
    repeats: Repeats
    conflict: Conflict
    basis: str
    band_ms: Band


class DocumentFacts(TypedDict):
    """When, and by which version of alledge, a result was written."""

    created: str
    commit: str | None
    alledge: str
    complete: bool | None


Figure = dict[str, Any]  # a proportion: value, low, high, n
