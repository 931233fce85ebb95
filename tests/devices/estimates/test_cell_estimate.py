"""Estimates of fields whose cells are judged one by one, and measured rows of cell models."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices.estimates.cell_estimate import (
    DEFAULT_CELLS,
    FIELD_SIZE,
    estimate_field,
    field_stages_ms,
    layers_for_size,
)
from alledge.devices.estimates.estimate import estimate
from alledge.devices.estimates.recommend import read_results
from alledge.devices.estimates.roofline import roofline_calibration
from alledge.devices.profiles import get_profile
from alledge.errors import UsageError
from support.results import MEASURED, complete_result

SCHEMAS = Path(__file__).resolve().parents[3] / "runtime" / "schemas"
LAYERS = roofline_calibration()["models"]["mobilenetv2"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Run in an empty folder, without a `measured/benchmark.json`."""
    monkeypatch.chdir(tmp_path)


def recommended(*arguments: str) -> dict:
    result = CliRunner().invoke(main, ["devices", "recommend", "--json", *arguments])
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    schema = json.loads((SCHEMAS / "recommend.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    return document


def test_layers_of_the_same_size_are_the_same():
    assert layers_for_size(LAYERS, FIELD_SIZE) == [tuple(layer) for layer in LAYERS]


def test_operations_grow_with_the_area_and_weights_do_not():
    half = layers_for_size(LAYERS, FIELD_SIZE // 2)
    assert sum(row[1] * row[4] for row in half) == pytest.approx(
        sum(row[1] * row[4] for row in LAYERS) / 4, rel=0.02
    )
    assert [row[2] for row in half] == [row[2] for row in LAYERS]


def test_a_layer_that_works_on_one_position_keeps_its_operations():
    assert layers_for_size([("dense", 2000, 1000, 110, 1)], 96)[0][1] == 2000


def test_a_field_takes_its_stages_and_every_cell():
    board = get_profile("raspberry-pi-5")
    none, some = (estimate_field(LAYERS, "int8", board, cells) for cells in (0, 7))
    one = estimate(layers_for_size(LAYERS, 96), "int8", board)
    assert none["ms"] == pytest.approx(field_stages_ms(board))
    assert some["ms"] == pytest.approx(none["ms"] + 7 * one["ms"])
    assert some["low_ms"] < some["ms"] < some["high_ms"]
    assert "7 cells of 96 pixels" in some["basis"]
    assert "never compared with a board" in some["basis"]


def test_a_precision_that_cannot_be_estimated_is_refused():
    with pytest.raises(UsageError, match="precision"):
        estimate_field(LAYERS, "dynamic", get_profile("raspberry-pi-5"))


def test_recommendations_of_cells_name_the_number_of_cells():
    twenty = recommended("--task", "cell", "--device", "raspberry-pi-5")
    forty = recommended("--task", "cell", "--device", "raspberry-pi-5", "--cells", "40")
    assert (twenty["cells"], forty["cells"]) == (DEFAULT_CELLS, 40)
    assert {row["kind"] for row in twenty["rows"]} == {"estimated"}
    slowest = {(row["model"], row["precision"]): row["ms"] for row in forty["rows"]}
    assert all(row["ms"] < slowest[row["model"], row["precision"]] for row in twenty["rows"])
    assert "cells" not in recommended("--device", "raspberry-pi-5")
    text = CliRunner().invoke(main, ["devices", "recommend", "--task", "cell"]).output
    assert "ms, a field of 20 cells" in text
    assert "no board was measured yet" in text


def test_cells_without_a_cell_model_are_refused():
    result = CliRunner().invoke(main, ["devices", "recommend", "--cells", "3"])
    assert result.exit_code == 2
    assert "--task cell --cells 3" in result.output


def test_measured_rows_of_cells_are_for_the_wanted_number_of_cells(tmp_path):
    stages = {"cells": 4, "decode_ms": 30.0, "detect_ms": 50.0, "judge_ms": 8.0, "cell_ms": 2.0}
    whole = json.loads(MEASURED.read_text(encoding="utf-8"))["rows"][0]
    document = complete_result({}, [whole, {**whole, "task": "cell", "stages": stages}])
    file = tmp_path / "benchmark.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    (of_cells,) = read_results([file], cells=10)
    assert of_cells["ms"] == 100.0
    assert len(read_results([file])) == 1
