"""Networks built from the architectures: parameter counts, scaling, freezing, saving, weights."""

import math
import socket
from pathlib import Path

import keras
import numpy as np
import pytest

from alledge.errors import RunError, UsageError
from alledge.train.networks.architectures import ARCHITECTURES, HEADS, count_parameters
from alledge.train.networks.network import base_of, build, features_of, freeze, head_of

SCALING = {  # the preprocessing functions of keras.applications
    "vgg16": keras.applications.vgg16.preprocess_input,
    "vgg19": keras.applications.vgg19.preprocess_input,
    "resnet101v2": keras.applications.resnet_v2.preprocess_input,
    "densenet201": keras.applications.densenet.preprocess_input,
    "mobilenetv2": keras.applications.mobilenet_v2.preprocess_input,
    "inceptionv3": keras.applications.inception_v3.preprocess_input,
}


def total_size(variables: list[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_parameter_counts_are_those_of_the_built_network(model: str, head: str) -> None:
    network = build(model, head, weights="none")
    parameters = count_parameters(ARCHITECTURES[model], HEADS[head])
    assert total_size(network.trainable_weights) == parameters.trainable
    assert total_size(network.non_trainable_weights) == parameters.frozen
    adam = keras.optimizers.Adam()
    adam.build(network.trainable_weights)
    assert total_size(adam.variables) == parameters.optimizer


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_scaling_equals_the_preprocessing_of_keras(model: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    row = ARCHITECTURES[model]
    ordered = pixels[..., ::-1] if row.bgr else pixels
    scaled = keras.layers.Rescaling(list(row.scaling.scale), list(row.scaling.offset))(ordered)
    expected = SCALING[model](pixels.astype(np.float32))
    assert np.allclose(np.asarray(scaled), expected, atol=1e-5)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build("vgg16", weights="none", seed=3, size=32)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


def test_saved_model_reloads_in_safe_mode_and_predicts_the_same(
    network: keras.Model, pixels: np.ndarray, tmp_path: Path
) -> None:
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    scores = network.predict(pixels, verbose=0)
    assert np.array_equal(again.predict(pixels, verbose=0), scores)
    parts = head_of(again)(features_of(again).predict(pixels, verbose=0))
    assert np.allclose(np.asarray(parts), scores, atol=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(
    network: keras.Model, pixels: np.ndarray
) -> None:
    scores = network.predict(pixels, verbose=0)
    same = build("vgg16", weights="none", seed=3, size=32)
    other = build("vgg16", weights="none", seed=4, size=32)
    assert np.array_equal(same.predict(pixels, verbose=0), scores)
    assert not np.array_equal(other.predict(pixels, verbose=0), scores)


def test_two_labels_share_one_sigmoid_and_more_have_a_softmax(pixels: np.ndarray) -> None:
    four = build("vgg16", classes=4, weights="none", size=32).predict(pixels, verbose=0)
    assert four.shape == (2, 4)
    assert np.allclose(four.sum(axis=1), 1)
    assert build("vgg16", classes=2, weights="none", size=32).output_shape == (None, 1)


def test_frozen_normalization_leaves_the_rest_of_the_base_to_train() -> None:
    network = build("mobilenetv2", weights="none", size=32)
    freeze(network, base=False, norm=True)
    names = {weight.path.rsplit("/", 1)[1] for weight in base_of(network).trainable_weights}
    assert names == {"kernel"}
    freeze(network, base=True)
    assert not base_of(network).trainable_weights
    assert head_of(network).trainable_weights


def test_weights_file_is_loaded_into_the_base(pixels: np.ndarray, tmp_path: Path) -> None:
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    base.save_weights(tmp_path / "own.weights.h5")
    network = build("vgg16", weights=tmp_path / "own.weights.h5", size=32)
    scaled = SCALING["vgg16"](pixels.astype(np.float32))
    expected = base.predict(scaled, verbose=0)
    assert np.allclose(features_of(network).predict(pixels, verbose=0), expected, atol=1e-4)


def test_weights_of_another_base_are_refused(tmp_path: Path) -> None:
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    base.save_weights(tmp_path / "vgg16.weights.h5")
    with pytest.raises(UsageError, match=r"do not fit VGG19(.|\n)*include_top=False(.|\n)*fix: "):
        build("vgg19", weights=tmp_path / "vgg16.weights.h5", size=32)


def test_missing_or_misnamed_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file of weights"):
        build("vgg16", weights=tmp_path / "none.weights.h5")
    (tmp_path / "weights.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="not a file of weights by its name"):
        build("vgg16", weights=tmp_path / "weights.txt")


def test_imagenet_weights_without_a_connection_name_a_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    # this machine's own cache may have them
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    with pytest.raises(RunError, match="fix: --weights FILE"):
        build("mobilenetv2", weights="imagenet")
