"""Fields in object stores."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ....errors import UsageError
from ...data.inputs import GALLERY_SUFFIX, OVERLAY_SUFFIX, SYSTEM_FOLDER, LeftOut
from ...imaging.file_kinds import is_system_folder
from ...imaging.known_files import PICTURE_SUFFIXES
from ..stores import Place, with_patience
from .entries import Entry

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo

GLOB = "*?["


class ObjectFolder:
    """A folder or a glob of an object store, with all its folders.

    Parameters
    ----------
    place : Place
        May hold a glob.
    left_out : LeftOut
        Counts what is left out. Names decide here, because each first byte costs a request.

    Raises
    ------
    UsageError
        If there is nothing of that name.
    StoreError
        If the store refuses, or does not answer.
    """

    def __init__(self, place: Place, left_out: LeftOut) -> None:
        self.place, self._left_out = place, left_out
        parts = place.path.split("/")
        fixed = next((n for n, part in enumerate(parts) if set(part) & set(GLOB)), len(parts))
        self._root = "/".join(parts[:fixed])
        self._pattern = place.path if fixed < len(parts) else None
        self.check()

    def check(self) -> None:
        """Check that the store answers and has the folder."""
        from pyarrow.fs import FileType

        if self._info(self._root).type == FileType.NotFound:
            raise UsageError(
                f"there is nothing at {self.place.name_of(self._root)}", fix="check the address"
            )

    def entries(self) -> Iterator[Entry]:
        """Yield the pictures, one folder after the other."""
        from pyarrow.fs import FileType

        root = self._info(self._root)
        if root.type == FileType.File:
            yield self._entry(root, None)
            return
        yield from self._in_folder(self._root, None)

    def _info(self, path: str) -> FileInfo:
        return with_patience(lambda: self.place.system.get_file_info(path), self.place)

    def _in_folder(self, folder: str, site: str | None) -> Iterator[Entry]:
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(folder, recursive=False)
        rows = with_patience(lambda: self.place.system.get_file_info(selector), self.place)
        rows.sort(key=lambda row: row.path)
        for row in rows:
            if row.type == FileType.File and self._is_wanted(row):
                yield self._entry(row, site)
        for row in rows:
            if row.type == FileType.Directory and row.path.rstrip("/") != folder:
                name = row.base_name
                if is_system_folder(name):
                    self._left_out.add(SYSTEM_FOLDER, self.place.name_of(row.path))
                else:
                    yield from self._in_folder(row.path, site or name)

    def _is_wanted(self, row: FileInfo) -> bool:
        if self._pattern is not None and not fnmatch.fnmatchcase(row.path, self._pattern):
            return False
        name = row.base_name.lower()
        own = name.endswith((OVERLAY_SUFFIX, GALLERY_SUFFIX))
        if own or name.startswith(".") or PurePosixPath(name).suffix not in PICTURE_SUFFIXES:
            self._left_out.add("file without the name of a picture", self.place.name_of(row.path))
            return False
        return True

    def _entry(self, row: FileInfo, site: str | None) -> Entry:
        return Entry(self.place.name_of(row.path), row.size, _microseconds(row), site)


def object_entry(
    place: Place, *, site: str | None, microscope: str | None, taken: str | None
) -> Entry:
    """Return the entry of an object that a manifest names, with its size and time if it exists."""
    from pyarrow.fs import FileType

    info = with_patience(lambda: place.system.get_file_info(place.path), place)
    if info.type != FileType.File:
        problem = f"there is no object {place.name}"
        return Entry(place.name, None, None, site, microscope, taken, problem=problem)
    return Entry(place.name, info.size, _microseconds(info), site, microscope, taken)


def _microseconds(info: FileInfo) -> int | None:
    return None if info.mtime_ns is None else info.mtime_ns // 1000
