"""Reads the stored result of a finished fold; a damaged one counts as not finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import RunError
from ...runtime.json_documents import read_json
from ...runtime.json_schema import find_violation
from .types import FitResult, HistoryRow, Ints

_FIGURE = {"type": ["number", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_SCORES = {
    "type": "array",
    "items": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
}
_HISTORY_ROW = {
    "type": "object",
    "required": list(HistoryRow.__annotations__),
    "properties": {
        **dict.fromkeys(HistoryRow.__annotations__, _FIGURE),
        "epoch": _COUNT,
        "fold": _COUNT,
        "phase": {"type": "string"},
    },
}
FIT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["number", "best", "history", "seconds"],
    "properties": {
        "number": _COUNT,
        "best": {"type": "object", "additionalProperties": _COUNT},
        "history": {"type": "array", "items": _HISTORY_ROW},
        "seconds": {"type": "number", "minimum": 0},
        "images": {"type": "array", "items": _COUNT},
        "scores": _SCORES,
        "probe": _SCORES,
    },
}


def read_fit_result(path: Path, test: Ints | None, classes: int) -> FitResult | None:
    """Return the result of a finished fold; None if it is not finished, or damaged.

    Parameters
    ----------
    path : Path
    test : (N,) ndarray of int, optional
        The test images of the fold; None for the refit on all images, which has none.
    classes : int
        Number of scores of an image.
    """
    try:
        result: FitResult = read_json(path, error=RunError, file_names=True)
    except RunError:
        return None
    if find_violation(result, FIT_SCHEMA):
        return None
    return result if test is None or _has_scores(dict(result), test, classes) else None


def _has_scores(result: dict[str, Any], test: Ints, classes: int) -> bool:
    """Return whether a result has the scores of all test images."""
    tables = [result.get("scores", []), *([result["probe"]] if "probe" in result else [])]
    return result.get("images") == test.tolist() and all(
        len(table) == len(test) and all(len(row) == classes for row in table) for table in tables
    )
