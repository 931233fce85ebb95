"""Refitting the last dense layer: it approaches the float logits on images that it did not see."""

import numpy as np
import pytest

from alledge.export.convert import openvino as openvino_conversion
from alledge.export.convert import tflite
from alledge.export.convert.last_layer import LEAST_IMAGES, LastLayer, refit

FEATURES, CLASSES, IMAGES = 40, 2, 64


def layers(rng: np.random.Generator, noise: float) -> tuple[LastLayer, LastLayer, np.ndarray]:
    """Return the layer of a quantized graph, that of the float graph, and images.

    Quantization scales and shifts every feature and adds noise.
    """
    mixing = rng.normal(size=(12, FEATURES))
    weights, bias = rng.normal(size=(FEATURES, CLASSES)), rng.normal(size=CLASSES)
    gain, shift = 1 + 0.2 * rng.normal(size=FEATURES), 0.3 * rng.normal(size=FEATURES)
    images = rng.integers(0, 256, (2 * IMAGES, 2, 2, 3)).astype(np.uint8)

    def features(images):
        return images.reshape(len(images), -1) / 255 @ mixing

    def quantized_features(images):
        seed = int(images.astype(int).sum())
        disturbance = np.random.default_rng(seed).normal(size=(len(images), FEATURES))
        return features(images) * gain + shift + noise * disturbance

    original = LastLayer(weights, bias, features)
    return LastLayer(weights, bias, quantized_features), original, images


def float_logits(original: LastLayer, images: np.ndarray) -> np.ndarray:
    return original.logits(original.features(images))


def errors(seed: int, noise: float) -> tuple[float, float]:
    """Return the mean error of the logits of unseen images, without and with refitting."""
    quantized, original, images = layers(np.random.default_rng(seed), noise)
    unseen = images[IMAGES:]
    target = original.logits(original.features(unseen))
    features = quantized.features(unseen)
    weights, bias = refit(quantized, float_logits(original, images[:IMAGES]), images[:IMAGES])
    return (
        float(np.abs(target - quantized.logits(features)).mean()),
        float(np.abs(target - (features @ weights + bias)).mean()),
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_logits_of_unseen_images_come_nearer(seed, noise):
    before, after = errors(seed, noise)
    assert after < before / 2


def test_a_layer_whose_features_did_not_change_stays_as_it_is():
    _, original, images = layers(np.random.default_rng(0), 0.0)
    weights, bias = refit(original, float_logits(original, images), images)
    np.testing.assert_allclose(weights, original.weights, atol=1e-9)
    np.testing.assert_allclose(bias, original.bias, atol=1e-9)


@pytest.mark.parametrize("case", ["few images", "copies of one image"])
def test_images_that_determine_nothing_change_nothing(case):
    quantized, original, images = layers(np.random.default_rng(0), 0.0)
    few = images[: LEAST_IMAGES - 1] if case == "few images" else np.repeat(images[:1], 20, axis=0)
    weights, bias = refit(quantized, float_logits(original, few), few)
    assert np.array_equal(weights, quantized.weights)
    assert np.array_equal(bias, quantized.bias)


@pytest.fixture
def fields() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3)).astype(np.uint8)


def logit_error(layer: LastLayer, original: LastLayer, images: np.ndarray) -> float:
    target = original.logits(original.features(images))
    return float(np.abs(layer.logits(layer.features(images)) - target).mean())


def test_a_tflite_model_gets_the_logits_of_its_float_graph_back(float32_bundle, fields):
    content = (float32_bundle.path / "model.tflite").read_bytes()
    changed = bytearray(content)
    weights, bias = tflite._stored_layer(changed)
    weights[:] *= np.float32(1.5)
    bias[:] += np.float32(1)
    original = tflite._dense_layer(bytearray(content))
    before = logit_error(tflite._dense_layer(changed), original, fields)
    refitted = bytearray(tflite.refitted(bytes(changed), float_logits(original, fields), fields))
    assert logit_error(tflite._dense_layer(refitted), original, fields) < before / 5


def test_an_openvino_model_gets_the_logits_of_its_float_graph_back(float32_bundle, fields):
    import openvino

    original, model = (
        openvino.Core().read_model(float32_bundle.path / "model.xml") for _ in range(2)
    )
    original = openvino_conversion._dense_layer(original)
    changed = LastLayer(original.weights, original.bias + 1, original.features)
    _, add = openvino_conversion.dense_nodes(model)
    shape = add.input_value(1).get_node().data.shape
    constant = openvino.opset13.constant(changed.bias.reshape(shape).astype(np.float32))
    add.input(1).replace_source_output(constant.output(0))
    before = logit_error(openvino_conversion._dense_layer(model), original, fields)
    openvino_conversion._refit(model, float_logits(original, fields), fields)
    assert logit_error(openvino_conversion._dense_layer(model), original, fields) < before / 5
