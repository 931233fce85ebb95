"""Lists the files of a data set's folder once: images, other files, and what is left out."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...errors import DataError
from ..imaging.file_kinds import is_system_folder
from ..imaging.known_files import PARTIAL
from .inputs import SYSTEM_FOLDER, LeftOut, is_folder, kind_in_folder

# Files that may say what the images show. Their suffix decides: a list of classes may begin as
# a program does ("MZ").
LABEL_SUFFIXES = frozenset(
    {".txt", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".json", ".names", ".labels", ".xyc"}
)
NAMED_AT_MOST = 3


@dataclass(frozen=True)
class FolderScan:
    """The files below a folder.

    Parameters
    ----------
    root : Path
    images : tuple of Path
        The pictures that ``alledge classify`` would open, in the order of their paths.
    others : tuple of Path
        Files that may hold labels, by their suffixes.
    folders : tuple of Path
        All folders below the root, those without a file too.
    left_out : LeftOut
        All other files, half files, and folders of the operating system.
    """

    root: Path
    images: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)

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
        """Return one line about what is left out: number and first names of each kind."""
        return [f"left out: {self.left_out.listing()}"] if self.left_out.counts else []


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
    left_out = LeftOut()
    for path, is_inner_folder in _walk(root, left_out, ()):
        if is_inner_folder:
            folders.append(path)
            continue
        if path.suffix.lower() in LABEL_SUFFIXES and path.name[0] not in ".~" and path.is_file():
            others.append(path)
            continue
        kind, is_picture = kind_in_folder(path)
        if is_picture and kind != PARTIAL.name:
            images.append(path)
        else:
            left_out.add(kind, str(path))
    return FolderScan(
        root, tuple(sorted(images)), tuple(sorted(others)), tuple(sorted(folders)), left_out
    )


def _walk(folder: Path, left_out: LeftOut, entered: tuple[str, ...]) -> Iterator[tuple[Path, bool]]:
    """Yield all files and folders, and whether they are folders; follow no circle."""
    real = os.path.realpath(folder)
    if real in entered:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}") from None
    for entry in entries:
        path = folder / entry.name
        if not is_folder(entry):
            yield path, False
        elif is_system_folder(entry.name):
            left_out.add(SYSTEM_FOLDER, str(path))
        else:
            yield path, True
            yield from _walk(path, left_out, (*entered, real))
