"""Two steps for each of many items, on several threads, in order; standard library only.

Quick second steps run back to back for several items: a network that has just computed still has
its weights in the core's cache, and decoding the next image would replace them.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, TypeVar

from .watchdog import Task, ends_if_frozen

S = TypeVar("S")
P = TypeVar("P")
R = TypeVar("R")

TOGETHER = 8  # items whose second steps run back to back
AHEAD = 2  # items a worker beside those: one in work, one that waits for it


def in_order(
    items: Iterable[S],
    prepare: Callable[[S], P],
    answer: Callable[[P], R],
    workers: int,
    limit_s: float | None = None,
    late: Callable[[S, int], R] | None = None,
) -> Iterator[R]:
    """Yield the result of each item, in order, as soon as it exists.

    Parameters
    ----------
    items : iterable
        Read by a thread of its own, at most `most(workers)` items ahead of the results that were
        taken: it may be endless, and it may wait for its next item as long as it likes.
    prepare, answer : callable
        The two steps. Any thread calls them, for `workers` items at once.
    workers : int
    limit_s : float, optional
        Seconds that a step of an item may take.
    late : callable, optional
        Gets an item and the number of the step that exceeds `limit_s`, from 1, and returns the
        result. The thread that hangs is replaced. Required with `limit_s`.

    Raises
    ------
    Exception
        What a step raised, in the place of its item; what `items` raised, after the results of
        the items before.
    """
    steps = _Steps(prepare, answer, workers, limit_s, late)
    steps.start(items)
    try:
        while (task := steps.next_task()) is not None:
            yield task.result()
    finally:
        steps.close()


def most(workers: int) -> int:
    """Return how many items are in work at once, which bounds the memory."""
    return TOGETHER + AHEAD * workers


class _Item(Task[R], Generic[S, R]):
    """One item and its outcome."""

    def __init__(self, value: S) -> None:
        super().__init__()
        self.value = value


class _Steps(Generic[S, P, R]):
    """The threads and what they share.

    A worker prepares items until enough of them wait for a quick answer; then it answers one after
    the other until none waits.
    """

    def __init__(
        self,
        prepare: Callable[[S], P],
        answer: Callable[[P], R],
        workers: int,
        limit_s: float | None,
        late: Callable[[S, int], R] | None,
    ) -> None:
        self._prepare, self._answer = prepare, answer
        self._workers, self._limit_s, self._late = workers, limit_s, late
        self._changed = threading.Condition()
        self._closed = False
        self._free = most(workers)  # items that may still be read
        self._ordered: deque[Task[R] | None] = deque()  # None: the source has ended
        self._unprepared: deque[_Item[S, R]] = deque()
        self._prepared: deque[tuple[P, _Item[S, R]]] = deque()
        self._running: set[_Item[S, R]] = set()  # a thread works on a step of it
        self._prepare_s, self._answer_s = 0.0, math.inf  # seconds of the latest step of each kind

    def start(self, items: Iterable[S]) -> None:
        """Start the reader and the workers."""
        threading.Thread(target=self._read, args=(items,), name="alledge-read", daemon=True).start()
        for _ in range(self._workers):
            self._start_worker()

    def close(self) -> None:
        """Have every thread end after its current step."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def next_task(self) -> Task[R] | None:
        """Wait for the next item in order, and return it; None after the last one."""
        with self._changed:
            while not (self._ordered and (self._ordered[0] is None or self._ordered[0].done)):
                wait_s = self._seconds_until_late()
                if wait_s is not None and wait_s <= 0:
                    self._replace_late_threads()
                elif wait_s is None:
                    self._changed.wait()
                else:
                    with ends_if_frozen(wait_s):
                        self._changed.wait(wait_s)
            self._free += 1
            self._changed.notify_all()
            return self._ordered.popleft()

    def _seconds_until_late(self) -> float | None:
        if self._limit_s is None:
            return None
        # an item that starts later becomes late no sooner than the limit from now
        return min(
            (item.remaining_s(self._limit_s) for item in self._running), default=self._limit_s
        )

    def _replace_late_threads(self) -> None:
        assert self._limit_s is not None
        assert self._late is not None
        for item in [one for one in self._running if one.remaining_s(self._limit_s) <= 0]:
            self._running.discard(item)
            item.finish(self._late(item.value, item.steps))
            self._start_worker()

    def _start_worker(self) -> None:
        threading.Thread(target=self._work, name="alledge", daemon=True).start()

    def _read(self, items: Iterable[S]) -> None:
        end: Task[R] | None = None
        try:
            source = iter(items)
            while self._may_read():
                item: _Item[S, R] = _Item(next(source))
                with self._changed:
                    self._ordered.append(item)
                    self._unprepared.append(item)
                    self._changed.notify_all()
        except StopIteration:
            pass
        except BaseException as error:
            end = Task()
            end.fail(error)
        with self._changed:
            self._ordered.append(end)
            self._changed.notify_all()

    def _may_read(self) -> bool:
        """Wait until another item may be read; return False when no more are wanted."""
        with self._changed:
            while not (self._free or self._closed):
                self._changed.wait()
            self._free -= 1
            return not self._closed

    def _work(self) -> None:
        while self._wait_for_work():
            if (item := self._take_unprepared()) is not None and not self._prepare_one(item):
                return
            if self._is_time_to_answer():
                while (ready := self._take_prepared()) is not None:
                    if not self._answer_one(*ready):
                        return

    def _wait_for_work(self) -> bool:
        """Return True when there is work, and False when the results are no longer wanted."""
        with self._changed:
            while not (self._closed or self._unprepared or self._prepared):
                self._changed.wait()
            return not self._closed

    def _take_unprepared(self) -> _Item[S, R] | None:
        with self._changed:
            if not self._unprepared:
                return None
            item = self._unprepared.popleft()
            self._running.add(item)
            return item

    def _take_prepared(self) -> tuple[P, _Item[S, R]] | None:
        with self._changed:
            if self._closed or not self._prepared:
                return None
            prepared, item = self._prepared.popleft()
            self._running.add(item)
            return prepared, item

    def _is_time_to_answer(self) -> bool:
        with self._changed:
            quick = self._answer_s < self._prepare_s
            return not (quick and self._unprepared and len(self._prepared) < TOGETHER)

    def _prepare_one(self, item: _Item[S, R]) -> bool:
        """Take the first step of an item; return False if this thread has been replaced."""
        began_s = time.perf_counter()
        try:
            with item.step():
                prepared = self._prepare(item.value)
        except BaseException as error:
            return self._end(item, partial(item.fail, error))
        self._prepare_s = time.perf_counter() - began_s
        return self._end(item, partial(self._prepared.append, (prepared, item)))

    def _answer_one(self, prepared: P, item: _Item[S, R]) -> bool:
        """Take the second step of an item; return False if this thread has been replaced."""
        began_s = time.perf_counter()
        try:
            with item.step():
                result = self._answer(prepared)
        except BaseException as error:
            return self._end(item, partial(item.fail, error))
        self._answer_s = time.perf_counter() - began_s
        return self._end(item, partial(item.finish, result))

    def _end(self, item: _Item[S, R], store: Callable[[], object]) -> bool:
        """Store the outcome of a step, unless the item was late and this thread replaced."""
        with self._changed:
            if item not in self._running:
                return False
            self._running.discard(item)
            store()
            self._changed.notify_all()
            return True
