"""The reader of TFLite graphs: operators, versions and FLOPs; damaged files are refused."""

import sys

import pytest

from alledge.errors import BundleError, MissingPackageError
from alledge.runtime.tflite_graph import count_flops, operator_versions, read_operators
from support.tflite_models import SMALL_NETWORK, write_model


def test_the_flops_of_a_small_network_are_those_counted_by_hand(tmp_path):
    convolution = 2 * (3 * 3 * 3) * (4 * 3 * 3)  # a 3 x 3 x 3 kernel at 4 x 3 x 3 places
    depthwise = 2 * (1 * 2 * 2) * (4 * 2 * 2)
    dense = 2 * 16 * 2
    path = write_model(tmp_path / "model.tflite", SMALL_NETWORK[:-1])
    assert count_flops(path) == convolution + depthwise + dense == 2136


def test_operators_keep_their_order_names_versions_and_shapes(tmp_path):
    operators = read_operators(write_model(tmp_path / "model.tflite", SMALL_NETWORK))
    assert [
        (row.name, row.version, [side.shape for side in row.inputs], row.outputs[0].shape)
        for row in operators
    ] == SMALL_NETWORK
    assert operators[0].outputs[0].name == "a tensor"


def test_the_highest_version_of_each_operator_counts(tmp_path):
    versions = operator_versions(write_model(tmp_path / "model.tflite", SMALL_NETWORK))
    assert versions == {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 9, "RESHAPE": 1}


def test_a_custom_operator_has_its_own_name(tmp_path):
    path = write_model(tmp_path / "x.tflite", [("CUSTOM", 2, [(1,)], (1,))], custom="Mine")
    assert operator_versions(path) == {"Mine": 2}


@pytest.mark.parametrize("content", [b"", b"nothing at all", b"\x00" * 64, b"\xff" * 4 + b"TFL3"])
def test_a_file_that_is_not_a_model_is_refused(tmp_path, content):
    path = tmp_path / "x.tflite"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="not a TFLite model"):
        read_operators(path)


def test_a_truncated_model_is_refused_at_every_length(tmp_path):
    whole = write_model(tmp_path / "model.tflite", SMALL_NETWORK).read_bytes()
    path = tmp_path / "cut.tflite"
    for length in range(0, len(whole) - 64, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(BundleError, match="not a TFLite model"):
            read_operators(path)


def test_a_missing_schema_is_reported_with_the_extra_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.delitem(sys.modules, "ai_edge_litert.schema_py_generated", raising=False)
    with pytest.raises(MissingPackageError, match="ai-edge-litert") as caught:
        read_operators(tmp_path / "model.tflite")
    assert "alledge[tflite]" in caught.value.fix
