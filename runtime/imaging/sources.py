"""Says what a caller may pass as one image, and makes of it what `open_image` takes."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from PIL import Image

from ...errors import ImageError
from .opening import MAX_FILE_MIB
from .opening_errors import GIVEN_FIX, GIVEN_IMAGE, image_errors

if TYPE_CHECKING:
    from ..types import RGB, FileSource, ImageSource

ALLOWED = (
    "a path, the content of an image file (bytes or a binary file object), a PIL.Image, "
    "an (H, W, 3) or (H, W) array of uint8 or uint16"
)
# Of a stream that cannot be sought: what is kept in memory, and what is copied at once.
MEMORY_BYTES, CHUNK_BYTES = 16 << 20, 1 << 20


def is_one_image(source: object) -> bool:
    """Return whether an object stands for one image and not for several.

    Parameters
    ----------
    source : object

    Returns
    -------
    bool
        False of an iterable of images, an array of four dimensions included.

    Raises
    ------
    ImageError
        If it is neither, for example None, a number or a dict.
    """
    if isinstance(source, np.ndarray):
        return source.ndim != 4
    if isinstance(source, str | bytes | bytearray | memoryview | os.PathLike | Image.Image):
        return True
    if hasattr(source, "read"):
        return True
    if isinstance(source, dict) or not hasattr(source, "__iter__"):
        raise _not_an_image(source)
    return False


def resolve_source(source: ImageSource) -> FileSource | Image.Image | RGB:
    """Return a source of one image as a path, a file object that can be sought, or pixels.

    Parameters
    ----------
    source : str, os.PathLike, bytes, bytearray, memoryview, binary file object, PIL.Image.Image \
or ndarray
        Bytes are the content of a file, never a path. A file object is read from its beginning;
        it stays open, and its position changes. One that cannot be sought, such as a pipe, is
        copied to a temporary file, at most `MAX_FILE_MIB`.

    Returns
    -------
    str, binary file object, PIL.Image.Image or ndarray

    Raises
    ------
    ImageError
        If it is not an image, is a file object of text, is closed, or has more than
        `MAX_FILE_MIB`.
    """
    if isinstance(source, str | np.ndarray | Image.Image):
        return source
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source.tobytes() if isinstance(source, memoryview) else source)
    if hasattr(source, "read"):
        return _seekable(source)
    raise _not_an_image(source)


def name_of(source: object) -> str:
    """Return how messages name a source: its path, else ``"the given image"``."""
    return os.fsdecode(source) if isinstance(source, str | os.PathLike) else GIVEN_IMAGE


def _not_an_image(source: object) -> ImageError:
    return ImageError(
        f"an object of the type {type(source).__name__} is not an image", allowed=ALLOWED
    )


def _seekable(stream: Any) -> BinaryIO:
    """Return a binary file object that can be sought: the given one, else a copy."""
    inner = getattr(stream, "file", None)
    if _is_async(stream.read):
        fix = "pass its attribute `file`" if inner is not None else "pass `await stream.read()`"
        raise ImageError(f"a {type(stream).__name__} is read asynchronously", fix=fix)
    with image_errors(GIVEN_IMAGE, "cannot be read", GIVEN_FIX):
        can_seek = getattr(stream, "seekable", None)
        if can_seek() if can_seek else hasattr(stream, "seek"):
            stream.seek(0)
            _refuse_text(stream.read(0))
            return cast(BinaryIO, stream)
        return _copy(stream)


def _is_async(function: object) -> bool:
    """Return whether calling a function returns a coroutine."""
    import inspect  # here, because images are seldom given as file objects

    return inspect.iscoroutinefunction(function)


def _refuse_text(content: object) -> None:
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ImageError(
            f"{GIVEN_IMAGE} is a file object of text", fix='open the file as binary: open(…, "rb")'
        )


def _copy(stream: Any) -> BinaryIO:
    """Return the content of a stream as a temporary file, which a large one has on the disk."""
    import tempfile

    copy = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - its user closes it
    while chunk := stream.read(CHUNK_BYTES):
        _refuse_text(chunk)
        copy.write(chunk)
        if copy.tell() > MAX_FILE_MIB << 20:
            copy.close()
            raise ImageError(
                f"{GIVEN_IMAGE} has more than {MAX_FILE_MIB} MiB, refused before decoding",
                allowed=f"{MAX_FILE_MIB} MiB",
            )
    copy.seek(0)
    return cast(BinaryIO, copy)
