"""Limits the size of a folder of cache entries: the least recently used are deleted first.

Standard library only. An entry is a file or a folder; its modification time is the time of its
last use, because many disks store no access time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path


def mark_as_used(entry: Path) -> None:
    """Set the time of the last use of an entry to now."""
    now = time.time_ns()
    with contextlib.suppress(OSError):  # another process may have deleted it
        os.utime(entry, ns=(now, now))


def evict(entries: Iterable[Path], max_bytes: int) -> None:
    """Delete the least recently used entries until the rest fits the limit.

    Parameters
    ----------
    entries : iterable of Path
        Files and folders.
    max_bytes : int
        Size of all entries together.
    """
    rows = []
    for entry in entries:
        with contextlib.suppress(OSError):  # another process may have deleted it
            rows.append((entry.stat().st_mtime_ns, _size(entry), entry))
    excess = sum(size for _, size, _ in rows) - max_bytes
    for _, size, entry in sorted(rows):
        if excess <= 0:
            break
        with contextlib.suppress(OSError):  # Windows does not delete a file that is being read
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            excess -= size


def _size(entry: Path) -> int:
    if not entry.is_dir():
        return entry.stat().st_size
    return sum(file.stat().st_size for file in entry.iterdir())
