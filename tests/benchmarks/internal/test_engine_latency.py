"""Reading what the engines' own tools print, and the line that compares them with ours."""

from __future__ import annotations

import pytest

from alledge.benchmarks.internal.engine_latency import read_benchmark_app, row_of
from alledge.errors import BackendError

SAID = """[ INFO ] First inference took 6.96 ms
[ INFO ] Count:            5000 iterations
[ INFO ] Duration:         {duration}
[ INFO ] Latency:
[ INFO ]    Median:        {median}
"""


@pytest.mark.parametrize(
    ("duration", "median"), [("1000.0 ms", "159.94 us"), ("1.0 s", "0.15994 ms")]
)
def test_wall_time_and_counter_are_read_in_any_unit(duration: str, median: str) -> None:
    found = read_benchmark_app(SAID.format(duration=duration, median=median))
    assert found == pytest.approx({"ms": 0.2, "counter_ms": 0.15994})


def test_a_tool_that_prints_something_else_is_an_error() -> None:
    with pytest.raises(BackendError, match="no duration, count or median"):
        read_benchmark_app("Count: 5 iterations")


def test_the_counter_stands_beside_the_wall_clock_where_there_is_one() -> None:
    theirs = [{"ms": 2.0, "counter_ms": 1.5}, {"ms": 2.0, "counter_ms": 1.7}]
    row = row_of("tiny", "openvino", 1, ([{"ms": 2.2}, {"ms": 2.2}], theirs))
    assert row["its_counter_ms"] == 1.6
    assert row["ratio"] == 1.1
    plain = row_of("tiny", "onnx", 1, ([{"ms": 1.0}] * 2, [{"ms": 1.0}] * 2))
    assert "its_counter_ms" not in plain
