"""Finds the image files that the user named: files, folders and globs, in order.

A name that exists is that file, whatever characters it has. Otherwise it is tried as a glob.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...errors import UsageError

OVERLAY_SUFFIX = ".overlay.jpg"  # of the pictures that `alledge classify --overlay` writes
GALLERY_SUFFIX = ".cells.jpg"  # of those that `--cells` writes
HEAD_BYTES = 1024
SYSTEM_FOLDER = "folder of copies or of the system"
EXAMPLES_KEPT = 3  # names of each kind of file that is left out
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # possible sizes of a BMP's second header
# Names that say no more than the content, which is then not looked at twice.
_PLAIN_SUFFIXES = frozenset({"", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp"})


def has_image_signature(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is in a format that Pillow reads.

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


class LeftOut:
    """What a search left out of the folders: the number of each kind, and some names.

    Parameters
    ----------
    counts : dict of str to int
        By the name of the kind, for example ``"text file"``.
    examples : dict of str to list of str
        The first `EXAMPLES_KEPT` paths of each kind.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}

    def add(self, kind: str, path: str) -> None:
        """Count a file or a folder."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= EXAMPLES_KEPT:
            self.examples.setdefault(kind, []).append(path)

    def listing(self) -> str:
        """Return the number and first names of each kind: ``2 × text file (a.txt, b.txt)``."""
        parts = []
        for kind, count in sorted(self.counts.items()):
            names = ", ".join(Path(path).name for path in self.examples[kind])
            more = ", …" if count > EXAMPLES_KEPT else ""
            parts.append(f"{count} × {kind} ({names}{more})")
        return "; ".join(parts)

    def __str__(self) -> str:
        """Return the listing as a sentence for the user of ``alledge classify``."""
        return f"not classified in the folders: {self.listing()}"


class ImageSearch(Iterator[str]):
    """The image files that the user named, found while they are taken.

    Parameters
    ----------
    names : iterable of str or os.PathLike
    recursive : bool

    Attributes
    ----------
    left_out : LeftOut
        Files and folders inside the folders taken so far that hold no image that can be read
        here. Those that are pictures are yielded all the same, and become error records.
    """

    def __init__(self, names: Iterable[str | os.PathLike[str]], *, recursive: bool = False) -> None:
        self.left_out = LeftOut()
        self._recursive = recursive
        self._paths = self._search(names)

    def __next__(self) -> str:
        return next(self._paths)

    def _search(self, names: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
        for name in map(os.fsdecode, names):
            if not name:
                raise UsageError("an image has an empty name", fix="name an image file or a folder")
            matches = [] if _exists(name) else self._expand_glob(name)
            for match in matches or [name]:
                yield from self._expand_folder(match)

    def _expand_glob(self, pattern: str) -> list[str]:
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
        base = len(Path(pattern[: pattern.index("*")] + "x").parts) - 1  # those named outright
        paths = [path for path in paths if not self._is_in_system_folder(path, base)]
        folders = {path for path in paths if path.is_dir()}
        files = [path for path in paths if path not in folders and path.parent not in folders]
        inside = [
            image for folder in sorted(folders) for image in self._images_in(folder, None, set())
        ]
        return list(map(str, inside + files))

    def _is_in_system_folder(self, path: Path, base: int) -> bool:
        """Return whether a folder of a path that the pattern does not name is one of copies."""
        from ..imaging.file_kinds import is_system_folder

        folders = path.parts[base:] if path.is_dir() else path.parts[base:-1]
        found = any(map(is_system_folder, folders))
        if found and path.is_dir():
            self.left_out.add(SYSTEM_FOLDER, str(path))
        return found

    def _expand_folder(self, name: str) -> Iterator[str]:
        try:
            is_folder = Path(name).is_dir()
        except (OSError, ValueError):
            is_folder = False
        if not is_folder:
            yield name
            return
        empty = True
        for path in self._images_in(Path(name), self._recursive, set()):
            empty = False
            yield str(path)
        if empty:
            yield name

    def _images_in(self, folder: Path, recursive: bool | None, entered: set[str]) -> Iterator[Path]:
        """Yield the pictures of a folder by name, then those of its folders.

        Each folder is entered once. What is no picture is counted; of the folders inside, if
        `recursive` is not None.
        """
        real_path = os.path.realpath(folder)
        if real_path in entered:
            return
        entered.add(real_path)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:  # yield it, so that an error record reports it
            yield folder
            return
        subfolders = []
        for entry in entries:
            path = folder / entry.name
            if is_folder(entry):
                subfolders.append(path)
            elif self._is_picture(path):
                yield path
        for subfolder in subfolders if recursive is not None else ():
            yield from self._enter(subfolder, recursive, entered)

    def _enter(self, folder: Path, recursive: bool | None, entered: set[str]) -> Iterator[Path]:
        """Yield the pictures of a folder inside a folder, or count the folder."""
        from ..imaging.file_kinds import is_system_folder

        if is_system_folder(folder.name):
            self.left_out.add(SYSTEM_FOLDER, str(folder))
        elif recursive:
            yield from self._images_in(folder, True, entered)
        elif os.path.realpath(folder) not in entered:
            self.left_out.add("folder inside (--recursive reads it)", str(folder))

    def _is_picture(self, path: Path) -> bool:
        """Return whether a file is to be opened; count it if no image can be read from it."""
        kind, is_picture = kind_in_folder(path)
        if kind:
            self.left_out.add(kind, str(path))
        return is_picture


def kind_in_folder(path: Path) -> tuple[str, bool]:
    """Return why a file of a folder is left out, and whether it is a picture all the same.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        The kind of the file; empty if alledge can open it.
    bool
        True if it is an image, or a picture that cannot be read here: an error is due, and not
        only a count.
    """
    if path.name.lower().endswith(OVERLAY_SUFFIX):
        return "overlay of alledge", False
    if path.name.lower().endswith(GALLERY_SUFFIX):
        return "gallery of alledge", False
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "special file (pipe, socket or device)", False
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:  # a broken link is left out; what cannot be opened is reported
        return _kind_without_content(path)
    is_plain = path.suffix.lower() in _PLAIN_SUFFIXES and path.name[:1] not in "._~"
    if is_plain and has_image_signature(head):
        return "", True
    from ..imaging.file_kinds import identify
    from ..imaging.readers import reader_of

    kind = identify(path.name, head)
    if path.name.startswith(".") and kind.role in ("image", "reader"):
        return "hidden file", False
    if kind.role == "image" or (kind.role == "reader" and reader_of(kind).installed):
        return "", True
    return kind.name, kind.role != "other"


def _kind_without_content(path: Path) -> tuple[str, bool]:
    """Return what `kind_in_folder` returns of a file that cannot be read."""
    from ..imaging.known_files import PICTURE_SUFFIXES

    if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110 - it raises nothing
        return "link to a file that does not exist", path.suffix.lower() in PICTURE_SUFFIXES
    return "", True


def find_images(names: Iterable[str | os.PathLike[str]], *, recursive: bool = False) -> ImageSearch:
    """Return the image files that the user named, in the given order.

    Parameters
    ----------
    names : iterable of str or os.PathLike
        A file is yielded even if it is no image. Of a folder, the pictures are yielded; their
        content decides. A picture that cannot be read here (a format without its reader, an
        empty or half-transferred file) is yielded too, because an error has to say so. Other
        files are counted in `ImageSearch.left_out`.
    recursive : bool
        Read the folders inside a folder too, but not those of the system (``__MACOSX``,
        ``@eaDir``, names that begin with a dot).

    Returns
    -------
    ImageSearch
        An iterator of paths as given, or below a folder as given. A name without a file, and a
        folder without an image, are yielded too: they become error records.

    Raises
    ------
    UsageError
        While it is iterated, if a name is empty.

    Examples
    --------
    >>> list(find_images(["slides/", "more/*.png"]))  # doctest: +SKIP
    ['slides/a.jpg', 'slides/b.jpg', 'more/c.png']
    """
    return ImageSearch(names, recursive=recursive)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _exists(name: str) -> bool:
    try:
        return os.path.lexists(name)
    except ValueError:  # it contains a NUL
        return False
