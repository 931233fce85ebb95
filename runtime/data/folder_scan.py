"""Lists the files of a data set's folder once: images, other files, and what is left out."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...errors import DataError

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".webp")
    + (".ppm", ".pgm", ".pnm", ".jp2", ".j2k", ".heic", ".heif", ".avif", ".jxl")
)
UNFINISHED_SUFFIXES = frozenset(
    {".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp", ".temp"}
)
SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
SYSTEM_FOLDERS = frozenset({"$recycle.bin", "system volume information", "@eadir", "lost+found"})
MACOS_FOLDER = "__macosx"
# The kinds of files that are left out, as the notes name them.
SYSTEM, MACOS, HIDDEN, UNFINISHED = (
    "files of the operating system",
    "files of macOS archives",
    "hidden files",
    "unfinished downloads",
)
NAMED_AT_MOST = 3


@dataclass(frozen=True)
class FolderScan:
    """The files below a folder.

    Parameters
    ----------
    root : Path
    images : tuple of Path
        Files with the suffix of an image, in the order of their paths.
    others : tuple of Path
        All other files that are not left out.
    folders : tuple of Path
        All folders below the root, those without a file too.
    left_out : dict of str to list of Path
        Kind -> files that belong to no data set.
    """

    root: Path
    images: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    left_out: dict[str, list[Path]] = field(default_factory=dict)

    @cached_property
    def _images_in(self) -> dict[Path, list[Path]]:
        """Folder -> the images at any depth inside it."""
        inside: dict[Path, list[Path]] = defaultdict(list)
        for path in self.images:
            for folder in path.parents:
                inside[folder].append(path)
                if folder == self.root:
                    break
        return inside

    def images_under(self, folder: Path) -> list[Path]:
        """Return the images at any depth inside a folder."""
        return self._images_in.get(folder, [])

    def subfolders(self, folder: Path) -> list[Path]:
        """Return the folders directly inside a folder."""
        return self._subfolders.get(folder, [])

    @cached_property
    def _subfolders(self) -> dict[Path, list[Path]]:
        """Folder -> the folders directly inside it."""
        inside: dict[Path, list[Path]] = defaultdict(list)
        for path in self.folders:
            inside[path.parent].append(path)
        return inside

    def notes(self) -> list[str]:
        """Return a line for each kind of file that is left out: number and first names."""
        return [
            f"{len(paths)} {kind} left out: {named(paths, self.root)}"
            for kind, paths in self.left_out.items()
        ]


def named(paths: Sequence[Path], root: Path) -> str:
    """Return the first paths by their names below a root, and the number of the others."""
    names = [path.relative_to(root).as_posix() for path in paths[:NAMED_AT_MOST]]
    more = f" and {len(paths) - NAMED_AT_MOST} more" if len(paths) > NAMED_AT_MOST else ""
    return ", ".join(names) + more


def scan_folder(root: Path) -> FolderScan:
    """List the files below a folder.

    Parameters
    ----------
    root : Path

    Returns
    -------
    FolderScan

    Raises
    ------
    DataError
        If the folder cannot be listed.
    """
    images: list[Path] = []
    others: list[Path] = []
    folders: list[Path] = []
    left_out: dict[str, list[Path]] = {}
    for path, kind in _walk(root, None, ()):
        if kind is not None:
            left_out.setdefault(kind, []).append(path)
        elif path.is_dir():
            folders.append(path)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            images.append(path)
        else:
            others.append(path)
    return FolderScan(
        root,
        tuple(sorted(images)),
        tuple(sorted(others)),
        tuple(sorted(folders)),
        {kind: sorted(left_out[kind]) for kind in sorted(left_out)},
    )


def _walk(
    folder: Path, kind: str | None, entered: tuple[str, ...]
) -> Iterator[tuple[Path, str | None]]:
    """Yield all files and folders, with the kind of those that are left out; follow no circle."""
    real = os.path.realpath(folder)
    if real in entered:
        return
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}") from None
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir():
            inner = kind or _kind_of_folder(entry.name)
            if inner is None:
                yield path, None
            yield from _walk(path, inner, (*entered, real))
        elif entry.is_file():
            yield path, kind or _kind_of_file(entry.name)


def _kind_of_folder(name: str) -> str | None:
    if name.lower() == MACOS_FOLDER:
        return MACOS
    if name.lower() in SYSTEM_FOLDERS:
        return SYSTEM
    return HIDDEN if name.startswith(".") else None


def _kind_of_file(name: str) -> str | None:
    lower = name.lower()
    if lower.startswith("._"):
        return MACOS
    if lower in SYSTEM_FILES or lower == ".ds_store":
        return SYSTEM
    if name.startswith((".", "~$")):
        return HIDDEN
    return UNFINISHED if Path(lower).suffix in UNFINISHED_SUFFIXES else None
