"""Half-way results of a model's conversion, kept for the next recipe; standard library only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ...runtime.files import write_json

T = TypeVar("T")


def cached_json(file: Path, make: Callable[[], T]) -> T:
    """Return what a JSON file holds, making it where there is none.

    Parameters
    ----------
    file : Path
    make : callable
        Returns a JSON value.
    """
    if not file.is_file():
        write_json(file, make())
    found: T = json.loads(file.read_text(encoding="utf-8"))
    return found
