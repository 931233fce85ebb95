"""The table of supported operator versions, and its comparison with those of a model."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from alledge.devices.operator_support import (
    nearest_probed_runtime,
    probe_runtime,
    supported_versions,
    unsupported_operators,
)
from alledge.errors import BundleError
from alledge.runtime.tflite_graph import operator_versions


def test_tflite_runtime_does_not_support_the_dense_layer_of_dynamic_range_models():
    missing = unsupported_operators(
        {"FULLY_CONNECTED": 12}, supported_versions()["tflite-runtime 2.14.0"]
    )
    assert missing == {"FULLY_CONNECTED": (12, 10)}
    assert not unsupported_operators(
        {"FULLY_CONNECTED": 12}, supported_versions()["ai-edge-litert 2.3.0"]
    )


def test_an_operator_that_is_not_in_the_table_is_unsupported():
    assert unsupported_operators({"MINE": 1}, {"ADD": 3}) == {"MINE": (1, 0)}


@pytest.mark.parametrize(
    ("installed", "nearest"),
    [("2.3.0", "one 2.3.0"), ("2.10.0", "one 2.3.0"), ("3.0", "one 2.14.0"), ("1.0", None)],
)
def test_an_unprobed_runtime_is_compared_with_the_nearest_older_one(installed, nearest):
    probed = ["one 2.14.0", "one 2.3.0", "other 9.0"]
    assert nearest_probed_runtime("one", installed, probed) == nearest


def test_the_tiny_model_is_supported_and_a_truncated_one_refused(tmp_path, tiny_model):
    versions = operator_versions(tiny_model)
    assert {"AVERAGE_POOL_2D", "FULLY_CONNECTED", "SOFTMAX"} <= set(versions)
    assert not unsupported_operators(versions, supported_versions()["tflite-runtime 2.14.0"])
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(tiny_model.read_bytes()[:200])
    with pytest.raises(BundleError):
        operator_versions(cut)


def test_the_table_has_what_the_installed_runtime_supports():
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
    runtime = f"ai-edge-litert {version('ai-edge-litert')}"
    if runtime not in supported_versions():
        pytest.skip(f"{runtime} is not in the table")
    assert probe_runtime(interpreter) == supported_versions()[runtime]


def test_the_table_names_the_command_that_writes_its_rows():
    import alledge.devices

    file = Path(alledge.devices.__file__).with_name("operator_support.json")
    document = json.loads(file.read_text(encoding="utf-8"))
    assert "alledge.devices.operator_support" in document["source"]
