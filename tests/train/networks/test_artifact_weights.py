"""A base starts with the weights of a TFLite artifact, and computes what the artifact computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alledge.errors import BundleError, UsageError
from alledge.runtime.bundle import builtin
from alledge.runtime.bundle.bundle import Bundle
from alledge.train.networks.artifact_weights import load_artifact_weights, read_convolutions
from alledge.train.networks.base_weights import weights_file
from alledge.train.networks.tensorflow_import import keras, tf


def small_base() -> keras.Model:
    """A convolution and a depthwise one, each with a batch normalization that does something."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((8, 8, 3), batch_size=1)
    layers = keras.layers
    wide = layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(pixels))
    deep = layers.DepthwiseConv2D(3, use_bias=False)(layers.ReLU()(wide))
    base = keras.Model(pixels, layers.BatchNormalization()(deep))
    for norm in (layer for layer in base.layers if "batch" in layer.name):
        norm.set_weights([np.array(w) + 0.5 + i for i, w in enumerate(norm.get_weights())])
    return base


def convert(base: keras.Model, file: Path) -> Path:
    converter = tf.lite.TFLiteConverter.from_keras_model(base)
    file.write_bytes(converter.convert())
    return file


def test_a_base_with_the_weights_of_an_artifact_gives_its_features(tmp_path: Path) -> None:
    base = small_base()
    file = convert(base, tmp_path / "model.tflite")
    image = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    expected = np.asarray(base(image))
    for layer in base.layers:
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    load_artifact_weights(base, file)
    assert np.asarray(base(image)) == pytest.approx(expected, abs=1e-4)


def test_weights_of_8_bits_become_the_numbers_that_they_stand_for(int8_cell_bundle: Bundle) -> None:
    rows = read_convolutions(int8_cell_bundle.path / "model.tflite")
    assert rows
    for kernel, bias in rows:
        assert kernel.dtype == bias.dtype == np.float32
        assert kernel.shape[2] == len(bias) or kernel.shape[3] == len(bias)
        assert 0 < np.abs(kernel).max() < 100


def test_an_artifact_of_another_model_is_refused(tmp_path: Path, int8_cell_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="are not the 2 of the base"):
        load_artifact_weights(small_base(), int8_cell_bundle.path / "model.tflite")
    (tmp_path / "text.tflite").write_text("no model", encoding="utf-8")
    with pytest.raises(BundleError, match="cannot be read"):
        read_convolutions(tmp_path / "text.tflite")


def test_a_base_without_batch_normalization_is_refused(int8_cell_bundle: Bundle) -> None:
    base = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(BundleError, match="no batch normalization"):
        load_artifact_weights(base, int8_cell_bundle.path / "model.tflite")


def test_the_built_in_weights_are_the_artifact_of_the_built_in_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtin, "FOLDER", tmp_path)
    with pytest.raises(UsageError, match="there is no file of weights 'builtin'"):
        weights_file("builtin")
    (tmp_path / "model.tflite").touch()
    assert weights_file("builtin") == tmp_path / "model.tflite"
