"""Operator versions: read from the file, compared with what the runtimes themselves said."""

import json
from pathlib import Path

import pytest

from alledge.devices.operator_support import (
    nearest_probed_runtime,
    supported_versions,
    unsupported_operators,
)
from alledge.errors import BundleError
from alledge.runtime.tflite_graph import operator_versions


def test_dynamic_range_models_of_today_are_too_new_for_the_old_runtime():
    missing = unsupported_operators(
        {"FULLY_CONNECTED": 12}, supported_versions()["tflite-runtime 2.14.0"]
    )
    assert missing == {"FULLY_CONNECTED": (12, 10)}
    assert not unsupported_operators(
        {"FULLY_CONNECTED": 12}, supported_versions()["ai-edge-litert 2.3.0"]
    )


def test_an_operator_nobody_asked_about_counts_as_unknown():
    assert unsupported_operators({"MINE": 1}, {"ADD": 3}) == {"MINE": (1, 0)}


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("2.3.0", "one 2.3.0"), ("2.10.0", "one 2.3.0"), ("3.0", "one 2.14.0"), ("1.0", None)],
)
def test_a_runtime_that_was_not_asked_is_held_to_the_nearest_older_one(version, wanted):
    asked = ["one 2.14.0", "one 2.3.0", "other 9.0"]
    assert nearest_probed_runtime("one", version, asked) == wanted


def test_a_real_model_is_read_and_a_cut_one_refused(tmp_path, tiny_model):
    versions = operator_versions(tiny_model)
    assert {"AVERAGE_POOL_2D", "FULLY_CONNECTED", "SOFTMAX"} <= set(versions)
    assert not unsupported_operators(versions, supported_versions()["tflite-runtime 2.14.0"])
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(tiny_model.read_bytes()[:200])
    with pytest.raises(BundleError):
        operator_versions(cut)


def test_the_table_names_the_command_that_makes_it_again():
    import alledge.devices

    file = Path(alledge.devices.__file__).with_name("operator_support.json")
    document = json.loads(file.read_text(encoding="utf-8"))
    assert "alledge.devices.operator_support" in document["source"]
