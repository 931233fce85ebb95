"""Two steps for each of many items, on several threads, in order; standard library only.

Quick second steps are taken for several items back to back: a network that has just answered has
its weights in the core's cache, from where decoding the next image drives them out.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

S = TypeVar("S")
P = TypeVar("P")
R = TypeVar("R")

TOGETHER = 8  # items whose second steps are taken back to back
AHEAD = 2  # items a worker beside those: one in hand, one that waits for it


def in_order(
    items: Iterable[S], prepare: Callable[[S], P], answer: Callable[[P], R], workers: int
) -> Iterator[R]:
    """Yield what comes of each item, in order, as soon as it is there.

    Parameters
    ----------
    items : iterable
        Read as results are taken, at most `most` items ahead: it may be endless.
    prepare, answer : callable
        The steps; any thread calls them, for `workers` items at once.
    workers : int

    Raises
    ------
    Exception
        What a step raised, in the place of its item.
    """
    steps = _Steps(prepare, answer)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, "alledge") as pool:
        try:
            for item in items:
                waiting.append(steps.expect())
                pool.submit(steps.take, item, waiting[-1])
                while waiting and (waiting[0].done() or len(waiting) >= most(workers)):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def most(workers: int) -> int:
    """Return how many items are under way at once: what bounds the memory."""
    return TOGETHER + AHEAD * workers


class _Steps(Generic[S, P, R]):
    """Takes the steps; which one a worker takes next is decided when it has ended the one before.

    It goes on preparing while items come, until enough of them wait for a quick answer; then it
    answers, one after the other, until none waits.
    """

    def __init__(self, prepare: Callable[[S], P], answer: Callable[[P], R]) -> None:
        self._prepare, self._answer = prepare, answer
        self._lock = threading.Lock()
        self._coming = 0  # items that nobody has begun to prepare
        self._prepared: deque[tuple[P, Future[R]]] = deque()
        self._prepare_s, self._answer_s = 0.0, math.inf  # what each took, the last time

    def expect(self) -> Future[R]:
        """Return the place of an item that will be taken."""
        with self._lock:
            self._coming += 1
        return Future()

    def take(self, item: S, place: Future[R]) -> None:
        """Prepare an item, and answer what has been prepared if it is time to."""
        with self._lock:
            self._coming -= 1
        if place.set_running_or_notify_cancel():
            began = time.perf_counter()
            try:
                prepared = self._prepare(item)
            except BaseException as error:
                place.set_exception(error)
            else:
                self._prepare_s = time.perf_counter() - began
                with self._lock:
                    self._prepared.append((prepared, place))
        if not self._is_time():
            return
        while (ready := self._next()) is not None:
            prepared, place = ready
            began = time.perf_counter()
            try:
                place.set_result(self._answer(prepared))
            except BaseException as error:
                place.set_exception(error)
            self._answer_s = time.perf_counter() - began

    def _is_time(self) -> bool:
        with self._lock:
            quick = self._answer_s < self._prepare_s
            return not (quick and self._coming and len(self._prepared) < TOGETHER)

    def _next(self) -> tuple[P, Future[R]] | None:
        """Return what to answer next: one at a time, so that workers out of work share the rest."""
        with self._lock:
            return self._prepared.popleft() if self._prepared else None
