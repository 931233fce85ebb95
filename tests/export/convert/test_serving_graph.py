"""The serving graph of a trained network."""

import keras
import numpy as np
import pytest

from alledge.errors import ExportError
from alledge.export.convert.serving_graph import float_scores, serving_model

IMAGES = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def network(last: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(1)
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(pixels[..., ::-1])
    x = keras.layers.Conv2D(4, 3, strides=4, activation="relu")(x)
    head = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten(), last], name="head")
    return keras.Model(pixels, head(x))


def serving_scores(model: keras.Model) -> np.ndarray:
    serving = serving_model(model)
    return np.concatenate([np.asarray(serving(image[None])) for image in IMAGES])


def test_a_sigmoid_becomes_two_columns_in_the_order_of_the_labels():
    model = network(keras.layers.Dense(1, activation="sigmoid"))
    p = np.asarray(model(IMAGES.astype(np.float32)))[:, 0]
    assert np.allclose(serving_scores(model), np.stack([1 - p, p], axis=1), atol=1e-6)
    assert np.allclose(float_scores(model, IMAGES), np.stack([1 - p, p], axis=1), atol=1e-6)


def test_a_softmax_over_more_labels_is_unchanged():
    model = network(keras.layers.Dense(4, activation="softmax"))
    assert np.allclose(
        serving_scores(model), np.asarray(model(IMAGES.astype(np.float32))), atol=1e-6
    )
    assert float_scores(model, IMAGES).shape == (3, 4)


def test_the_serving_graph_takes_one_uint8_image():
    serving = serving_model(network(keras.layers.Dense(1, activation="sigmoid")))
    assert serving.inputs[0].shape == (1, 32, 32, 3)
    assert serving.inputs[0].dtype == "uint8"
    assert serving.outputs[0].dtype == "float32"
    assert serving.outputs[0].shape == (1, 2)


def test_a_single_output_that_is_not_a_sigmoid_is_refused():
    with pytest.raises(ExportError, match="one output"):
        serving_model(network(keras.layers.Dense(1)))


def test_a_saved_network_of_either_head_gives_the_scores_of_the_float_model(tmp_path):
    from alledge.train.networks.network import build
    from alledge.train.networks.saved_network import load_network

    for head in ("gap", "paper"):
        build("mobilenetv2", head, weights="none", size=32).save(tmp_path / "model.keras")
        model = load_network(tmp_path / "model.keras")
        assert np.allclose(serving_scores(model), float_scores(model, IMAGES), atol=1e-5)
