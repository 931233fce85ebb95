"""Finds the image files that the user named: files, folders and globs, in order.

A name that exists is that file, whatever characters it has. Otherwise it is tried as a glob.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

OVERLAY_SUFFIX = ".overlay.jpg"  # of the pictures that `alledge classify --overlay` writes
SIGNATURE_BYTES = 32
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # possible sizes of a BMP's second header


def has_image_signature(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is in a format that `load_rgb` reads.

    Parameters
    ----------
    head : bytes
        The first 32 bytes of the file; a shorter file has fewer.
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
    """Yield the image files that the user named, in the given order.

    Parameters
    ----------
    names : iterable of str or Path
        A file is yielded even if it is no image. Of a folder, the image files are yielded; their
        content decides, and other files are left out silently.
    recursive : bool
        Read the folders inside a folder too.

    Yields
    ------
    str
        A path as given, or below a folder as given. A name without a file, and a folder without
        an image, are yielded too: they become error records.

    Examples
    --------
    >>> list(find_images(["slides/", "more/*.png"]))  # doctest: +SKIP
    ['slides/a.jpg', 'slides/b.jpg', 'more/c.png']
    """
    for name in map(str, names):
        matches = [] if _exists(name) else _expand_glob(name)
        for match in matches or [name]:
            yield from _expand_folder(match, recursive)


def _exists(name: str) -> bool:
    try:
        return os.path.lexists(name)
    except ValueError:  # it contains a NUL
        return False


def _expand_glob(pattern: str) -> list[str]:
    """Return the paths that a glob matches, in order; none if it is no glob."""
    import glob

    if not glob.has_magic(pattern):
        return []
    if "**" not in pattern:
        return sorted(glob.glob(pattern))  # noqa: PTH207 - pathlib changes the spelling
    # pathlib does not follow links; glob would follow links in a circle for ever
    anchor = Path(pattern).anchor
    try:
        paths = sorted(Path(anchor).glob(pattern[len(anchor) :]))
    except (OSError, ValueError, NotImplementedError):
        return []
    folders = {path for path in paths if path.is_dir()}
    files = [path for path in paths if path not in folders and path.parent not in folders]
    inside = [image for folder in sorted(folders) for image in _images_in(folder, False, set())]
    return list(map(str, inside + files))


def _expand_folder(name: str, recursive: bool) -> Iterator[str]:
    try:
        is_folder = Path(name).is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        yield name
        return
    empty = True
    for path in _images_in(Path(name), recursive, set()):
        empty = False
        yield str(path)
    if empty:
        yield name


def _images_in(folder: Path, recursive: bool, entered: set[str]) -> Iterator[Path]:
    """Yield the images of a folder by name, then those of its folders; enter each folder once."""
    real_path = os.path.realpath(folder)
    if real_path in entered:
        return
    entered.add(real_path)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    subfolders = []
    for entry in entries:
        try:
            if entry.is_dir():
                subfolders.append(folder / entry.name)
            elif entry.is_file() and _is_image(folder / entry.name):
                yield folder / entry.name
        except OSError:  # a broken link, or a link to itself
            continue
    for subfolder in subfolders if recursive else ():
        yield from _images_in(subfolder, recursive, entered)


def _is_image(path: Path) -> bool:
    if path.name.lower().endswith(OVERLAY_SUFFIX):
        return False  # a picture that `alledge classify --overlay` drew into this folder
    try:
        with path.open("rb") as stream:
            return has_image_signature(stream.read(SIGNATURE_BYTES))
    except OSError:  # yield it, so that an error record reports it
        return True
