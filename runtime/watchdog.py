"""A time limit on work that may never end: an engine that hangs, a decoder that loops.

Work runs on daemon threads, so that the process can end although one of them hangs. The limit
applies to each step of the work (read the image, compute its scores), and starts anew when
`report_progress` is called. Standard library only.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from ..errors import UsageError

R = TypeVar("R")

# The largest network on the slowest supported board takes about 10 s an image.
DEFAULT_LIMIT_S = 120.0
# Python code cannot run while a hanging thread holds the interpreter lock. The command then ends
# this much later than the limit.
FROZEN_GRACE_S = 10.0

_current = threading.local()


def checked_limit(limit_s: float | None) -> float | None:
    """Return a time limit in seconds, or None for no limit.

    Raises
    ------
    UsageError
        If the limit is not a positive number of seconds.
    """
    if limit_s is not None and not 0 < limit_s <= threading.TIMEOUT_MAX:
        raise UsageError(
            f"{limit_s} s is no time limit",
            allowed=f"a number of seconds above 0 (default {DEFAULT_LIMIT_S:g})",
        )
    return limit_s


def report_progress() -> None:
    """Start the time limit of this thread's task anew, because one of its steps has ended."""
    task: Task[Any] | None = getattr(_current, "task", None)
    if task is not None:
        task.next_step()


class Task(Generic[R]):
    """Work on another thread: its outcome, and when its current step began.

    Attributes
    ----------
    steps : int
        Number of the step that runs or ran last, from 1; 0 before the first.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._began_s: float | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._value: R | None = None
        self._error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether there is an outcome."""
        return self._done.is_set()

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Apply the time limit to the body of the ``with``."""
        self.next_step()
        _current.task = self
        try:
            yield
        finally:
            _current.task = None
            self._began_s = None

    def next_step(self) -> None:
        """Start the time limit anew."""
        self.steps += 1
        self._began_s = time.monotonic()

    def remaining_s(self, limit_s: float) -> float:
        """Return the seconds that are left of the current step; `limit_s` where none runs."""
        began_s = self._began_s
        return limit_s if began_s is None else began_s + limit_s - time.monotonic()

    def finish(self, value: R) -> bool:
        """Set the outcome, and return whether it was the first one."""
        return self._set(value, None)

    def fail(self, error: BaseException) -> bool:
        """Set the error as the outcome, and return whether it was the first one."""
        return self._set(None, error)

    def _set(self, value: R | None, error: BaseException | None) -> bool:
        with self._lock:
            if self._done.is_set():
                return False
            self._value, self._error = value, error
            self._done.set()
            return True

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for the outcome, and return whether there is one."""
        return self._done.wait(timeout_s)

    def result(self) -> R:
        """Return the outcome of a task that is done, or raise its error."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


class Watchdog:
    """Runs functions on daemon threads, and stops waiting for one that takes too long.

    Threads are kept for the next function. Any thread may call `run`.

    Parameters
    ----------
    limit_s : float or None
        Seconds for each step. None: functions run on the calling thread, without a limit.
    """

    def __init__(self, limit_s: float | None) -> None:
        self.limit_s = limit_s
        self._idle: list[queue.SimpleQueue[Job | None]] = []
        self._end = weakref.finalize(self, _end_threads, self._idle)

    def run(self, function: Callable[[], R]) -> R:
        """Return what the function returns.

        Raises
        ------
        StepTimeoutError
            If a step of the function takes longer than the limit.
        Exception
            What the function raises.
        """
        if self.limit_s is None:
            return function()
        task: Task[R] = Task()
        jobs = self._idle.pop() if self._idle else _start_thread()
        jobs.put((function, task))
        try:
            while not task.done:
                remaining_s = task.remaining_s(self.limit_s)
                if remaining_s <= 0:
                    raise StepTimeoutError(task.steps)
                with ends_if_frozen(remaining_s):
                    task.wait(remaining_s)
        except BaseException:  # the thread still works: it ends after this function
            jobs.put(None)
            raise
        self._idle.append(jobs)
        return task.result()

    def close(self) -> None:
        """End the threads that are idle."""
        self._end()


class StepTimeoutError(Exception):
    """A step took longer than the limit; never leaves alledge.

    Parameters
    ----------
    step : int
        Number of the step, from 1.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"step {step} takes longer than the limit")
        self.step = step


Job = tuple[Callable[[], Any], Task[Any]]


def _start_thread() -> queue.SimpleQueue[Job | None]:
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    threading.Thread(target=_work, args=(jobs,), name="alledge", daemon=True).start()
    return jobs


def _work(jobs: queue.SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        function, task = job
        try:
            with task.step():
                value = function()
        except BaseException as error:
            task.fail(error)
        else:
            task.finish(value)
        del job, function, task  # an idle thread keeps no image


def _end_threads(idle: list[queue.SimpleQueue[Job | None]]) -> None:
    while idle:
        idle.pop().put(None)


class _Frozen:
    """Whether the process ends when it is frozen; set once, by the command line."""

    ends_process = False


def end_process_when_frozen() -> None:
    """Have `ends_if_frozen` end this process with exit code 1; for a command, not for a library."""
    _Frozen.ends_process = True


@contextlib.contextmanager
def ends_if_frozen(limit_s: float) -> Iterator[None]:
    """End the process if no Python code can run while the body of the ``with`` waits.

    A thread that hangs while it holds the interpreter lock stops every other thread, the one that
    watches the limit included. `faulthandler` has a thread that needs no lock: it prints where
    every thread is and exits. Does nothing unless `end_process_when_frozen` was called.
    """
    try:
        if not _Frozen.ends_process:
            raise io.UnsupportedOperation
        faulthandler.dump_traceback_later(limit_s + FROZEN_GRACE_S, exit=True, file=sys.stderr)
    except (OSError, ValueError, AttributeError, RuntimeError):  # standard error has no file
        yield
        return
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
