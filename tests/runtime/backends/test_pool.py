"""The pool: each thread has its own object, and no thread waits for ever."""

from __future__ import annotations

import contextlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from alledge.errors import BackendError
from alledge.runtime.backends.pool import Pool

LONG_S = 10.0  # a thread that has not ended by then waits for ever


def counted(most: int) -> tuple[Pool[int], list[int]]:
    created: list[int] = []

    def make() -> int:
        created.append(len(created))
        return created[-1]

    return Pool(make, most), created


def test_a_thread_gets_the_object_that_it_had_before() -> None:
    pool, created = counted(3)
    for _ in range(5):
        with pool.lend() as one:
            assert one == 0
    assert created == [0]


def test_no_more_objects_are_created_than_the_size_of_the_pool() -> None:
    pool, created = counted(2)
    using = 0
    most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal using, most
        for _ in range(50):
            with pool.lend():
                with lock:
                    using += 1
                    most = max(most, using)
                with lock:
                    using -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert not any(thread.is_alive() for thread in threads)
    assert most <= 2
    assert len(created) <= 2


def test_closing_wakes_waiting_threads() -> None:
    pool, _ = counted(1)
    outcomes: list[str] = []
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        try:
            with pool.lend():
                outcomes.append("lent")
        except BackendError as error:
            outcomes.append(str(error))

    with pool.lend():
        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait()
        pool.close()
        thread.join(LONG_S)
    assert not thread.is_alive()
    assert "closed" in outcomes[0]


def test_an_object_that_cannot_be_created_is_reported_at_once() -> None:
    def make() -> str:
        raise ValueError("no memory")

    with pytest.raises(ValueError, match="no memory"):
        Pool(make, 1)


def test_creating_an_object_is_tried_again_after_a_failure() -> None:
    outcomes = ["first", ValueError("no memory"), "second"]

    def make() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    pool = Pool(make, 2)
    with pool.lend() as first, ThreadPoolExecutor(1) as other:
        with pytest.raises(ValueError, match="no memory"):
            other.submit(_lent, pool).result(LONG_S)
        assert (first, other.submit(_lent, pool).result(LONG_S)) == ("first", "second")


def _lent(pool: Pool[str]) -> str:
    with pool.lend() as one:
        return one


def test_objects_are_created_one_at_a_time() -> None:
    barrier, two_creators, overlap = threading.Barrier(4), threading.Barrier(2), threading.Event()

    def make() -> object:
        with contextlib.suppress(threading.BrokenBarrierError):
            two_creators.wait(0.2)  # passes only if a second thread creates an object too
            overlap.set()
        return object()

    pool = Pool(make, 4)

    def work() -> None:
        with pool.lend():
            barrier.wait(LONG_S)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: work(), range(4)))
    assert not overlap.is_set()


def test_a_thread_that_waits_is_served_before_one_that_comes_later() -> None:
    pool, _ = counted(1)
    started, served = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        with pool.lend():
            served.set()

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # a thread keeps the interpreter lock until it waits
    try:
        with pool.lend():
            thread = threading.Thread(target=wait)
            thread.start()
            assert started.wait(LONG_S)
        with pool.lend():
            assert served.is_set()
    finally:
        sys.setswitchinterval(interval_s)
        thread.join(LONG_S)
