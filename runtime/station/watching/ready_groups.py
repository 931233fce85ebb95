"""Gives the results that are ready at the same moment together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

R = TypeVar("R")


def ready_groups(results: Iterable[R]) -> Iterator[list[R]]:
    """Yield the results that are ready, in order; waits for at least one.

    A thread takes the results, so the next ones are computed while the caller writes a group. All
    of `results` may be in memory.

    Parameters
    ----------
    results : iterable

    Raises
    ------
    Exception
        What `results` raises, after the results before.

    Examples
    --------
    >>> [result for group in ready_groups([1, 2, 3]) for result in group]
    [1, 2, 3]
    """
    ready: queue.SimpleQueue[tuple[list[R], BaseException | None, bool]] = queue.SimpleQueue()
    is_wanted = threading.Event()
    is_wanted.set()

    def take() -> None:
        try:
            for result in results:
                ready.put(([result], None, False))
                if not is_wanted.is_set():
                    return
            ready.put(([], None, True))
        except BaseException as error:
            ready.put(([], error, True))

    threading.Thread(target=take, name="alledge-results", daemon=True).start()
    try:
        is_last = False
        while not is_last:
            group, error, is_last = ready.get()
            while not (is_last or ready.empty()):
                more, error, is_last = ready.get()
                group += more
            if group:
                yield group
            if error is not None:
                raise error
    finally:
        is_wanted.clear()
