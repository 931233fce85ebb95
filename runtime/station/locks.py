"""The lock of a watched folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..file_lock import ProcessLock

LOCKS = "locks"  # the folder of the lock files


def folder_lock(home: Path, folder: Path) -> ProcessLock:
    """Return the lock of a watched folder, the same for every spelling of its path."""
    name = os.path.normcase(os.path.realpath(folder))
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return ProcessLock(home / LOCKS / f"{digest[:32]}.lock")
