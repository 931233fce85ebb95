"""The tables of docs/export.md, from a small exported bundle."""

from __future__ import annotations

from alledge.benchmarks.internal.export_tables import COST, cost_rows, kept_rows, step_rows
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.data.datasets import read_dataset
from alledge.train.runs.run_folder import Run


def test_each_format_has_a_row_with_its_cost(int8_bundle: Bundle) -> None:
    rows = cost_rows(int8_bundle.path)
    assert [row[0].partition(", ")[2] for row in rows] == list(int8_bundle.formats)
    assert {len(row) for row in rows} == {len(COST)}


def test_the_steps_add_up_by_kind_and_the_longest_comes_first(int8_bundle: Bundle) -> None:
    rows = step_rows(int8_bundle.path)
    seconds = [int(row[2]) for row in rows]
    assert seconds == sorted(seconds, reverse=True)
    assert "tflite int8" in [row[0] for row in rows]


def test_formats_are_compared_on_the_same_images(int8_bundle: Bundle, tiny_run: Run) -> None:
    data = read_dataset(tiny_run.record["data"]["root"])
    row, differences = kept_rows(int8_bundle.path, data)
    assert len(row) == 1 + len(int8_bundle.formats)
    assert [line[1] for line in differences] == [
        "tflite, onnx",
        "tflite, openvino",
        "onnx, openvino",
    ]
