"""A pool of interpreters or requests that a backend lends to its callers; standard library only."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ...errors import BackendError

T = TypeVar("T")


class Pool(Generic[T]):
    """A bounded number of objects, each used by one thread at a time.

    The first object is made at once, so that what cannot be made is reported at once; the others
    when they are first needed, one at a time. A thread gets back the object it had before, where
    that is free: its buffers lie in the cache of the core that the thread runs on.

    Parameters
    ----------
    make : callable
        Makes one object. No two threads call it at the same time.
    most : int
        Number of objects, ≥ 1.
    """

    def __init__(self, make: Callable[[], T], most: int) -> None:
        self._make, self._most, self._made = make, most, 1
        self._idle: dict[int, T] = {threading.get_ident(): make()}  # thread that had it last
        self._free, self._closed = threading.Condition(), False
        self._making = threading.Lock()

    @contextlib.contextmanager
    def lend(self) -> Iterator[T]:
        """Lend one for the body of the ``with``, waiting for it where all are in use.

        Raises
        ------
        BackendError
            If the pool was closed, before or while it was waited for.
        """
        one = self._borrow()
        try:
            yield one
        finally:
            with self._free:
                if not self._closed:
                    self._idle[threading.get_ident()] = one
                self._free.notify()

    def _borrow(self) -> T:
        me = threading.get_ident()
        with self._free:
            while True:
                if self._closed:
                    raise BackendError("this backend was closed")
                if me in self._idle:
                    return self._idle.pop(me)
                if self._made < self._most:
                    self._made += 1
                    break
                if self._idle:
                    return self._idle.popitem()[1]
                self._free.wait()
        try:
            with self._making:
                return self._make()
        except BaseException:
            with self._free:
                self._made -= 1
                self._free.notify()
            raise

    def close(self) -> None:
        """Let go of what is free now, and of the rest when it comes back; nobody waits on."""
        with self._free:
            self._closed = True
            self._idle.clear()
            self._free.notify_all()
