"""Ends a command at Ctrl-C, SIGTERM and SIGHUP; standard library only.

``KeyboardInterrupt`` alone does not end a command for certain: an extension module that is being
imported may swallow it. So a command that has nothing to undo ends inside the signal handler. Any
other one gets the exception, and ends `UNWIND_S` later if the exception has not ended it.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

UNWIND_S = 10.0  # to end child processes and delete temporary files
HELD_S = 1.0  # to finish a record; a reader may have stopped reading
SIGINT = int(signal.SIGINT)
LINES = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "terminated"}

_cleanups: dict[int, Callable[[], object]] = {}
_state = {"at_once": True, "held": 0, "signal": 0, "process": 0, "stderr": 2}


class Interrupted(BaseException):
    """A signal ends this command. It is no `KeyboardInterrupt`, which click has its own text for.

    Parameters
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def install() -> None:
    """Handle the signals that end a command, where they have their usual meaning.

    A signal that the caller ignores (``nohup``, a job in the background) stays ignored.
    """
    if _state["process"] == os.getpid():
        return
    _state["process"] = os.getpid()
    usual = (signal.SIG_DFL, signal.default_int_handler)
    for name in LINES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in usual:
            with contextlib.suppress(ValueError, OSError):  # not in the main thread
                signal.signal(number, _handle)
                atexit.register(_ignore, number)


def keep_stderr() -> None:
    """Print to this standard error, also while a backend replaces it for a moment."""
    _state["stderr"] = os.dup(2)


def end_at_once(value: bool) -> None:
    """Choose whether a signal ends the process in its handler, or raises `Interrupted`.

    Parameters
    ----------
    value : bool
        Whether nothing is lost that `on_end` does not remove.
    """
    _state["at_once"] = value


@contextlib.contextmanager
def on_end(clean_up: Callable[[], object]) -> Iterator[None]:
    """Have a function called if a signal ends the process during the body of the ``with``.

    Parameters
    ----------
    clean_up : callable
        Removes what the body leaves unfinished.
    """
    key = id(clean_up)
    _cleanups[key] = clean_up
    try:
        yield
    finally:
        _cleanups.pop(key, None)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let a signal wait until the body of the ``with`` has written its record."""
    _state["held"] += 1
    try:
        yield
    finally:
        _state["held"] -= 1
    if _state["signal"] and not _state["held"]:  # it came meanwhile, or it was swallowed
        _end(_state["signal"])


def received() -> int:
    """Return the number of the signal that ends this command; 0 if none came."""
    return _state["signal"]


def exit_code(number: int) -> int:
    """Return the exit code that shells give a process that a signal ended."""
    return 128 + number


def line(number: int) -> str:
    """Return the line that a command prints when a signal ends it."""
    return LINES[signal.Signals(number).name]


def _ignore(number: int) -> None:
    """Ignore a signal from now on: the command is finished, and Python unloads its modules.

    Python removes handlers before that. The signal would end the process without a line, and a
    finished command would seem to have failed.
    """
    if os.getpid() == _state["process"]:
        signal.signal(number, signal.SIG_IGN)


def _handle(number: int, frame: object) -> None:
    """End the command, now or when its record is written."""
    if os.getpid() != _state["process"]:  # a fork; what is unfinished belongs to its parent
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    again = bool(_state["signal"])
    _state["signal"] = number
    if again:
        _exit(number)
    if _state["held"]:  # `held` ends the command, unless its body waits for ever
        _thread.start_new_thread(_exit_later, (number, HELD_S, "held"))
    else:
        _end(number)


def _end(number: int) -> None:
    if _state["at_once"]:
        _exit(number)
    _state["signal"] = number
    _thread.start_new_thread(_exit_later, (number, UNWIND_S, "signal"))
    raise Interrupted(number)


def _exit_later(number: int, seconds: float, state: str) -> None:
    """End the process after a time if a state still holds."""
    time.sleep(seconds)
    if _state[state]:
        _exit(number)


def _exit(number: int) -> None:
    """Remove what is unfinished, print one line and end the process."""
    for clean_up in list(_cleanups.values()):
        with contextlib.suppress(Exception):
            clean_up()
    with contextlib.suppress(OSError):
        os.write(_state["stderr"], f"{line(number)}\n".encode())
    os._exit(exit_code(number))
