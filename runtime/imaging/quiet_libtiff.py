"""Stops libtiff from printing on stderr lines that name no file.

Pillow silences libtiff's warnings and not its errors. The error of a damaged file is raised with
the name of the file, so that the printed line says nothing more.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import PIL


@functools.cache
def silence_libtiff() -> bool:
    """Remove the error handler of the libtiff that Pillow uses, once in a process.

    Returns
    -------
    bool
        False where that library cannot be found, as on Windows, where it is a part of Pillow's
        own; the lines are printed there.
    """
    loaded_only = getattr(os, "RTLD_NOLOAD", None)
    if loaded_only is None:
        return False
    done = False
    for name in _candidates():
        try:
            library = ctypes.CDLL(name, mode=loaded_only | os.RTLD_NOW)
            library.TIFFSetErrorHandler.restype = ctypes.c_void_p
            library.TIFFSetErrorHandler(None)
            done = True
        except (OSError, AttributeError):  # it is not loaded, or another library
            continue
    return done


def _candidates() -> Iterator[str]:
    """Yield the names that the libtiff of a wheel or of the system may have."""
    package = Path(PIL.__file__).parent
    for folder in (package.parent / "pillow.libs", package / ".dylibs"):
        yield from (str(file) for file in folder.glob("libtiff*"))
    yield from ("libtiff.so.6", "libtiff.so.5", "libtiff.6.dylib")
