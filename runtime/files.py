"""Writing a file so that it is there whole or not at all; the standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes the place of `path` if nothing failed.

    What was written is on the disk before the renaming is, so that a power cut leaves the old
    file or the new one.

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
        _flush(beside)
        beside.replace(path)
        if os.name == "posix":  # Windows opens no folders, and journals a renaming itself
            _flush_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document atomically, readable by eye."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with replace_file(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def _flush(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb+") as stream:  # Windows flushes only what is open for writing
        os.fsync(stream.fileno())


def _flush_folder(path: Path) -> None:
    """Wait until a folder's names are on the disk, where its file system can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network shares cannot
            os.fsync(handle)
    finally:
        os.close(handle)
