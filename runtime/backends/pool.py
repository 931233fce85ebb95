"""A pool of interpreters or requests that a backend lends to its callers; standard library only."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, NoReturn, TypeVar

from ...errors import BackendError

T = TypeVar("T")


class Pool(Generic[T]):
    """A bounded number of objects, each used by one thread at a time.

    The first object is created at once, so that an error is reported at once. The others are
    created when they are first needed, one at a time. A thread gets the object that it had before
    if that is free, because its buffers lie in the cache of the thread's core. Threads that wait
    are served in their order.

    Parameters
    ----------
    create : callable
        Creates one object. No two threads call it at the same time.
    size : int
        Largest number of objects, ≥ 1.
    """

    def __init__(self, create: Callable[[], T], size: int) -> None:
        self._create, self._size, self._count = create, size, 1
        self._all = [create()]  # so that a fork frees none that its parent's threads have
        self._idle: dict[int, T] = {threading.get_ident(): self._all[0]}  # by the last thread
        self._changed, self._closed = threading.Condition(), False
        self._waiting: deque[object] = deque()
        self._creating = threading.Lock()

    @contextlib.contextmanager
    def lend(self) -> Iterator[T]:
        """Lend an object for the body of the ``with``; wait while all are in use.

        Raises
        ------
        BackendError
            If the pool is closed, before or during the wait.
        """
        item = self._borrow()
        try:
            yield item
        finally:
            with self._changed:
                if not self._closed:
                    self._idle[threading.get_ident()] = item
                self._changed.notify_all()

    def _borrow(self) -> T:
        thread, turn = threading.get_ident(), object()
        with self._changed:
            self._waiting.append(turn)
            try:
                while not self._closed and not (self._waiting[0] is turn and self._is_available()):
                    self._changed.wait()
                if self._closed:
                    raise BackendError("this backend was closed")
                if thread in self._idle:
                    return self._idle.pop(thread)
                if self._count == self._size:
                    return self._idle.popitem()[1]
                self._count += 1
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()  # it is the next thread's turn
        try:
            with self._creating:
                item = self._create()
                self._all.append(item)
                return item
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()
            raise

    def _is_available(self) -> bool:
        return bool(self._idle) or self._count < self._size

    def close(self) -> None:
        """Release the idle objects now, and the others when they come back; wake who waits."""
        with self._changed:
            self._closed = True
            self._idle.clear()
            self._all.clear()
            self._create = _create_nothing
            self._changed.notify_all()


def _create_nothing() -> NoReturn:
    """Stand for the function of a pool that is closed: the function may keep a model."""
    raise BackendError("this backend was closed")
