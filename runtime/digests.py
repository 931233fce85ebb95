"""SHA-256 of files, with little memory and a quick start; standard library only."""

from __future__ import annotations

import contextlib
import importlib
import mmap
import os
import sys
from pathlib import Path
from typing import Any

BLOCK_BYTES, LARGE_BLOCK_BYTES = 1 << 17, 1 << 22
SMALL_BYTES = 10 << 20  # up to this size, loading OpenSSL costs more time than it saves


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex; the file is read in blocks.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with Path(path).open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        # A large file is read in large blocks: between two blocks the thread waits for the
        # interpreter lock. The buffer is an anonymous mapping: when malloc's block of this
        # size is freed, glibc raises its mmap threshold and keeps later blocks on the heap.
        length = BLOCK_BYTES if size <= SMALL_BYTES else LARGE_BLOCK_BYTES
        with mmap.mmap(-1, length) as pages, memoryview(pages) as block:
            digest = sha256(size=size)
            while count := stream.readinto(block):
                digest.update(block[:count])
    return str(digest.hexdigest())


def sha256(content: bytes = b"", size: int = 0) -> Any:
    """Return a SHA-256 hash object: Python's own for few bytes, OpenSSL's for many.

    OpenSSL is five times as fast, but loading it takes 4 MB of memory and some milliseconds.

    Parameters
    ----------
    content : bytes
        The first bytes to hash.
    size : int
        Number of bytes that will be hashed.
    """
    if max(size, len(content)) <= SMALL_BYTES and "_hashlib" not in sys.modules:
        for name in ("_sha2", "_sha256"):  # since Python 3.12, and before
            with contextlib.suppress(ImportError):
                return importlib.import_module(name).sha256(content)
    return importlib.import_module("hashlib").sha256(content)
