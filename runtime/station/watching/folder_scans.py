"""When the folders of a watcher are listed, which of them are its own, and what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

from ...file_lock import ProcessLock
from ..locks import folder_lock
from .folder_events import FolderEvents
from .folder_poll import FolderPoll

SCAN_SHARE = 10  # listing takes at most one part in so many of the time

Notice = Callable[[str], object]


class FolderDocument(TypedDict):
    """How the new files of a folder are found."""

    folder: str
    events: bool  # whether the operating system announces them; the folder is listed anyway
    reason: str | None  # why it does not


class FolderScans:
    """Lists folders in turn, and one that had an event of the operating system before its turn.

    Parameters
    ----------
    folders : sequence of str
    home : Path
        Of the workstation: it has the locks of the folders.
    poll : FolderPoll
        Gets what is in the folders.
    events : FolderEvents
    interval_s : float
        Seconds between two turns.
    notice : callable
        Gets lines for people.
    """

    def __init__(
        self,
        folders: Sequence[str],
        home: Path,
        poll: FolderPoll,
        events: FolderEvents,
        interval_s: float,
        notice: Notice,
    ) -> None:
        self._locks: dict[str, ProcessLock] = {
            folder: folder_lock(home, Path(folder)) for folder in dict.fromkeys(folders)
        }
        self._poll, self._events = poll, events
        self._interval_s, self._notice = interval_s, notice
        self._own: list[str] = []
        self._problems: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._next_s = self._earliest_s = 0.0

    @property
    def folders(self) -> list[str]:
        """The watched folders."""
        return list(self._locks)

    @property
    def problems(self) -> dict[str, str]:
        """Folders that cannot be watched now, and why."""
        return dict(self._problems)

    def documents(self) -> list[FolderDocument]:
        """Return how the new files of each folder are found."""
        state = self._events.state()
        return [
            {"folder": name, "events": state.get(name) == "", "reason": state.get(name) or None}
            for name in self._locks
        ]

    def list_due(self, now_s: float, *, once: bool = False) -> None:
        """List all folders if it is their turn, else those that had an event.

        Parameters
        ----------
        now_s : float
            Of `time.monotonic`.
        once : bool
            The folders are listed this once: nothing waits for events.
        """
        if now_s >= self._next_s:
            self._events.take()  # what they announced is listed now
            self._list_all(now_s, "" if once else "; trying again")
            if not once:
                self._follow_events()
            self._next_s = now_s + max(self._interval_s, self._pause_s(now_s))
        elif now_s >= self._earliest_s and (noticed := self._events.take()):
            self._poll.scan([name for name in self._own if name in noticed], now_s, only=True)
        else:
            return
        self._earliest_s = now_s + self._pause_s(now_s)

    def close(self) -> None:
        """End the events, and give the folders free."""
        self._events.close()
        for lock in self._locks.values():
            lock.release()

    def _pause_s(self, begun_s: float) -> float:
        return SCAN_SHARE * (time.monotonic() - begun_s)  # a network disk may take seconds

    def _list_all(self, now_s: float, again: str) -> None:
        self._own = [folder for folder, lock in self._locks.items() if lock.acquire()]
        self._poll.scan(self._own, now_s)
        busy = dict.fromkeys(self._locks, "another process watches it")
        problems = {
            **{name: busy[name] for name in self._locks if name not in self._own},
            **self._poll.problems,
        }
        for folder, problem in problems.items():
            if self._problems.get(folder) != problem:
                self._notice(f"{folder} is not watched: {problem}{again}")
        for folder in self._problems:
            if folder not in problems:
                self._notice(f"{folder} is watched again")
        self._problems = problems

    def _follow_events(self) -> None:
        self._events.follow(name for name in self._own if name not in self._problems)
        for folder, problem in self._events.state().items():
            if problem is None or self._said.get(folder) == problem:
                continue
            self._said[folder] = problem
            turn = f"it is listed every {self._interval_s:g} s"
            self._notice(
                f"{folder} has no events of the operating system: {problem}; {turn}"
                if problem
                else f"{folder}: the operating system announces new files; {turn}, too"
            )
