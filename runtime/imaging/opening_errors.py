"""Turns the errors of decoders into `ImageError`, which names the image, the reason and the fix."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ...errors import ImageError, MissingPackageError

FILE_FIX = "copy it from the camera again"
MEMORY_FIX = "use fewer threads (--threads 1), or export the field of view alone"
DAMAGE = "is damaged: "


def damage(reason: str) -> ImageError:
    """Return the error of a damaged file; `image_errors` adds the name of the file."""
    return ImageError(DAMAGE + reason, fix=FILE_FIX)


@contextlib.contextmanager
def image_errors(name: str, problem: str, fix: str) -> Iterator[None]:
    """Turn whatever Pillow raises into an `ImageError` that begins with the name of the image.

    Decoders raise OSError, SyntaxError, struct.error and others; an image whose file was closed
    raises ValueError.
    """
    try:
        yield
    except ImageError as error:
        if error.what.startswith(name):
            raise
        what = error.what if error.what.startswith(DAMAGE) else f"cannot be read: {error.what}"
        raise ImageError(f"{name} {what}", allowed=error.allowed, fix=error.fix) from None
    except MissingPackageError as error:
        raise ImageError(f"{name} cannot be read: {error.what}", fix=error.fix) from None
    except MemoryError:
        raise ImageError(f"{name} needs more memory than is free", fix=MEMORY_FIX) from None
    except Exception as error:
        raise ImageError(f"{name} {problem}: {describe(error)}", fix=fix) from None


def describe(error: Exception) -> str:
    """Return the reason that an exception gives, else its name."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
