"""Opens or refuses what Pillow does not identify; imported only when such a file comes."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from ...errors import ImageError
from . import file_kinds
from .known_files import CONTAINERS, COPY_FIX, SAVE_AS, FileKind
from .readers import READERS, open_with_reader

# As in messages; DICOM and others are in `READERS`.
FORMAT_NAMES = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG 2000")
_PLUGINS = {"JPEG 2000": "JPEG2000"}


def readable_formats() -> list[str]:
    """Return the names of the formats that can be read on this machine."""
    return [*FORMAT_NAMES, *(reader.format for reader in READERS if reader.installed)]


def refuse_by_name(name: str) -> None:
    """Refuse a file whose name tells what its content does not.

    Parameters
    ----------
    name : str
        The path of a regular file.

    Raises
    ------
    ImageError
        If it is a half-transferred file, or a file of a microscope, a scanner or a camera that
        begins as an image in another format.
    """
    try:
        kind = file_kinds.identify(name, file_kinds.read_head(name))
    except OSError:
        return  # reading it reports the error
    if kind.role == "partial" or kind in CONTAINERS.values():
        raise _refusal(name, kind)


def open_unidentified(file: Path | BinaryIO, name: str) -> Image.Image:
    """Open a file that Pillow's own plugins do not identify, with the reader of its format.

    Parameters
    ----------
    file : Path or binary file object
    name : str
        Of the file, in messages.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    ImageError
        If the file is of no kind that can be read here; the error names the kind.
    """
    kind = file_kinds.identify(str(file) if isinstance(file, Path) else "", _head_of(file))
    if kind.role == "reader":
        return open_with_reader(kind, file, name)
    problem = _header_problem(kind, file) if kind.role == "image" else ""
    if problem:
        if kind.name == "TIFF":
            raise ImageError(f"{name} is a TIFF that cannot be read: {problem}", fix=SAVE_AS)
        raise ImageError(f"{name} is a damaged {kind.name}: {problem}", fix=COPY_FIX)
    raise _refusal(name, kind)


def not_a_file(name: str, mode: int) -> ImageError:
    """Return the error for a folder, a pipe or a device.

    Parameters
    ----------
    name : str
        Its path.
    mode : int
        As `os.stat` returns it.

    Returns
    -------
    ImageError
    """
    if stat.S_ISDIR(mode):
        return _folder_error(name)
    kinds = {stat.S_IFIFO: "a pipe (FIFO)", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(mode), "a device")
    return ImageError(f"{name} is {kind}, not a regular file", fix="name an image file")


def _folder_error(name: str) -> ImageError:
    try:
        with os.scandir(name) as entries:
            folders = [entry.is_dir() for entry in entries]
    except OSError as error:
        return ImageError(f"the folder {name} cannot be read: {error.strerror}")
    if not folders:
        return ImageError(f"the folder {name} is empty", fix="name a folder that has images")
    files = len(folders) - sum(folders)
    holds = f"{files} file{'s' * (files != 1)} and {sum(folders)} folder{'s' * (sum(folders) != 1)}"
    fix = "name an image file, or a folder that has images"
    if any(folders):
        fix += "; `classify --recursive` reads the folders in it"
    return ImageError(f"{name} is a folder, not an image; it holds {holds}", fix=fix)


def _refusal(name: str, kind: FileKind) -> ImageError:
    if kind.role == "broken":
        return ImageError(f"{name} is not an image ({kind.name})", fix=kind.fix)
    if kind.role in ("picture", "partial"):
        article = "an" if kind.name[0] in "aeiouAEIOU" else "a"
        what = ", which alledge does not read" if kind.role == "picture" else ", not read"
        return ImageError(f"{name} is {article} {kind.name}{what}", fix=kind.fix)
    return ImageError(
        f"{name} is not an image in a known format ({kind.name})",
        allowed=readable_formats(),
        fix=kind.fix or None,
    )


def _head_of(file: Path | BinaryIO) -> bytes:
    if isinstance(file, Path):
        return file_kinds.read_head(file)
    file.seek(0)
    head = file.read(file_kinds.HEAD_BYTES)
    file.seek(0)
    return head


def _header_problem(kind: FileKind, file: Path | BinaryIO) -> str:
    """Return why Pillow does not open a file that begins in a format of Pillow."""
    plugin = Image.OPEN[_PLUGINS.get(kind.name, kind.name)][0]
    try:
        plugin(file, "").close()  # type: ignore[arg-type, call-arg]
    except Exception as error:  # whatever a damaged header raises
        return str(error) or type(error).__name__
    return "its header is damaged"
