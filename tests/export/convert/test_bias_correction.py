"""Corrected biases undo the mean error of quantization, in every format alike."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from alledge.export.convert import onnx as onnx_conversion
from alledge.export.convert import tflite
from alledge.export.convert.bias_correction import (
    BIASES,
    bias_pairs,
    correct_tflite,
    read_biases,
)
from alledge.export.convert.onnx_int8 import prepared, quantize
from alledge.export.convert.quantization_recipes import Recipe

SIZE = 32


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(1)
    smooth = rng.integers(0, 256, (48, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return np.clip(smooth + rng.normal(0, 10, smooth.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> Path:
    """Return a folder with the float graphs and the corrected biases of a network.

    Some weights of each filter are large, so that rounding moves the others far.
    """
    import keras

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("network")
    network = keras.Sequential([
        keras.Input((SIZE, SIZE, 3)),
        keras.layers.Conv2D(16, 3, strides=2, activation="relu", bias_initializer="normal"),
        keras.layers.DepthwiseConv2D(3, activation="relu", bias_initializer="normal"),
        keras.layers.Conv2D(24, 1, activation="relu", bias_initializer="normal"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2, activation="softmax", bias_initializer="normal"),
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    for layer in network.layers[:3]:
        weights, bias = layer.get_weights()
        weights[0, 0] *= 20 * rng.choice([-1, 1], weights[0, 0].shape)
        layer.set_weights([weights, bias])
    network.save(folder / "model.keras")
    content, _ = tflite.convert(folder / "model.keras", "float32", Recipe(), None, folder)
    (folder / tflite.FLOAT).write_bytes(content)
    onnx_conversion.make_float(folder / tflite.FLOAT, folder / onnx_conversion.FLOAT)
    np.savez(folder / BIASES, **corrected_pairs(folder, images))
    return folder


def corrected_pairs(folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    import onnx

    quantized, _ = quantize(folder, Recipe(correction="bias"), images[:32])
    return bias_pairs(onnx.load(prepared(folder)), onnx.load(quantized))


def mean_features(format_name: str, content: bytes, images: np.ndarray) -> np.ndarray:
    """Return the mean of every feature that reaches the last dense layer."""
    import onnx

    if format_name == "tflite":
        layer = tflite._dense_layer(bytearray(content))
    else:
        layer = onnx_conversion._dense_layer(onnx.load_from_string(content))
    return layer.features(images).mean(axis=0)


def error(sources: Path, format_name: str, images: np.ndarray, *, corrected: bool) -> float:
    """Return how far the features of an int8 artifact are from those of the float graph."""
    biases = read_biases(sources / BIASES) if corrected else None
    recipe, folder = Recipe(correction="bias" if corrected else ""), sources / f"{corrected}"
    folder.mkdir(exist_ok=True)
    for name in (tflite.FLOAT, onnx_conversion.FLOAT):
        (folder / name).write_bytes((sources / name).read_bytes())
    if format_name == "tflite":
        model = sources / "model.keras"
        content, _ = tflite.convert(model, "int8", recipe, images[:32], folder, biases)
    else:
        proto, _ = onnx_conversion.convert("int8", recipe, images[:32], folder)
        content = proto.SerializeToString()
    original = (sources / f"float.{format_name}").read_bytes()
    means = [mean_features(format_name, model, images[32:]) for model in (content, original)]
    return float(np.linalg.norm(means[0] - means[1]))


@pytest.mark.parametrize("format_name", ["tflite", "onnx"])
def test_the_features_come_nearer_to_those_of_the_float_graph(format_name, sources, images):
    before = error(sources, format_name, images, corrected=False)
    after = error(sources, format_name, images, corrected=True)
    assert after < 0.75 * before


def test_every_bias_is_found_in_the_tflite_graph(sources):
    biases = read_biases(sources / BIASES)
    assert len(biases) == 3
    content = (sources / tflite.FLOAT).read_bytes()
    corrected, count = correct_tflite(content, biases)
    assert count == 3
    assert len(corrected) == len(content)
    assert corrected != content


def test_biases_with_the_same_numbers_stay_as_they_are(sources, images, tmp_path):
    import onnx

    proto = onnx.load(sources / onnx_conversion.FLOAT)
    names = [node.input[2] for node in proto.graph.node if node.op_type == "Conv"]
    shapes = Counter()
    for tensor in proto.graph.initializer:
        if tensor.name in names[:2]:  # both have 16 channels
            zeros = np.zeros(tuple(tensor.dims), np.float32)
            shapes[zeros.shape] += 1
            tensor.CopyFrom(onnx.numpy_helper.from_array(zeros, tensor.name))
    assert shapes == {(16,): 2}
    onnx.save(proto, tmp_path / onnx_conversion.FLOAT)
    assert len(corrected_pairs(tmp_path, images)) == 2  # before and after, of one
