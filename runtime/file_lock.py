"""A lock that one process holds and that ends with it, also if it is killed; standard library."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import AlledgeError


@contextlib.contextmanager
def exclusive_lock(path: Path, busy: AlledgeError) -> Iterator[None]:
    """Hold the lock of a file while the body of the ``with`` runs.

    Parameters
    ----------
    path : Path
        Created, in a folder that exists, and never removed: another process may wait for it.
    busy : AlledgeError
        Raised if another process holds the lock.

    Raises
    ------
    AlledgeError
        `busy`, at once.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise busy from None
        yield
    finally:
        os.close(handle)  # which frees the lock
