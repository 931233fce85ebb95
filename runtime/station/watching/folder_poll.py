"""Finds the files of watched folders that are finished; standard library only.

The folders are listed again and again. A file is finished when its size and time have not changed
for a while. That while is measured with a clock that nobody sets, and never with the file's time.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...data.inputs import GALLERY_SUFFIX, OVERLAY_SUFFIX

Stamp = tuple[int, int, int]  # size, time of change in nanoseconds, number of the file


@dataclass(frozen=True)
class FinishedFile:
    """A file whose size and time have been still.

    Parameters
    ----------
    path : str
    folder : str
        The watched folder, as it was named.
    stamp : tuple of int
    still_s : float
        Seconds in which nothing changed.
    """

    path: str
    folder: str
    stamp: Stamp
    still_s: float

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.stamp[0]

    @property
    def modified(self) -> int:
        """Time of the last change in nanoseconds, as the file system says."""
        return self.stamp[1]

    def is_unchanged(self) -> bool:
        """Return whether the file still has this size and time."""
        return stamp_of(self.path) == self.stamp


class _File:
    """What is known of one file.

    `retry_still_s` is the stillness after which the file is read again; None: not before it
    changes.
    """

    __slots__ = ("folder", "retry_still_s", "scan", "since_s", "stamp")

    def __init__(self, folder: str, stamp: Stamp, since_s: float, scan: int, still_s: float):
        self.folder, self.stamp, self.since_s, self.scan = folder, stamp, since_s, scan
        self.retry_still_s: float | None = still_s


class FolderPoll:
    """The files of some folders, over time.

    Parameters
    ----------
    settle_s : float
        Seconds for which a file must be still.
    recursive : bool
        Read the folders inside a folder too.
    whole : collection of str
        Folders whose files are finished when they appear.

    Attributes
    ----------
    problems : dict of str to str
        Folders that could not be read in the last scan, and why.
    """

    def __init__(
        self, settle_s: float, *, recursive: bool = False, whole: Collection[str] = ()
    ) -> None:
        self.settle_s, self._recursive, self._whole = settle_s, recursive, whole
        self._files: dict[str, _File] = {}
        self._scans = 0
        self.problems: dict[str, str] = {}

    def scan(self, folders: Sequence[str], now_s: float, *, only: bool = False) -> None:
        """List the folders, and note which files changed.

        Parameters
        ----------
        folders : sequence of str
        now_s : float
            Of a monotonic clock.
        only : bool
            The files of other folders stay as they are; otherwise they are forgotten.
        """
        self._scans += 1
        self.problems = {}
        present: dict[str, _File] = {}
        if only:
            others = self._files.items()
            present = {path: file for path, file in others if file.folder not in folders}
        for folder in folders:
            settle_s = 0.0 if folder in self._whole else self.settle_s
            for path, stamp in self._listed(folder):
                file = self._files.get(path)
                if file is None:
                    file = _File(folder, stamp, now_s, self._scans, settle_s)
                elif file.stamp != stamp:
                    file.stamp, file.since_s = stamp, now_s
                    file.scan, file.retry_still_s = self._scans, settle_s
                present[path] = file
        self._files = present  # a file that is gone is forgotten; its content is in the history

    def take(self, now_s: float, most: int) -> list[FinishedFile]:
        """Return files that are finished, those that appeared last first, and settle them.

        Parameters
        ----------
        now_s : float
        most : int
            Number of files.
        """
        due = [
            (-file.scan, path)
            for path, file in self._files.items()
            if file.retry_still_s is not None and now_s - file.since_s >= file.retry_still_s
        ]
        finished = []
        for _, path in sorted(due)[:most]:
            file = self._files[path]
            stamp = stamp_of(path)  # on Windows, a listing may be behind
            if stamp is None:
                del self._files[path]
            elif stamp != file.stamp:
                file.stamp, file.since_s = stamp, now_s
            else:
                still_s = now_s - file.since_s
                file.retry_still_s = None
                finished.append(FinishedFile(path, file.folder, stamp, still_s))
        return finished

    def retry(self, finished: FinishedFile, still_s: float) -> None:
        """Return a file again when it has been still for longer, or has changed.

        Parameters
        ----------
        finished : FinishedFile
        still_s : float
            The stillness after which it is returned again.
        """
        if (file := self._files.get(finished.path)) is not None:
            file.retry_still_s = still_s

    def next_due_s(self) -> float:
        """Return the time from which the next file is finished; infinity if none waits."""
        return min(
            (
                file.since_s + file.retry_still_s
                for file in self._files.values()
                if file.retry_still_s is not None
            ),
            default=math.inf,
        )

    @property
    def waiting(self) -> int:
        """Number of files that are not finished, or not taken yet."""
        # a copy: other threads ask
        return sum(file.retry_still_s is not None for file in list(self._files.values()))

    def _listed(self, folder: str) -> Iterator[tuple[str, Stamp]]:
        pending, entered = [folder], set()
        while pending:
            path = pending.pop()
            real = os.path.realpath(path)
            if real in entered:
                continue
            entered.add(real)
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        if self._is_folder(entry):
                            pending.append(entry.path)
                        elif (stamp := _stamp_of_entry(entry)) is not None:
                            yield entry.path, stamp
            except OSError as error:  # the share is gone, or this folder was removed meanwhile
                if path == folder:
                    self.problems[folder] = error.strerror or str(error)

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        from ...imaging.file_kinds import is_system_folder

        try:
            is_folder = entry.is_dir()
        except OSError:
            return False
        return is_folder and self._recursive and not is_system_folder(entry.name)


def is_ignored(name: str) -> bool:
    """Return whether a file of this name is never looked at: hidden, or a picture of alledge.

    Many programs write to a hidden name, and rename the file when it is whole.
    """
    return name.startswith((".", "~$")) or name.lower().endswith((OVERLAY_SUFFIX, GALLERY_SUFFIX))


def stamp_of(path: str) -> Stamp | None:
    """Return size, time and number of a regular file; None if there is none."""
    try:
        return _stamp(Path(path).stat())
    except (OSError, ValueError):
        return None


def _stamp_of_entry(entry: os.DirEntry[str]) -> Stamp | None:
    if is_ignored(entry.name):
        return None
    try:
        # DirEntry.stat has no number of the file on Windows
        return stamp_of(entry.path) if os.name == "nt" else _stamp(entry.stat())
    except OSError:
        return None


def _stamp(status: os.stat_result) -> Stamp | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
