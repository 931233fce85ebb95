"""The pipeline of two steps in several threads: order, bounded memory, errors, time limits."""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Iterator

import pytest

from alledge.runtime import pipeline
from alledge.runtime.pipeline import MAX_PREPARED, in_order, max_in_flight

LONG_S = 10.0


def test_results_come_in_order_whatever_a_step_takes() -> None:
    prepared = [threading.Event() for _ in range(60)]

    def prepare(number: int) -> int:
        if number % 3 == 0:  # ends after the next item
            assert prepared[number + 1].wait(LONG_S)
        prepared[number].set()
        return number

    assert list(in_order(range(60), prepare, operator.neg, 3)) == [-number for number in range(60)]


@pytest.mark.parametrize("count", [0, 1, MAX_PREPARED - 1, MAX_PREPARED, MAX_PREPARED + 1])
def test_few_items_give_results_too(count: int) -> None:
    assert list(in_order(range(count), float, str, 2)) == [str(float(n)) for n in range(count)]


class Clock:
    """The clock of the pipeline; it stands still until a step says how long it took."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(pipeline, "time", fake)
    return fake


def test_short_second_steps_run_back_to_back(clock: Clock) -> None:
    count, steps = 8 * MAX_PREPARED, list[str]()
    requested = [threading.Event() for _ in range(count + 1)]

    def source() -> Iterator[int]:
        for number, event in enumerate(requested):
            event.set()
            if number < count:
                yield number

    def prepare(number: int) -> int:
        # the next item waits already
        assert requested[min(number + 2, count)].wait(LONG_S)
        clock.now_s += 1
        steps.append("prepare")
        return number

    def answer(number: int) -> int:
        steps.append("answer")
        return number

    list(in_order(source(), prepare, answer, 1))
    runs = [len(list(run)) for step, run in itertools.groupby(steps) if step == "answer"]
    assert max(runs) == MAX_PREPARED


def test_long_second_steps_wait_for_no_others(clock: Clock) -> None:
    steps: list[str] = []

    def answer(number: int) -> int:
        clock.now_s += 1
        steps.append("answer")
        return number

    def prepare(number: int) -> int:
        steps.append("prepare")
        return number

    list(in_order(range(3 * MAX_PREPARED), prepare, answer, 1))
    assert steps == ["prepare", "answer"] * (3 * MAX_PREPARED)


def test_an_endless_source_is_read_only_a_few_items_ahead() -> None:
    read = 0

    def endless() -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            yield read

    results = in_order(endless(), int, int, 2)
    assert [next(results) for _ in range(50)] == list(range(1, 51))
    assert 50 <= read <= 50 + max_in_flight(2)
    results.close()  # type: ignore[attr-defined]


def test_a_result_does_not_wait_for_the_next_item_of_a_slow_source() -> None:
    answered = threading.Semaphore(0)
    given: list[int] = []

    def slowly() -> Iterator[int]:
        for number in range(5):
            yield number
            assert answered.acquire(timeout=LONG_S), "the answer waits for further items"

    def answer(number: int) -> int:
        given.append(number)
        answered.release()
        return number

    assert list(in_order(slowly(), int, answer, 2)) == given


@pytest.mark.parametrize("step", ["prepare", "answer"])
def test_what_a_step_raises_is_raised_in_its_place(step: str) -> None:
    def fail(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        return number

    steps = (fail, int) if step == "prepare" else (int, fail)
    results = in_order(range(100), *steps, 2)
    assert list(itertools.islice(results, 7)) == list(range(7))
    with pytest.raises(ValueError, match="seven"):
        next(results)


def test_no_more_items_are_in_work_than_there_are_workers() -> None:
    at_once, highest, lock = 0, 0, threading.Lock()
    together = threading.Barrier(3)

    def step(number: int) -> int:
        nonlocal at_once, highest
        with lock:
            at_once += 1
            highest = max(highest, at_once)
        if number < 3:
            together.wait(LONG_S)  # passes only when three steps run at once
        with lock:
            at_once -= 1
        return number

    list(in_order(range(60), step, int, 3))
    assert highest == 3
