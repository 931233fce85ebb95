"""Fields in folders of this machine and of network shares."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ....errors import AlledgeError
from ...data.inputs import SYSTEM_FOLDER, LeftOut, is_folder, kind_in_folder
from ...imaging.file_kinds import is_system_folder
from .entries import Entry

FIX = "mount the share again, or check its permissions; the same command then goes on"


class LocalFolder:
    """A folder with all its folders.

    Parameters
    ----------
    path : str
        Absolute.
    left_out : LeftOut
        Counts what is left out.

    Raises
    ------
    AlledgeError
        If it cannot be read.
    """

    def __init__(self, path: str, left_out: LeftOut) -> None:
        self.path, self._left_out = path, left_out
        self._device = self._device_now()

    def check(self) -> None:
        """Check that the folder is still there and on the same disk.

        Raises
        ------
        AlledgeError
            If not: a share that went away leaves an empty folder, or none.
        """
        if self._device_now() != self._device:
            raise AlledgeError(f"{self.path} is not mounted any more", fix=FIX)

    def entries(self) -> Iterator[Entry]:
        """Yield the files, by name, one folder after the other; folders are entered once."""
        yield from self._entries(Path(self.path), None, set())

    def _device_now(self) -> int:
        try:
            with os.scandir(self.path):
                return os.stat(self.path).st_dev  # noqa: PTH116 - as Path, but quicker
        except OSError as error:
            raise AlledgeError(
                f"{self.path} cannot be read: {error.strerror or error}", fix=FIX
            ) from None

    def _entries(self, folder: Path, site: str | None, entered: set[str]) -> Iterator[Entry]:
        real_path = os.path.realpath(folder)
        if real_path in entered:
            return
        entered.add(real_path)
        try:
            with os.scandir(folder) as scan:
                found = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            self.check()
            problem = f"{folder} cannot be read: {error.strerror or error}"
            yield Entry(str(folder), site=site, problem=problem)
            return
        subfolders = []
        for entry in found:
            if is_folder(entry):
                subfolders.append(entry.name)
            else:
                yield file_entry(str(folder / entry.name), site=site, is_listed=True)
        for name in subfolders:
            if is_system_folder(name):
                self._left_out.add(SYSTEM_FOLDER, str(folder / name))
            else:
                yield from self._entries(folder / name, site or name, entered)


def file_entry(
    path: str,
    *,
    site: str | None = None,
    microscope: str | None = None,
    taken: str | None = None,
    is_listed: bool = False,
) -> Entry:
    """Return the entry of a local file, with its size and time if it exists."""
    size = modified_us = problem = None
    try:
        status = os.stat(path)  # noqa: PTH116 - as Path, but quicker
        if stat.S_ISREG(status.st_mode):
            size, modified_us = status.st_size, status.st_mtime_ns // 1000
    except FileNotFoundError:
        problem = f"there is no file {path}"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        problem = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
    return Entry(path, size, modified_us, site, microscope, taken, is_listed, problem)


def is_picture(entry: Entry, left_out: LeftOut) -> bool:
    """Return whether a file of a folder is to be opened; count it if not."""
    kind, is_picture = kind_in_folder(Path(entry.path))
    if kind and not is_picture:
        left_out.add(kind, entry.path)
    return is_picture
