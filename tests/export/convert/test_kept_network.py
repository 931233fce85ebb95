"""A process keeps the latest network and gives it the weights of another."""

from pathlib import Path

import keras
import numpy as np
import pytest

from alledge.errors import RunError
from alledge.export.convert import kept_network as kept
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.convert.serving_graph import float_scores
from alledge.export.convert.tflite import convert

IMAGES = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_kept", {})


def save_network(path: Path, seed: int, units: int = 1, filters: int = 4) -> Path:
    keras.utils.set_random_seed(seed)
    activation = "sigmoid" if units == 1 else "softmax"
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1, name="scaling")(pixels)
    x = keras.layers.Conv2D(filters, 3, strides=4, use_bias=False, name="convolution")(x)
    x = keras.layers.BatchNormalization(name="normalization")(x)
    base = keras.Model(pixels, x, name="base")
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Flatten(name="flatten")(base(image))
    last = keras.layers.Dense(units, activation=activation, name="last")
    network = keras.Model(image, last(x), name="network")
    mean = base.layers[-1].moving_mean
    mean.assign(np.random.default_rng(seed).normal(size=mean.shape))
    network.save(path)
    return path


@pytest.mark.parametrize("units", [1, 3])
def test_the_weights_of_another_network_give_the_same_bytes_as_a_new_process(tmp_path, units):
    first = save_network(tmp_path / "1.keras", 1, units)
    second = save_network(tmp_path / "2.keras", 2, units)

    def converted(path: Path) -> bytes:
        keras.backend.clear_session()  # as a worker process does after each step
        return convert(path, "float32", Recipe(), None, tmp_path)[0]

    alone = converted(second)
    kept._kept.clear()
    before, network = converted(first), kept.kept_network(first).network
    after = converted(second)
    assert kept.kept_network(second).network is network
    assert before != after == alone
    expected = float_scores(keras.saving.load_model(second), IMAGES)
    assert np.array_equal(float_scores(network, IMAGES), expected)


def test_a_network_of_another_architecture_is_read_anew(tmp_path):
    network = kept.kept_network(save_network(tmp_path / "4.keras", 1)).network
    other = kept.kept_network(save_network(tmp_path / "5.keras", 1, filters=5)).network
    assert other is not network
    assert len(kept._kept) == 1


def test_damaged_weights_are_an_error(tmp_path):
    path = save_network(tmp_path / "model.keras", 1)
    kept.kept_network(path)
    (tmp_path / "damaged.keras").write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RunError, match="cannot be read"):
        kept.kept_network(tmp_path / "damaged.keras")
