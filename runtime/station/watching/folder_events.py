"""Events of the operating system, which say in which folder to look early; nothing needs them.

They do not come from network disks, nor when the system has no more room for them, and they come
before a file is whole. So an event starts no reading: its folder is listed before its turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..network_disks import network_disk
from .folder_poll import is_ignored

STEP_MS = 50  # between two looks of the library at what has come
GROUP_MS = 200  # events of this time are one
REPORT_MS = 1000  # a source that works says so this often
RETRY_S = 60.0  # after a failure: the limit of the system may leave room again
PROBES, PROBE_S = 10, 0.3
END_S = 2.0  # far more than STEP_MS; a network disk may hang
MISSING = 'watchfiles is not installed (pip install "alledge[station]")'

Identity = tuple[int, int]  # of a folder: another disk at the same place is another folder


class FolderEvents:
    """The events of some folders, each with a thread of its own.

    Parameters
    ----------
    recursive : bool
        Also of the folders inside a folder.
    wake : callable
        Called by these threads after an event.
    """

    def __init__(self, recursive: bool, wake: Callable[[], object]) -> None:
        self._recursive, self._wake = recursive, wake
        self._sources: dict[str, _Source] = {}
        self._lock = threading.Lock()
        self._noticed: set[str] = set()

    def follow(self, folders: Iterable[str]) -> None:
        """Get the events of these folders from now on, and of no others.

        A source that failed is begun again after a minute; that of a folder that was replaced, at
        once.

        Parameters
        ----------
        folders : iterable of str
        """
        wanted = {folder: _identity(folder) for folder in folders}
        for folder, source in list(self._sources.items()):
            if wanted.get(folder) != source.identity or source.is_outdated():
                source.end()
                del self._sources[folder]
        for folder, identity in wanted.items():
            if identity is not None and folder not in self._sources:
                self._sources[folder] = _Source(folder, identity, self._recursive, self._notice)

    def take(self) -> set[str]:
        """Return the folders that had an event since the last call."""
        with self._lock:
            noticed, self._noticed = self._noticed, set()
        return noticed

    def state(self) -> dict[str, str | None]:
        """Return why each folder has no events: ``""`` if it has, None while they begin."""
        return {folder: source.problem for folder, source in list(self._sources.items())}

    def close(self) -> None:
        """End all sources."""
        self.follow(())

    def _notice(self, folder: str) -> None:
        with self._lock:
            self._noticed.add(folder)
        self._wake()


def probe_events(folder: Path) -> str:
    """Write files into a folder until they are announced; return why they are not, or ``""``.

    Parameters
    ----------
    folder : Path
        An empty folder for this use.
    """
    woken = threading.Event()
    events = FolderEvents(False, woken.set)
    events.follow([str(folder)])
    try:
        for number in range(PROBES):
            (folder / f"{number}.txt").touch()
            if woken.wait(PROBE_S):
                return ""
            if reason := events.state().get(str(folder)):
                return reason
        return "a new file was not announced"
    finally:
        events.close()


class _Source:
    """The events of one folder."""

    def __init__(
        self, folder: str, identity: Identity, recursive: bool, notice: Callable[[str], object]
    ) -> None:
        self.identity = identity
        self.problem: str | None = None
        self._folder, self._recursive, self._notice = folder, recursive, notice
        self._begun_s = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alledge-events", daemon=True)
        self._thread.start()

    def is_outdated(self) -> bool:
        """Return whether it failed, and may be tried again."""
        return bool(self.problem) and time.monotonic() - self._begun_s >= RETRY_S

    def end(self) -> None:
        """End the thread. One that is in the library when Python ends would abort the process."""
        self._ended.set()
        self._thread.join(END_S)

    def _run(self) -> None:
        try:
            if (kind := network_disk(Path(self._folder))) is not None:
                self.problem = f"it is on a network disk ({kind})"
                return
            self._listen()
        except ImportError:
            self.problem = MISSING
        except Exception as error:  # whatever it is: the folder is listed in its turn
            self.problem = str(error) or repr(error)

    def _listen(self) -> None:
        from watchfiles import watch

        for changes in watch(
            self._folder, watch_filter=is_news, debounce=GROUP_MS, step=STEP_MS,
            stop_event=self._ended, rust_timeout=REPORT_MS, yield_on_timeout=True,
            force_polling=False, recursive=self._recursive,
            ignore_permission_denied=False,  # True would also hide that a limit is reached
        ):  # fmt: skip
            self.problem = ""
            if changes:
                self._notice(self._folder)


def is_news(change: int, path: str) -> bool:
    """Return whether an event of the library may be of a picture that is new or was changed."""
    from watchfiles import Change

    return change != Change.deleted and not is_ignored(Path(path).name)


def _identity(folder: str) -> Identity | None:
    try:
        status = Path(folder).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
