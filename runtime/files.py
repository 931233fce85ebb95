"""Writing a file so that it is there whole or not at all; the standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes the place of `path` if nothing failed.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        In the same folder, so that the renaming is atomic.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document atomically, readable by eye."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with replace_file(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")
