"""Reads ``.npz`` files of known content: kind and shape are checked before memory is taken."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleError
from ..regular_files import open_regular_file
from .record_file import EXPORT_FIX

MAX_BYTES = 1 << 30  # of all arrays of a file together
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Shape = tuple[int, ...]


def read_arrays(
    path: Path, shapes: Mapping[str, Shape], dtype: type[np.generic]
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file.

    Parameters
    ----------
    path : Path
    shapes : mapping of str to tuple of int
        The shape that each array has to have, by its name. Other arrays are not read.
    dtype : type
        That all of them have to have.

    Raises
    ------
    BundleError
        If the file is no regular file or no archive, or an array is missing, has another type or
        shape, or more or fewer bytes than its shape needs. Nothing is unpickled.
    """
    sizes = [math.prod(shape) * np.dtype(dtype).itemsize for shape in shapes.values()]
    with open_regular_file(path, error=BundleError, fix=EXPORT_FIX) as file:
        try:
            if sum(sizes) > MAX_BYTES:
                raise ValueError(f"it would need {sum(sizes)} bytes, more than {MAX_BYTES}")
            with zipfile.ZipFile(file) as archive:
                return {name: _read(archive, name, shape, dtype) for name, shape in shapes.items()}
        except Exception as error:  # zipfile, zlib and numpy raise many kinds for a damaged file
            raise BundleError(
                f"{path} cannot be read: {_describe(error)}",
                allowed=f"arrays of {np.dtype(dtype)} as `alledge export` writes them",
                fix=EXPORT_FIX,
            ) from None


def _read(
    archive: zipfile.ZipFile, name: str, shape: Shape, dtype: type[np.generic]
) -> NDArray[Any]:
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f"it has no array {name}") from None
    if member.compress_type not in COMPRESSIONS:
        raise ValueError(f"{name} has the compression {member.compress_type}")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    with archive.open(member) as stream:
        _check_header(stream, name, shape, dtype)
        content = stream.read(size)
        if len(content) < size or stream.read(1):
            raise ValueError(f"{name} has {'fewer' if len(content) < size else 'more'} values")
    return np.frombuffer(content, dtype).reshape(shape)


def _check_header(stream: IO[bytes], name: str, shape: Shape, dtype: type[np.generic]) -> None:
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):  # a header of at most 64 KiB
        raise ValueError(f"{name} has the version {version}")
    actual, is_fortran, kind = np.lib.format.read_array_header_1_0(stream)
    if actual != shape or is_fortran or kind != np.dtype(dtype):
        raise ValueError(f"{name} is {kind} of shape {actual}, not {np.dtype(dtype)} of {shape}")


def _describe(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
