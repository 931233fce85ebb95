"""Reads the formats that need more than Pillow's own plugins; a reader is imported when needed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, features

from ....errors import ImageError
from ..known_files import SAVE_AS, FileKind

EXTRA_FIX = 'pip install "alledge[formats]"'


@dataclass(frozen=True)
class Reader:
    """A format that needs a reader.

    Parameters
    ----------
    format : str
        As the name of the kind of file begins: ``"HEIC"``.
    package : str
        The package that reads it.
    module : str
        Its name in Python.
    """

    format: str
    package: str
    module: str

    @property
    def installed(self) -> bool:
        """Whether this machine can read the format."""
        if self.format == "AVIF":
            return bool(features.check("avif"))
        return importlib.util.find_spec(self.module) is not None


READERS = (
    Reader("HEIC", "pi-heif", "pi_heif"),
    Reader("AVIF", "pillow", "PIL"),
    Reader("DICOM", "pydicom", "pydicom"),
)


def reader_of(kind: FileKind) -> Reader:
    """Return the reader of a kind of file whose role is ``"reader"``."""
    return next(reader for reader in READERS if kind.name.startswith(reader.format))


def open_with_reader(kind: FileKind, file: Path | BinaryIO, name: str) -> Image.Image:
    """Open a file with its reader, without decoding it.

    Parameters
    ----------
    kind : FileKind
        Its role is ``"reader"``.
    file : Path or binary file object
        A stream stands at its beginning, and stays open until the image is decoded.
    name : str
        Of the file, in messages.

    Returns
    -------
    PIL.Image.Image
        Not yet decoded; the caller closes it.

    Raises
    ------
    ImageError
        If the reader is not installed, or the file holds no picture that can be read rightly.
    """
    reader = reader_of(kind)
    if not reader.installed:
        raise ImageError(
            f"{name} is a {kind.name}; reading it needs the package {reader.package}, which "
            f"{'lacks AVIF here' if reader.format == 'AVIF' else 'is not installed'}",
            fix=f"{EXTRA_FIX}, or {SAVE_AS}",
        )
    return _opener(reader.format)(file, name)


def _opener(name: str) -> Callable[[Path | BinaryIO, str], Image.Image]:
    """Import the module that opens a format."""
    if name == "HEIC":
        from .heic import open_heic

        return open_heic
    if name == "AVIF":
        from .avif import open_avif

        return open_avif
    from .dicom import open_dicom

    return open_dicom
