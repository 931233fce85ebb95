"""All fields that the user named, in order, each once."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from typing import Protocol

from ....errors import UsageError
from ...data.inputs import LeftOut
from ..done_keys import DoneKeys
from ..stores import is_url, open_place
from .entries import Entry
from .local_files import LocalFolder, file_entry, is_picture
from .manifest import SUFFIXES, Manifest
from .object_stores import ObjectFolder


class Source(Protocol):
    """What one SOURCE of the command line names."""

    def check(self) -> None:
        """Raise an error if the source cannot be read now."""

    def entries(self) -> Iterator[Entry]:
        """Yield its fields."""


class LocalFiles:
    """Files that the user named one by one, or by a glob.

    Parameters
    ----------
    paths : sequence of str
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths

    def check(self) -> None:
        """Do nothing: a file that cannot be read is a row."""

    def entries(self) -> Iterator[Entry]:
        """Yield the files."""
        return (file_entry(path) for path in self._paths)


class ArchiveSource:
    """The fields of an archive.

    Parameters
    ----------
    names : sequence of str
        Folders (with all their folders), globs, image files, manifests and URLs.

    Attributes
    ----------
    left_out : LeftOut
        What was found beside the pictures.
    skipped : int
        Number of fields that were done before.

    Raises
    ------
    UsageError
        If a name is empty or there is nothing of that name.
    AlledgeError
        If a source cannot be read.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.left_out, self.skipped = LeftOut(), 0
        self._sources = [source for name in names for source in self._open(name)]

    @property
    def local_folders(self) -> list[str]:
        """The local folders among the sources."""
        return [row.path for row in self._sources if isinstance(row, LocalFolder)]

    def check(self) -> None:
        """Check that every source can still be read; raise an error if not."""
        for source in self._sources:
            source.check()

    def entries(self, done: DoneKeys) -> Iterator[Entry]:
        """Yield the fields that are not done, and note that they are.

        Parameters
        ----------
        done : DoneKeys
        """
        for source in self._sources:
            for entry in source.entries():
                key = entry.key
                if key in done:
                    self.skipped += 1
                    continue
                if entry.is_listed and not is_picture(entry, self.left_out):
                    continue
                done.add(key)
                yield entry

    def _open(self, name: str) -> list[Source]:
        if not name:
            raise UsageError("a SOURCE has an empty name", fix="name a folder; the current is '.'")
        if is_url(name):
            place = open_place(name)
            if not place.is_local:
                is_table = place.path.lower().endswith(SUFFIXES)
                return [Manifest(place) if is_table else ObjectFolder(place, self.left_out)]
            name = place.path
        path = os.path.abspath(name)  # noqa: PTH100 - links stay as they are
        if os.path.isdir(path):  # noqa: PTH112
            return [LocalFolder(path, self.left_out)]
        if os.path.lexists(path):
            is_table = path.lower().endswith(SUFFIXES)
            return [Manifest(open_place(path)) if is_table else LocalFiles([path])]
        matches = sorted(glob.glob(path, recursive=True)) if glob.has_magic(name) else []  # noqa: PTH207
        if not matches:
            raise UsageError(
                f"there is no file or folder {name}, and nothing matches it",
                allowed="folders, globs, image files, a manifest (CSV or Parquet), URLs",
                fix="check the path",
            )
        folders = [match for match in matches if os.path.isdir(match)]  # noqa: PTH112
        files = [match for match in matches if match not in set(folders)]
        return [*(LocalFolder(folder, self.left_out) for folder in folders), LocalFiles(files)]
