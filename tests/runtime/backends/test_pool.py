"""The pool: each thread has an object of its own, nobody waits for ever."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from alledge.errors import BackendError
from alledge.runtime.backends.pool import Pool

LONG_S = 10.0  # a thread that has not ended by then waits for ever


def counted(most: int) -> tuple[Pool[int], list[int]]:
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    return Pool(make, most), made


def test_a_thread_gets_back_what_it_had() -> None:
    pool, made = counted(3)
    for _ in range(5):
        with pool.lend() as one:
            assert one == 0
    assert made == [0]


def test_no_more_are_made_than_were_allowed() -> None:
    pool, made = counted(2)
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
    assert len(made) <= 2


def test_closing_wakes_whoever_waits() -> None:
    pool, _ = counted(1)
    said: list[str] = []
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        try:
            with pool.lend():
                said.append("lent")
        except BackendError as error:
            said.append(str(error))

    with pool.lend():
        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait()
        pool.close()
        thread.join(LONG_S)
    assert not thread.is_alive()
    assert "closed" in said[0]


def test_what_cannot_be_made_is_reported_at_once() -> None:
    def make() -> str:
        raise ValueError("no memory")

    with pytest.raises(ValueError, match="no memory"):
        Pool(make, 1)


def test_what_could_not_be_made_is_tried_again() -> None:
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


def test_objects_are_made_one_at_a_time() -> None:
    at_once, highest, lock = 0, 0, threading.Lock()
    barrier = threading.Barrier(4)

    def make() -> object:
        nonlocal at_once, highest
        with lock:
            at_once += 1
            highest = max(highest, at_once)
        time.sleep(0.01)
        with lock:
            at_once -= 1
        return object()

    pool = Pool(make, 4)

    def work() -> None:
        with pool.lend():
            barrier.wait(LONG_S)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: work(), range(4)))
    assert highest == 1


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
