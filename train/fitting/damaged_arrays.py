"""The exceptions of numpy and zipfile for a damaged ``.npz`` file."""

from __future__ import annotations

import zipfile
import zlib

DAMAGED: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    MemoryError,  # the header claims an array of petabytes
    NotImplementedError,  # an unknown compression
    RecursionError,
    RuntimeError,  # an encrypted entry
    zipfile.BadZipFile,
    zlib.error,
)
