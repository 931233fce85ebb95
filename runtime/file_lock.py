"""A lock between processes that the operating system releases when its owner ends."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import AlledgeError


class ProcessLock:
    """A file that one process at a time has locked.

    Parameters
    ----------
    path : Path
        Created if it does not exist; never removed, because another process may wait for it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Try to lock the file, and return whether this process has it now."""
        if self._handle is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(handle)
        except OSError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Unlock the file, if this process has it."""
        if self._handle is not None:
            os.close(self._handle)  # releases the lock
            self._handle = None


@contextlib.contextmanager
def exclusive_lock(path: Path, busy: AlledgeError) -> Iterator[None]:
    """Hold the lock of a file while the body of the ``with`` runs.

    Parameters
    ----------
    path : Path
        As of `ProcessLock`.
    busy : AlledgeError
        Raised if another process holds the lock.

    Raises
    ------
    AlledgeError
        `busy`, at once.
    """
    lock = ProcessLock(path)
    if not lock.acquire():
        raise busy
    try:
        yield
    finally:
        lock.release()


def _lock(handle: int) -> None:
    """Lock a file without waiting; raise OSError if another process has it."""
    if os.name == "nt":
        msvcrt: Any = importlib.import_module("msvcrt")
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl: Any = importlib.import_module("fcntl")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
