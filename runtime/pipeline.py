"""Runs two steps for each of many items in several threads, in order; standard library only.

Short second steps run back to back for several items. A network that has just computed has its
weights in the core's cache; decoding the next image replaces them.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, TypeVar

from .watchdog import Task

S = TypeVar("S")
P = TypeVar("P")
R = TypeVar("R")

MAX_PREPARED = 8  # items that wait for a short second step
AHEAD = 2  # further items of each worker: one in work, one that waits for it


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
        A separate thread reads it, at most `max_in_flight(workers)` items ahead of the results
        that were taken. So it may be endless, and it may wait for its next item.
    prepare, answer : callable
        The two steps. Each worker calls them in its own thread.
    workers : int
        Number of threads that run steps.
    limit_s : float, optional
        Seconds that a step of an item may take.
    late : callable, optional
        Gets an item and the number of the step that exceeds `limit_s`, from 1, and returns the
        result of the item. The hanging thread is replaced. Required with `limit_s`.

    Raises
    ------
    Exception
        What a step raises, in the place of its item; what `items` raises, after the results of
        the items before.
    """
    pipeline = _Pipeline(prepare, answer, workers, limit_s, late)
    try:
        pipeline.start(items)
        while (task := pipeline.next_task()) is not None:
            yield task.result()
    finally:
        pipeline.close()


def max_in_flight(workers: int) -> int:
    """Return the number of items that are read but not yielded; it bounds the memory."""
    return MAX_PREPARED + AHEAD * workers


class _Item(Task[R], Generic[S, R]):
    """One item and its outcome."""

    def __init__(self, value: S) -> None:
        super().__init__()
        self.value = value


class _Pipeline(Generic[S, P, R]):
    """The threads and their shared state.

    A worker prepares items until enough of them wait for a short answer. Then it answers one
    after the other until none waits.
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
        self._lock = threading.Lock()
        # One condition for each kind of thread, so that no thread is woken in vain.
        self._result_ready = threading.Condition(self._lock)  # the caller waits
        self._work_ready = threading.Condition(self._lock)  # the workers wait
        self._item_wanted = threading.Condition(self._lock)  # the reader waits
        self._closed = False
        self._may_be_read = max_in_flight(workers)  # number of items
        self._ordered: deque[Task[R] | None] = deque()  # None: the end of the source
        self._unprepared: deque[_Item[S, R]] = deque()
        self._prepared: deque[tuple[P, _Item[S, R]]] = deque()
        self._running: set[_Item[S, R]] = set()  # items of which a thread runs a step
        self._prepare_s, self._answer_s = 0.0, math.inf  # duration of the latest step of each kind

    def start(self, items: Iterable[S]) -> None:
        """Start the reader and the workers."""
        threading.Thread(target=self._read, args=(items,), name="alledge-read", daemon=True).start()
        for _ in range(self._workers):
            self._start_worker()

    def close(self) -> None:
        """Have every thread end after its current step."""
        with self._lock:
            self._closed = True
            self._work_ready.notify_all()
            self._item_wanted.notify_all()

    def next_task(self) -> Task[R] | None:
        """Wait for the next item in order, and return it; None after the last one."""
        with self._lock:
            while not (self._ordered and (self._ordered[0] is None or self._ordered[0].done)):
                remaining_s = self._seconds_until_late()
                if remaining_s is not None and remaining_s <= 0:
                    self._replace_late_threads()
                else:
                    self._result_ready.wait(remaining_s)
            self._may_be_read += 1
            self._item_wanted.notify()
            return self._ordered.popleft()

    def _seconds_until_late(self) -> float | None:
        if self._limit_s is None:
            return None
        # a step that starts during the wait becomes late after the limit, or later
        return min(
            (item.remaining_s(self._limit_s) for item in self._running), default=self._limit_s
        )

    def _replace_late_threads(self) -> None:
        assert self._limit_s is not None
        assert self._late is not None
        for item in [item for item in self._running if item.remaining_s(self._limit_s) <= 0]:
            self._running.discard(item)
            item.finish(self._late(item.value, item.steps))
            self._start_worker()

    def _start_worker(self) -> None:
        threading.Thread(target=self._work, name="alledge", daemon=True).start()

    def _read(self, items: Iterable[S]) -> None:
        end: Task[R] | None = None
        try:
            source = iter(items)
            while self._wait_until_wanted():
                item: _Item[S, R] = _Item(next(source))
                with self._lock:
                    self._ordered.append(item)
                    self._unprepared.append(item)
                    self._work_ready.notify()
        except StopIteration:
            pass
        except BaseException as error:
            end = Task()
            end.fail(error)
        with self._lock:
            self._ordered.append(end)
            self._result_ready.notify()

    def _wait_until_wanted(self) -> bool:
        """Return True when another item may be read, and False when no more are wanted."""
        with self._lock:
            while not (self._may_be_read or self._closed):
                self._item_wanted.wait()
            self._may_be_read -= 1
            return not self._closed

    def _work(self) -> None:
        while self._wait_for_work():
            if (item := self._take_unprepared()) is not None and not self._prepare_one(item):
                return
            if self._is_time_to_answer():
                while (prepared := self._take_prepared()) is not None:
                    if not self._answer_one(*prepared):
                        return

    def _wait_for_work(self) -> bool:
        """Return True when there is work, and False when the results are no longer wanted."""
        with self._lock:
            while not (self._closed or self._unprepared or self._prepared):
                self._work_ready.wait()
            return not self._closed

    def _take_unprepared(self) -> _Item[S, R] | None:
        with self._lock:
            if not self._unprepared:
                return None
            item = self._unprepared.popleft()
            self._running.add(item)
            return item

    def _take_prepared(self) -> tuple[P, _Item[S, R]] | None:
        with self._lock:
            if self._closed or not self._prepared:
                return None
            prepared, item = self._prepared.popleft()
            self._running.add(item)
            return prepared, item

    def _is_time_to_answer(self) -> bool:
        with self._lock:
            is_short = self._answer_s < self._prepare_s
            return not (is_short and self._unprepared and len(self._prepared) < MAX_PREPARED)

    def _prepare_one(self, item: _Item[S, R]) -> bool:
        """Run the first step of an item; return False if this thread has been replaced."""
        began_s = time.perf_counter()
        try:
            with item.step():
                prepared = self._prepare(item.value)
        except BaseException as error:
            return self._store(item, partial(item.fail, error))
        self._prepare_s = time.perf_counter() - began_s
        return self._store(item, partial(self._prepared.append, (prepared, item)))

    def _answer_one(self, prepared: P, item: _Item[S, R]) -> bool:
        """Run the second step of an item; return False if this thread has been replaced."""
        began_s = time.perf_counter()
        try:
            with item.step():
                result = self._answer(prepared)
        except BaseException as error:
            return self._store(item, partial(item.fail, error))
        self._answer_s = time.perf_counter() - began_s
        return self._store(item, partial(item.finish, result))

    def _store(self, item: _Item[S, R], store: Callable[[], object]) -> bool:
        """Store the outcome of a step, unless the item was late and this thread replaced."""
        with self._lock:
            if item not in self._running:
                return False
            self._running.discard(item)
            store()
            if not item.done:
                self._work_ready.notify()  # an idle thread may take the second step
            elif item is self._ordered[0]:
                self._result_ready.notify()
            return True
