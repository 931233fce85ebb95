"""Says what kind of file a file is, by its first bytes; by its name only where they cannot tell.

Standard library only. It is imported when a file is no image that Pillow reads at once.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from . import known_files as known
from .known_files import FileKind

HEAD_BYTES = 1024
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # possible sizes of a BMP's second header
_DICOM_MARK = 128  # offset of "DICM"
# A temporary file of rsync: a dot, the name, six random characters.
_RSYNC = re.compile(r"\..+\.(jpe?g|png|tiff?|bmp|heic|dcm)\.\w{6}", re.IGNORECASE)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def identify(name: str, head: bytes) -> FileKind:
    """Return the kind of a file.

    Parameters
    ----------
    name : str
        Its name or path; empty if it has none.
    head : bytes
        Its first `HEAD_BYTES` bytes; a shorter file has fewer.

    Returns
    -------
    FileKind
    """
    suffix = PurePath(name).suffix.lower()
    kind = _by_content(head)
    by_name = _by_name(PurePath(name), kind)
    if by_name is not None:
        return by_name
    if kind is known.OLE and suffix == ".db":
        return known.SYSTEM_FILE
    if kind in (known.HDF5, known.UNKNOWN, known.TEXT, known.OLE):
        kind = known.CONTAINERS.get(suffix, kind)
    if kind.name == "ZIP archive" and suffix in known.OFFICE_SUFFIXES:
        return known.OLE
    if kind.role == "image" and suffix in known.CONTAINERS and not _is_plain(suffix, kind):
        return known.CONTAINERS[suffix]
    if not head:
        kind = known.EMPTY
    if kind.role == "other" and suffix in known.PICTURE_SUFFIXES and kind is not known.APPLE_DOUBLE:
        if head and not any(head):
            return known.ZEROS
        return FileKind(f"{kind.name} named as a picture", "broken", kind.fix or known.COPY_FIX)
    return kind


def read_head(path: str | Path) -> bytes:
    """Return the first bytes of a regular file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with Path(path).open("rb") as stream:
        return stream.read(HEAD_BYTES)


def is_partial(name: str) -> bool:
    """Return whether a file's name says that its transfer has not ended."""
    path = PurePath(name)
    return (
        path.suffix.lower() in known.PARTIAL_SUFFIXES
        or path.name.startswith(".goutputstream-")  # of the GNOME desktop
        or bool(_RSYNC.fullmatch(path.name))
    )


def is_system_folder(name: str) -> bool:
    """Return whether a folder of this name holds copies or files of the operating system."""
    return name.lower() in known.SYSTEM_FOLDERS or name.startswith(".")


def _by_name(path: PurePath, content: FileKind) -> FileKind | None:
    """Return the kind of a file whose name decides, whatever its content is."""
    if is_partial(path.name):
        inner = PurePath(path.stem.removesuffix("_")).suffix.lower()
        is_picture = inner in known.PICTURE_SUFFIXES or content.role in ("image", "reader")
        is_picture = is_picture or path.suffix.lower() not in (".tmp", ".temp")
        return known.PARTIAL if is_picture else known.TEMPORARY
    if path.name.startswith(("~$", ".~lock.")):
        return known.LOCK_FILE
    if path.name.startswith("._") and content.role not in ("image", "reader"):
        return known.APPLE_DOUBLE
    return known.SYSTEM_FILE if path.name.lower() in known.SYSTEM_NAMES else None


def _is_plain(suffix: str, kind: FileKind) -> bool:
    """Return whether a file is an image in spite of a suffix of `CONTAINERS`: it was renamed."""
    return kind.name != known.BEGIN_AS.get(suffix, "TIFF")


def _by_content(head: bytes) -> FileKind:
    for offset, mark, kind in known.SIGNATURES:
        if head.startswith(mark, offset):
            return kind
    if head[_DICOM_MARK : _DICOM_MARK + 4] == b"DICM":
        return known.DICOM
    if head[4:8] == b"ftyp":
        return _media(head)
    if head[:4] == b"RIFF":
        form = head[8:12]
        return FileKind("WEBP", "image") if form == b"WEBP" else known.VIDEO
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return FileKind("BMP", "image")
    if len(head) > 2 and head[:1] == b"P" and head[1] in b"123456" and head[2] in b" \t\r\n#":
        return FileKind("PPM", "image")
    if head[:1] == b"\x70" and head[8:9] == b"\x2a":
        return known.LIF
    if head[:64].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return known.WEB_PAGE
    return known.TEXT if _is_text(head) else known.UNKNOWN


def _media(head: bytes) -> FileKind:
    """Return the kind of a file of the ISO media family: HEIC, AVIF, a raw file or a video."""
    size = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, min(size, len(head), 256), 4))]
    if b"avif" in brands or b"avis" in brands:
        return known.AVIF
    if brands[0] == b"crx ":
        return known.RAW
    return known.HEIC if set(brands) & set(_HEIC_BRANDS) else known.VIDEO


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if not head or b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # a character is cut at the end
    return True
