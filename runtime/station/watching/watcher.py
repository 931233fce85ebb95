"""Classifies what a camera saves into folders, each content once."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ...interrupts import held
from ..history.entries import FileName, NewEntry, SeenFile
from .folder_events import FolderEvents
from .folder_poll import FinishedFile, FolderPoll
from .folder_scans import FolderDocument, FolderScans, Notice
from .intake import Intake, read_finished
from .ready_groups import ready_groups

if TYPE_CHECKING:
    from ...records import Result
    from ...types import ImageSource
    from ..history.store import History
    from ..model import LoadedModel, StationModel
    from ..recording import Recorder

BATCH = 64  # files between two looks at the folders
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.25
PATIENCE = 10  # an image that does not decode is read again when it was still this much longer

Announce = Callable[[int, str], object]  # gets the number of a row, and the path of its file
Row = tuple[NewEntry, str, str]  # what it counts as, and the path of its file


class Watcher:
    """Watches folders, and writes each new result into the history.

    Parameters
    ----------
    folders : sequence of str
    model : StationModel
        With previews, in throughput mode.
    history : History
    home : Path
        Of the workstation: it has the locks of the folders.
    settle_s : float
        Seconds for which the size and time of a file must be still.
    interval_s : float
        Seconds between two looks at the folders.
    recursive : bool
    whole : collection of str
        Folders whose files are finished when they appear: that of a camera.
    announce : callable
        Gets each new row when it is on the disk.
    notice : callable
        Gets lines for people: a folder that cannot be read, or that another process watches.

    Attributes
    ----------
    counts : Counter of str
        Number of files: ``new``, ``known``, ``unreadable``, ``foreign``.
    """

    def __init__(
        self,
        folders: Sequence[str],
        model: StationModel,
        history: History,
        home: Path,
        *,
        settle_s: float,
        interval_s: float,
        recursive: bool = False,
        whole: Collection[str] = (),
        announce: Announce,
        notice: Notice,
    ) -> None:
        self._model, self._history = model, history
        self._poll = FolderPoll(settle_s, recursive=recursive, whole=whole)
        self._wake = threading.Event()
        events = FolderEvents(recursive, self._wake.set)
        self._scans = FolderScans(folders, home, self._poll, events, interval_s, notice)
        self._settle_s, self._interval_s = settle_s, interval_s
        self._announce = announce
        # Another thread reads the files; this one alone writes what it could not read.
        self._unread: deque[Intake] = deque()
        self._once, self._stop = False, threading.Event()
        self.counts: Counter[str] = Counter()

    @property
    def problems(self) -> dict[str, str]:
        """Folders that cannot be watched now, and why."""
        return self._scans.problems

    @property
    def folders(self) -> list[str]:
        """The watched folders."""
        return self._scans.folders

    def documents(self) -> list[FolderDocument]:
        """Return how the new files of each folder are found."""
        return self._scans.documents()

    @property
    def waiting(self) -> int:
        """Number of files that are not finished, or not classified yet."""
        return self._poll.waiting

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Have `run` return after the image in work; any thread may call it."""
        self._stop.set()
        self._wake.set()

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than until `stop`."""
        self._stop.wait(seconds)

    def run(self, *, once: bool = False) -> None:
        """Watch the folders until `stop` or a signal.

        Parameters
        ----------
        once : bool
            Work off the files that are there, and return.

        Raises
        ------
        HistoryError
            If a result cannot be written; its file is classified again by the next run.
        BackendError
            If the engine fails.
        """
        self._once = once
        try:
            while not self.is_stopped:
                now_s = time.monotonic()
                self._scans.list_due(now_s, once=once)
                finished = self._poll.take(now_s, BATCH)
                if finished:
                    self._work(finished)
                elif once and not self._poll.waiting:
                    return
                else:
                    self._pause(now_s)
        finally:
            self._scans.close()

    def _pause(self, now_s: float) -> None:
        """Wait for an event, for the next file that may be finished, or for a part of a turn."""
        turn_s = min(max(self._interval_s / 4, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        due_s = max(self._poll.next_due_s() - now_s, SHORTEST_PAUSE_S)
        self._wake.wait(min(turn_s, due_s))
        self._wake.clear()

    def _work(self, finished: Sequence[FinishedFile]) -> None:
        try:
            with self._model.use() as model:
                self._classify(finished, model)
        except BaseException:  # what has no result is classified by the next run
            self._unread.clear()
            for file in finished:
                self._poll.retry(file, 0.0)
            raise

    def _classify(self, finished: Sequence[FinishedFile], model: LoadedModel) -> None:
        intakes: deque[Intake] = deque()
        is_main_thread = threading.current_thread() is threading.main_thread()  # it gets signals

        def sources() -> Iterator[ImageSource]:
            contents: set[str] = set()
            for file in finished:
                if self.is_stopped or not self._model.is_current(model):
                    self._poll.retry(file, 0.0)
                    continue
                intake = self._take(file, contents)
                if intake is not None and intake.source is not None:
                    contents.add(intake.content)
                    intakes.append(intake)
                    yield intake.source

        try:
            for results in ready_groups(model.classifier.classify(sources())):
                group = [intakes.popleft() for _ in results]
                try:
                    with held() if is_main_thread else nullcontext():
                        self._finish(group, results, model.recorder)
                finally:
                    for intake in group:
                        intake.close()
            self._finish([], [], model.recorder)
        finally:
            for intake in intakes:
                intake.close()

    def _take(self, file: FinishedFile, contents: set[str]) -> Intake | None:
        """Read a file, and return it if it is an image that has no result yet."""
        seen = SeenFile(file.path, file.size, file.modified)
        content = self._history.content_of_file(seen)
        if content is not None and self._has_result(content):
            self.counts["known"] += 1
            return None
        intake = read_finished(file)
        if intake.outcome == "image":
            if self._has_result(intake.content):
                self._history.remember_file(seen, intake.content)
            elif intake.content not in contents:
                return intake
            intake.close()
            self.counts["known"] += 1
        elif intake.outcome != "ignored":
            self._unread.append(intake)
        return None

    def _has_result(self, content: str) -> bool:
        return self._history.has_result(content, self._model.bundle.digest)

    def _finish(
        self, intakes: Sequence[Intake], results: Sequence[Result], recorder: Recorder
    ) -> None:
        """Write what was classified and what could not be read, with one flush; announce it."""
        rows = [
            self._row(intake, result, recorder)
            for intake, result in zip(intakes, results, strict=True)
        ]
        while self._unread:
            intake = self._unread.popleft()
            is_unfinished = intake.outcome == "unfinished"
            rows.append(
                self._waiting_or_unread_row(intake, None, recorder)
                if is_unfinished
                else self._unread_row(intake, recorder)
            )
        if new := [row for row in rows if row is not None]:
            self._write(new)

    def _row(self, intake: Intake, result: Result, recorder: Recorder) -> Row | None:
        file = intake.file
        if not file.is_unchanged():  # written again meanwhile: what was read may be half of it
            self._poll.retry(file, self._settle_s)
            return None
        if result.status == "error":
            return self._waiting_or_unread_row(intake, result.error, recorder)
        name, seen = _name_of(file), SeenFile(file.path, file.size, file.modified)
        entry = recorder.result(
            result, intake.content, file.size, source="folder", name=name, seen=seen
        )
        return entry, "new", file.path

    def _waiting_or_unread_row(
        self, intake: Intake, error: str | None, recorder: Recorder
    ) -> Row | None:
        """Wait longer for a file that may become whole; record one that has been still for long."""
        patience_s = PATIENCE * self._settle_s
        if self._once or intake.file.still_s >= patience_s:
            if error is not None:
                intake.reason = error
            return self._unread_row(intake, recorder)
        self._poll.retry(intake.file, patience_s)
        return None

    def _unread_row(self, intake: Intake, recorder: Recorder) -> Row:
        file, is_foreign = intake.file, intake.outcome == "foreign"
        entry = recorder.unread(
            intake.reason,
            source="folder",
            foreign=is_foreign,
            content=intake.content or None,
            state=intake.state or None,
            name=_name_of(file),
            seen=SeenFile(file.path, file.size, file.modified) if intake.content else None,
        )
        return entry, "foreign" if is_foreign else "unreadable", file.path

    def _write(self, rows: Sequence[Row]) -> None:
        written = self._history.add_all([entry for entry, _, _ in rows])
        for (entry, what, path), (number, is_new) in zip(rows, written, strict=True):
            self.counts[what if is_new or entry.kind == "unread" else "known"] += 1
            if is_new:
                self._announce(number, path)


def _name_of(file: FinishedFile) -> FileName:
    path = Path(file.path)
    return FileName(path.name, str(path.parent))
