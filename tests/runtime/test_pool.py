"""What a backend lends: each thread its own, nobody waits for ever, a closed pool says so."""

from __future__ import annotations

import threading

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


def test_what_could_not_be_made_is_tried_again() -> None:
    fails = [True]

    def make() -> str:
        if fails.pop() if fails else False:
            raise ValueError("no memory")
        return "made"

    pool = Pool(make, 1)
    with pytest.raises(ValueError, match="no memory"), pool.lend():
        pass
    with pool.lend() as one:
        assert one == "made"
