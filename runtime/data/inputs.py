"""What the user named: files, folders and globs, turned into image files in order.

A name that exists is that file, whatever characters it has; only then is it tried as a glob.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SIGNATURE_BYTES = 32
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes a BMP's second header can have


def has_image_signature(head: bytes) -> bool:
    """Return whether a file that begins so is in one of the image path's formats.

    Parameters
    ----------
    head : bytes
        Its first 32 bytes, fewer where it has fewer.
    """
    if head[:3] == b"\xff\xd8\xff" or head[:8] == b"\x89PNG\r\n\x1a\n":
        return True
    if head[:6] in (b"GIF87a", b"GIF89a") or head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[:2] == b"BM":
        return int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS
    if head[:1] == b"P":
        return len(head) > 2 and head[1:2] in b"123456" and head[2:3] in b" \t\r\n#"
    return head[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or head[:4] == b"\xff\x4f\xff\x51"


def find_images(names: Iterable[str | Path], *, recursive: bool = False) -> Iterator[str]:
    """Yield the image files that the user named, in the order given.

    Parameters
    ----------
    names : iterable of str or Path
        Files are passed on as they are, images or not: an error record will say so. Of a folder
        the image files, told by their content; other files there are left out silently.
    recursive : bool
        Look into the folders of a folder too.

    Yields
    ------
    str
        As given, or below the folder as given. What names nothing, and a folder without an
        image, are passed on as well: they become error records.
    """
    for name in map(str, names):
        matches = [] if _exists(name) else _matches(name)
        for match in matches or [name]:
            yield from _expand(match, recursive)


def _exists(name: str) -> bool:
    try:
        return os.path.lexists(name)
    except ValueError:  # a NUL inside
        return False


def _matches(pattern: str) -> list[str]:
    """Return what a glob names, in order; nothing where it is no glob."""
    import glob

    if not glob.has_magic(pattern):
        return []
    if "**" not in pattern:
        return sorted(glob.glob(pattern))  # noqa: PTH207 - keeps the spelling that was typed
    # glob would follow links that lead in circles, for ever; pathlib does not follow them
    anchor = Path(pattern).anchor
    try:
        found = sorted(Path(anchor).glob(pattern[len(anchor) :]))
    except (OSError, ValueError, NotImplementedError):
        return []
    folders = {path for path in found if path.is_dir()}
    files = [path for path in found if path not in folders and path.parent not in folders]
    inside = [image for folder in sorted(folders) for image in _inside(folder, False, set())]
    return list(map(str, inside + files))


def _expand(name: str, recursive: bool) -> Iterator[str]:
    try:
        is_folder = Path(name).is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        yield name
        return
    empty = True
    for path in _inside(Path(name), recursive, set()):
        empty = False
        yield str(path)
    if empty:
        yield name


def _inside(folder: Path, recursive: bool, entered: set[str]) -> Iterator[Path]:
    """Yield the images of a folder by name, then those of its folders; each is entered once."""
    real = os.path.realpath(folder)
    if real in entered:
        return
    entered.add(real)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    deeper = []
    for entry in entries:
        try:
            if entry.is_dir():
                deeper.append(folder / entry.name)
            elif entry.is_file() and _is_image(folder / entry.name):
                yield folder / entry.name
        except OSError:  # a link that leads nowhere, or in a circle
            continue
    for inner in deeper if recursive else ():
        yield from _inside(inner, recursive, entered)


def _is_image(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return has_image_signature(stream.read(SIGNATURE_BYTES))
    except OSError:  # a camera may still write it: no image is left out silently, an error says so
        return True
