"""A preparation step that was skipped ruins int8 silently; the gate finds it by the scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.gate.accuracy_gate import Budget, Gate
from alledge.export.gate.held_out import HeldOut
from alledge.export.source_run import read_run_images
from alledge.runtime.backends import load_backend
from alledge.train.runs.run_folder import Run

APART = 1000.0  # largest over smallest channel; 934 in block 15 of a trained MobileNetV2


def scaled_apart(network: Any) -> None:
    """Scale the depthwise channels apart, and back in the normalization: no score changes."""
    import keras

    layers = network.get_layer("base").layers
    at = next(i for i, one in enumerate(layers) if isinstance(one, keras.layers.DepthwiseConv2D))
    depthwise, after = layers[at], layers[at + 1]
    factor = np.geomspace(1, APART, depthwise.kernel.shape[2]).astype(np.float32)
    depthwise.kernel.assign(np.asarray(depthwise.kernel) * factor[:, None])
    gamma, beta, mean, variance = after.get_weights()
    wide = variance * factor**2
    gamma *= np.sqrt((wide + after.epsilon) / (factor**2 * (variance + after.epsilon)))
    after.set_weights([gamma, beta, mean * factor, wide])


def straight_from_keras(network: Any, out: Path) -> None:
    """Write the ONNX graph as tf2onnx makes it of Keras: normalization stands by itself."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    from alledge.export.convert import onnx as converter
    from alledge.export.convert.serving_graph import INPUT_NAME, serving_model

    serving = serving_model(network)
    given = [tf.TensorSpec(serving.inputs[0].shape, tf.uint8, name=INPUT_NAME)]
    function = tf.function(lambda pixels: serving(pixels, training=False), input_signature=given)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=given, opset=converter.OPSET)
    proto.ir_version = converter.IR_VERSION
    out.parent.mkdir(parents=True)
    onnx.save(proto, out)


@pytest.fixture(scope="module")
def gate(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The gate over fold networks whose ONNX comes straight from Keras."""
    from alledge.export.convert import onnx as converter
    from alledge.export.convert.serving_graph import load_float

    folder, material = tmp_path_factory.mktemp("straight"), read_run_images(tiny_run)
    for fold in tiny_run.fold_numbers:
        network = load_float(tiny_run.fold_model_path(fold))
        scaled_apart(network)
        straight_from_keras(network, folder / str(fold) / converter.FLOAT)

    def scores(form: str, recipe: Recipe, fold: int) -> np.ndarray:
        sources = folder / str(fold)
        made, _ = converter.convert("int8", recipe, material.training_part(fold), sources)
        (sources / "model.onnx").write_bytes(made.SerializeToString())
        backend = load_backend("onnx", sources / "model.onnx", 1)
        images = material.images[material.held_out(fold)]
        found = np.concatenate([backend.predict(image[None]) for image in images])
        backend.close()
        return found

    return Gate(HeldOut.of_run(tiny_run, material), scores, "int8", Budget())


@pytest.mark.parametrize("prepared", [True, False])
def test_only_what_was_prepared_passes(gate: Gate, prepared: bool) -> None:
    tried: list[dict[str, Any]] = []
    passed = [row[0] for row in gate.passing("onnx", (Recipe(prepared=prepared),), tried)]
    assert bool(passed) is prepared, tried
    assert "error" not in tried[0]
