"""Results that are ready at the same moment come together, in order, and none is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.runtime.station.watching.ready_groups import ready_groups


@given(st.lists(st.integers(), max_size=30))
def test_every_result_comes_once_and_in_order(results: list[int]) -> None:
    groups = list(ready_groups(iter(results)))
    assert [result for group in groups for result in group] == results
    assert all(groups)


def test_what_comes_while_a_group_is_written_is_one_group() -> None:
    first_is_written, all_came = threading.Event(), threading.Event()

    def results() -> Iterator[int]:
        yield 0
        first_is_written.wait(60)
        yield from range(1, 10)
        all_came.set()

    groups = ready_groups(results())
    assert next(groups) == [0]
    first_is_written.set()
    all_came.wait(60)
    assert [result for group in groups for result in group] == list(range(1, 10))


def test_an_error_comes_after_the_results_before_it() -> None:
    def results() -> Iterator[int]:
        yield from range(3)
        raise ValueError("the engine failed")

    groups, seen = ready_groups(results()), list[int]()
    while len(seen) < 3:
        seen += next(groups)
    assert seen == [0, 1, 2]
    with pytest.raises(ValueError, match="engine failed"):
        next(groups)


def test_a_caller_that_stops_ends_the_source() -> None:
    is_closed = threading.Event()

    def results() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            is_closed.set()

    groups = ready_groups(results())
    next(groups)
    groups.close()
    assert is_closed.wait(60)
