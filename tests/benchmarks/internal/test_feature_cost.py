"""The measurement of what features cost."""

import json

import pytest
from click.testing import CliRunner

from alledge.benchmarks.internal.feature_cost import main
from alledge.runtime.bundle.builtin import builtin_folder


@pytest.mark.skipif(
    not (builtin_folder() / "bundle.json").is_file(), reason="make builtin was not run"
)
def test_a_line_has_the_ratio_with_its_interval() -> None:
    result = CliRunner().invoke(main, ["builtin", "--rounds", "2", "--backend", "tflite"])
    row = json.loads(result.stdout)
    assert row["backend"] == "tflite"
    assert 0 < row["low"] <= row["ratio"] <= row["high"]
