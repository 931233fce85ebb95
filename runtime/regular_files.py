"""Reads regular files of a limited size; standard library only.

Whoever opens a FIFO waits for its writer, and ``/dev/zero`` has no end. Such files are refused
before they are opened.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from ..errors import AlledgeError

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# O_NONBLOCK: the file may have been replaced by a FIFO since it was examined.
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def open_regular_file(
    path: str | Path, *, error: type[AlledgeError], fix: str | None = None
) -> BinaryIO:
    """Open a regular file for reading, or raise an error that names it.

    Parameters
    ----------
    path : str or Path
        A symbolic link to a regular file is followed.
    error : subclass of AlledgeError
        Raised if the file cannot be opened.
    fix : str, optional
        Of the error.

    Returns
    -------
    binary file

    Raises
    ------
    AlledgeError
        Of the type `error`: there is no such file, it is not a regular file, or it cannot be read.
    """
    try:
        _check_kind(Path(path).stat().st_mode)  # opening some devices has an effect
        handle = os.open(path, FLAGS)
        try:
            _check_kind(os.fstat(handle).st_mode)
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
    except FileNotFoundError:
        raise error(f"there is no file {path}", fix=fix) from None
    except (OSError, ValueError) as reason:  # ValueError: a NUL in the path
        text = getattr(reason, "strerror", None) or reason
        raise error(f"{path} cannot be read: {text}", fix=fix) from None


def read_regular_file(
    path: str | Path, *, limit_bytes: int, error: type[AlledgeError], fix: str | None = None
) -> bytes:
    """Return the content of a regular file.

    Parameters
    ----------
    path : str or Path
    limit_bytes : int
        A larger file is refused.
    error : subclass of AlledgeError
    fix : str, optional
        Of the error.

    Returns
    -------
    bytes

    Raises
    ------
    AlledgeError
        Of the type `error`: as `open_regular_file`, or the file is larger than `limit_bytes`.
    """
    with open_regular_file(path, error=error, fix=fix) as stream:
        try:
            size = os.fstat(stream.fileno()).st_size
            content = b"" if size > limit_bytes else stream.read(limit_bytes + 1)
        except OSError as reason:
            raise error(f"{path} cannot be read: {reason.strerror or reason}", fix=fix) from None
    size = max(size, len(content))
    if size > limit_bytes:
        raise error(
            f"{path} is too large: {size} bytes", allowed=f"at most {limit_bytes} bytes", fix=fix
        )
    return content


def _check_kind(mode: int) -> None:
    """Raise ValueError unless a file's mode is that of a regular file."""
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in KINDS if test(mode)), "a special file")
        raise ValueError(f"it is {kind}, not a regular file")
