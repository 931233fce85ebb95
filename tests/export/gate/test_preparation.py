"""The gate refuses int8 ONNX of a graph that was not preprocessed; refitting repairs it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alledge.export.convert import last_layer
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.gate.accuracy_gate import Budget, Gate
from alledge.export.gate.out_of_fold import OutOfFoldPredictions
from alledge.export.source_run import read_run_images
from alledge.runtime.backends import load_backend
from alledge.train.runs.run_folder import Run

CHANNEL_RATIO = 1000.0  # largest to smallest channel; 934 in block 15 of a trained MobileNetV2


def scale_channels_apart(network: Any) -> None:
    """Scale the depthwise channels, and back in the normalization, so that no score changes."""
    import keras

    layers = network.get_layer("base").layers
    at = next(i for i, one in enumerate(layers) if isinstance(one, keras.layers.DepthwiseConv2D))
    depthwise, after = layers[at], layers[at + 1]
    factor = np.geomspace(1, CHANNEL_RATIO, depthwise.kernel.shape[2]).astype(np.float32)
    depthwise.kernel.assign(np.asarray(depthwise.kernel) * factor[:, None])
    gamma, beta, mean, variance = after.get_weights()
    wide = variance * factor**2
    gamma *= np.sqrt((wide + after.epsilon) / (factor**2 * (variance + after.epsilon)))
    after.set_weights([gamma, beta, mean * factor, wide])


def convert_from_keras(network: Any, out: Path) -> None:
    """Write the ONNX graph that tf2onnx makes of Keras; normalization is not folded."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    from alledge.export.convert import onnx as converter
    from alledge.export.convert.serving_graph import INPUT_NAME, serving_model

    serving = serving_model(network)
    inputs = [tf.TensorSpec(serving.inputs[0].shape, tf.uint8, name=INPUT_NAME)]
    function = tf.function(lambda pixels: serving(pixels, training=False), input_signature=inputs)
    proto, _ = tf2onnx.convert.from_function(
        function, input_signature=inputs, opset=converter.OPSET
    )
    proto.ir_version = converter.IR_VERSION
    out.parent.mkdir(parents=True)
    onnx.save(proto, out)


@pytest.fixture(scope="module")
def gate(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """A gate over fold networks whose ONNX graphs come directly from Keras."""
    from alledge.export.convert import onnx as converter
    from alledge.train.networks.saved_network import load_network

    folder, run_images = tmp_path_factory.mktemp("keras"), read_run_images(tiny_run)
    for fold in tiny_run.fold_numbers:
        network = load_network(tiny_run.fold_model_path(fold))
        scale_channels_apart(network)
        convert_from_keras(network, folder / str(fold) / converter.FLOAT)

    def fold_scores(format_name: str, recipe: Recipe, fold: int) -> np.ndarray:
        sources = folder / str(fold)
        calibration = run_images.calibration_images(fold).images
        proto, _ = converter.convert("int8", recipe, calibration, sources)
        (sources / "model.onnx").write_bytes(proto.SerializeToString())
        backend = load_backend("onnx", sources / "model.onnx", 1)
        images = run_images.images[run_images.tested_images(fold)]
        scores = np.concatenate([backend.predict(image[None]) for image in images])
        backend.close()
        return scores

    predictions = OutOfFoldPredictions.from_run(tiny_run, run_images)
    return Gate(predictions, fold_scores, "int8", Budget())


@pytest.mark.parametrize("prepared", [True, False])
def test_without_refitting_only_the_preprocessed_graph_passes(
    gate: Gate, prepared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_layer, "LEAST_IMAGES", 10**9)
    assessment = gate.assess("onnx", Recipe(prepared=prepared))
    assert assessment.passed is prepared, assessment.figures


def test_refitting_the_last_layer_repairs_the_graph_that_was_not_preprocessed(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    refitted = gate.assess("onnx", Recipe(prepared=False)).figures
    monkeypatch.setattr(last_layer, "LEAST_IMAGES", 10**9)
    plain = gate.assess("onnx", Recipe(prepared=False)).figures
    assert refitted["mean_dp"] < plain["mean_dp"] / 2
