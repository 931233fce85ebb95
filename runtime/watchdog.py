"""Time limits for work that may never end: an engine that hangs, a decoder that loops.

The work runs in daemon threads, so that the process can end although one of them hangs. The limit
applies to each step of the work (read the image, compute its scores). It starts again when
`report_progress` is called. Standard library only.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from ..errors import UsageError

R = TypeVar("R")

# The largest network takes about 10 s for an image on the slowest supported board.
DEFAULT_LIMIT_S = 120.0
# A process is frozen if no Python code ran for this much longer than the time limit.
FROZEN_GRACE_S = 10.0

_current = threading.local()


def validate_limit(limit_s: float | None) -> float | None:
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
    """Start the time limit of this thread's task again, because a step has ended."""
    task: Task[Any] | None = getattr(_current, "task", None)
    if task is not None:
        task.next_step()


@contextlib.contextmanager
def time_not_counted() -> Iterator[None]:
    """Stop the time limit of this thread's task during the body of the ``with``."""
    task: Task[Any] | None = getattr(_current, "task", None)
    if task is None:
        yield
        return
    task.stop_limit()
    try:
        yield
    finally:
        task.start_limit()


class Task(Generic[R]):
    """Work in another thread: its outcome, and the start of its current step.

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
            self.stop_limit()

    def next_step(self) -> None:
        """Start the time limit again, for the next step."""
        # In this order: another thread must not see the new step with the time of the old one.
        self.start_limit()
        self.steps += 1

    def start_limit(self) -> None:
        """Count the time from now on."""
        self._began_s = time.monotonic()

    def stop_limit(self) -> None:
        """Count no time until `start_limit`."""
        self._began_s = None

    def remaining_s(self, limit_s: float) -> float:
        """Return the seconds left of the current step; `limit_s` if no time is counted."""
        began_s = self._began_s
        return limit_s if began_s is None else began_s + limit_s - time.monotonic()

    def finish(self, value: R) -> bool:
        """Set the outcome, and return whether it is the first one."""
        return self._set(value, None)

    def fail(self, error: BaseException) -> bool:
        """Set the error as the outcome, and return whether it is the first one."""
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


class _JobQueue:
    """The jobs of one thread; None ends it. The module `queue` would slow the start down."""

    def __init__(self) -> None:
        self._jobs: deque[Job | None] = deque()
        self._count = threading.Semaphore(0)

    def put(self, job: Job | None) -> None:
        self._jobs.append(job)
        self._count.release()

    def get(self) -> Job | None:
        self._count.acquire()
        return self._jobs.popleft()


class Watchdog:
    """Runs functions in daemon threads, and stops waiting for one that takes too long.

    An idle thread is used again for the next function. Any thread may call `run`.

    Parameters
    ----------
    limit_s : float or None
        Seconds for each step. None: functions run in the calling thread, without a limit.
    """

    def __init__(self, limit_s: float | None) -> None:
        self.limit_s = limit_s
        self._idle: list[_JobQueue] = []
        self._process = os.getpid()
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
        if self._process != os.getpid():  # a fork, without the threads of its parent
            self._process = os.getpid()
            self._idle.clear()
        try:
            jobs = self._idle.pop()
        except IndexError:
            jobs = _start_thread()
        jobs.put((function, task))
        try:
            while not task.done:
                remaining_s = task.remaining_s(self.limit_s)
                if remaining_s <= 0:
                    raise StepTimeoutError(task.steps)
                task.wait(remaining_s)
        except BaseException:  # the thread is still busy: it ends after this function
            jobs.put(None)
            raise
        self._idle.append(jobs)
        if not self._end.alive:  # closed meanwhile: nobody else ends this thread
            _end_threads(self._idle)
        return task.result()

    def close(self) -> None:
        """End the idle threads; a busy thread ends after its function."""
        self._end()


def _start_thread() -> _JobQueue:
    jobs = _JobQueue()
    threading.Thread(target=_run_jobs, args=(jobs,), name="alledge", daemon=True).start()
    return jobs


def _run_jobs(jobs: _JobQueue) -> None:
    while (job := jobs.get()) is not None:
        function, task = job
        try:
            with task.step():
                value = function()
        except BaseException as error:
            task.fail(error)
        else:
            task.finish(value)
            del value
        del job, function, task  # an idle thread keeps no image


def _end_threads(idle: list[_JobQueue]) -> None:
    with contextlib.suppress(IndexError):
        while True:
            idle.pop().put(None)


class FreezeTimer:
    """Ends this process with exit code 1 if it is frozen; a context manager, for commands.

    A thread that hangs while it holds the interpreter lock stops all Python code, the `Watchdog`
    included. The timer of `faulthandler` needs no lock: when it runs out, it prints the stack of
    every thread and exits. A thread sets it again as long as Python code runs. Without a file
    behind standard error, nothing is watched.

    Ctrl-Z stops the timer together with the process. SIGSTOP cannot be handled: a process that it
    stopped for longer than the limit ends when it continues.

    Parameters
    ----------
    limit_s : float
        Seconds in which some Python code must run; `FROZEN_GRACE_S` is added. May be changed.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._reset, name="alledge-freeze", daemon=True)
        self._stderr = sys.stderr
        self._timer_lock = threading.Lock()

    def __enter__(self) -> FreezeTimer:
        try:
            self._start_timer()
        except (OSError, ValueError, AttributeError, RuntimeError):
            return self
        self._thread.start()
        if hasattr(signal, "SIGTSTP") and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGTSTP, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
            faulthandler.cancel_dump_traceback_later()
            if hasattr(signal, "SIGTSTP") and signal.getsignal(signal.SIGTSTP) == self._stop:
                signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def _start_timer(self) -> None:
        timeout_s = min(self.limit_s + FROZEN_GRACE_S, threading.TIMEOUT_MAX)
        faulthandler.dump_traceback_later(timeout_s, exit=True, file=self._stderr)

    def _reset(self) -> None:
        while not self._stopped.wait(FROZEN_GRACE_S / 2):
            with self._timer_lock:
                self._start_timer()

    def _stop(self, number: int, frame: object) -> None:
        """Stop this process, as Ctrl-Z does, and the timer until the process continues."""
        with self._timer_lock:
            faulthandler.cancel_dump_traceback_later()
            os.kill(os.getpid(), signal.SIGSTOP)
            self._start_timer()
