"""Lets one thread alone use an extension module for the first time; standard library only.

Python bindings in C++ initialise their static variables when they are first used. One thread may
hold the interpreter lock and wait for such a variable, while another thread initialises it and
waits for the interpreter lock. Then neither continues. OpenVINO 2026.4 did so in 1 of 20 to 60
starts.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from .watchdog import time_not_counted

# The first use may hang, for example while it reads from a network share that is gone. Then it
# has long initialised its module, and the other threads continue.
MAX_WAIT_S = 30.0


class FirstUse:
    """Lets one thread in at a time until one has succeeded, and then any number of threads.

    An extension module is first used once in a process: keep one object for it, at module level.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False

    @contextlib.contextmanager
    def alone(self, max_wait_s: float = MAX_WAIT_S) -> Iterator[None]:
        """Run the body of the ``with`` alone until a body has succeeded.

        Parameters
        ----------
        max_wait_s : float
            Seconds to wait for another thread; the body runs after that in any case. The wait is
            not counted by the time limit of this thread's task.
        """
        if self._over:
            yield
            return
        with time_not_counted():
            is_alone = self._lock.acquire(timeout=max_wait_s)
        self._over = self._over or not is_alone  # the other threads wait no longer either
        try:
            yield
            self._over = True
        finally:
            if is_alone:
                self._lock.release()
