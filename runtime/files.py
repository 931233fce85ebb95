"""Writes files atomically: a reader finds the old file or the new one; standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .interrupts import on_end


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to `path` if nothing failed.

    The content is written to the disk before the renaming, so that a power cut leaves the old
    file or the new one.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        In the same folder, so that the renaming is atomic.

    Examples
    --------
    >>> with replace_file(Path("run.json")) as temporary:  # doctest: +SKIP
    ...     temporary.write_text("{}", encoding="utf-8")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with on_end(lambda: temporary.unlink(missing_ok=True)):
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(path)
            if os.name == "posix":
                # Windows cannot open a folder, and its file system journals renamings
                _flush_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def is_unicode(path: Path) -> bool:
    """Return whether a path is text, which engines need to open it; False for other bytes.

    Parameters
    ----------
    path : Path
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document atomically, with indentation."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with replace_file(path) as temporary:
        # Bytes of a name that are no UTF-8 become \uXXXX, which JSON reads back.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _flush(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb+") as stream:  # Windows flushes only files that are open for writing
        os.fsync(stream.fileno())


def _flush_folder(path: Path) -> None:
    """Wait until a folder's entries are on the disk, if its file system supports that."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network shares do not
            os.fsync(handle)
    finally:
        os.close(handle)
