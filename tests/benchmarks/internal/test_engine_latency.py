"""`engine_latency`: the output of benchmark_app, and the line that compares both sides."""

from __future__ import annotations

import pytest

from alledge.benchmarks.internal.engine_latency import comparison_row, parse_benchmark_app
from alledge.errors import BackendError

OUTPUT = """[ INFO ] First inference took 6.96 ms
[ INFO ] Count:            5000 iterations
[ INFO ] Duration:         {duration}
[ INFO ] Latency:
[ INFO ]    Median:        {median}
"""


@pytest.mark.parametrize(
    ("duration", "median"), [("1000.0 ms", "159.94 us"), ("1.0 s", "0.15994 ms")]
)
def test_wall_time_and_counter_are_parsed_in_any_unit(duration: str, median: str) -> None:
    latency = parse_benchmark_app(OUTPUT.format(duration=duration, median=median))
    assert latency == pytest.approx({"ms": 0.2, "counter_ms": 0.15994})


def test_output_without_a_duration_is_an_error() -> None:
    with pytest.raises(BackendError, match="no duration, count or median"):
        parse_benchmark_app("Count: 5 iterations")


def test_the_row_has_the_counter_of_benchmark_app_if_there_is_one() -> None:
    theirs = [{"ms": 2.0, "counter_ms": 1.5}, {"ms": 2.0, "counter_ms": 1.7}]
    row = comparison_row("tiny", "openvino", 1, [{"ms": 2.2, "counter_ms": None}] * 2, theirs)
    assert row["its_counter_ms"] == 1.6
    assert row["ratio"] == 1.1
    same = [{"ms": 1.0, "counter_ms": None}] * 2
    plain = comparison_row("tiny", "onnx", 1, same, same)
    assert "its_counter_ms" not in plain
