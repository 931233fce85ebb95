"""Keeps an intermediate result of a conversion in a JSON file, for the next recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ...errors import ExportError
from ...runtime.files import write_json
from ...runtime.json_documents import read_json

T = TypeVar("T")


def cached_json(file: Path, compute: Callable[[], T]) -> T:
    """Return the value in a JSON file; compute and store it first if the file is missing.

    Parameters
    ----------
    file : Path
    compute : callable
        Returns a JSON value.
    """
    if not file.is_file():
        write_json(file, compute())
    value: T = read_json(file, error=ExportError, fix=f"delete {file}")
    return value
