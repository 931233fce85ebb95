"""Operations, weights and activations of layers, compared with those counted by hand."""

import pytest

from alledge.devices.estimates.layer_costs import (
    Layer,
    count_equal_layers,
    layers_of_graph,
    read_layers,
)
from alledge.errors import BundleError
from alledge.runtime.bundle.bundle import Bundle
from support.bundles import write_bundle
from support.tflite_models import SMALL_NETWORK, write_model

POOLING = [
    ("MEAN", 2, [(1, 2, 2, 4), (2,)], (1, 4)),
    ("RELU", 1, [(1, 4)], (1, 4)),
    ("ADD", 2, [(1, 4), (1, 4)], (1, 4)),
]


def test_layers_with_weights_have_the_costs_counted_by_hand(tmp_path):
    assert layers_of_graph(write_model(tmp_path / "model.tflite", SMALL_NETWORK)) == [
        Layer("dense", ops=2 * 27 * 36, weights=4 * 27, activations=7 * 7 * 3 + 36),
        Layer("depthwise", ops=2 * 4 * 16, weights=16, activations=36 + 16),
        Layer("dense", ops=2 * 16 * 2, weights=32, activations=16 + 2),
        Layer("dense", ops=2 * 2 * 2, weights=4, activations=2 + 2),
    ]


def test_pooling_and_additions_move_memory_and_fused_operators_cost_nothing(tmp_path):
    assert layers_of_graph(write_model(tmp_path / "model.tflite", POOLING)) == [
        Layer("moving", ops=4, weights=0, activations=4 + 16 + 2),
        Layer("moving", ops=4, weights=0, activations=4 + 4 + 4),
    ]


def test_equal_layers_are_counted():
    layer = Layer("dense", ops=10, weights=5, activations=6)
    assert count_equal_layers([layer, layer]) == [("dense", 10, 5, 6, 2)]


def test_the_layers_of_a_bundle_are_those_of_its_tflite_model(tmp_path, artifacts):
    bundle = Bundle.open(write_bundle(tmp_path / "tiny", artifacts))
    assert read_layers(bundle) == layers_of_graph(artifacts / "model.tflite")
    without = Bundle.open(write_bundle(tmp_path / "onnx", artifacts, formats=("onnx",)))
    with pytest.raises(BundleError, match="no TFLite model"):
        read_layers(without)
