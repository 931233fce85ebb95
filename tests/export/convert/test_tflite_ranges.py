"""The ranges of activations are those that TFLite's own calibrator measures."""

from pathlib import Path

import keras
import numpy as np

from alledge.export.convert import tflite
from alledge.export.convert.quantization_recipes import Recipe
from alledge.runtime.tflite_graph import load_schema

IMAGES = np.random.default_rng(5).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def float_graph(folder: Path) -> bytes:
    keras.utils.set_random_seed(1)
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(pixels)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu6")(x)
    x = keras.layers.Add()([x, keras.layers.DepthwiseConv2D(3, padding="same")(x)])
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(x))
    network.save(folder / "model.keras")
    return tflite.convert(folder / "model.keras", "float32", Recipe(), None, folder)[0]


def stored_ranges(content: bytes) -> dict[str, tuple[float, float]]:
    graph = load_schema().Model.GetRootAs(content, 0).Subgraphs(0)
    ranges = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        stored = tensor.Quantization()
        if stored is not None and stored.MinLength():
            ranges[tensor.Name().decode()] = (stored.Min(0), stored.Max(0))
    return ranges


def test_ranges_are_those_of_the_calibrator(tmp_path):
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    graph = float_graph(tmp_path)
    expected = stored_ranges(
        bytes(Calibrator(graph).calibrate(lambda: ([image[None]] for image in IMAGES)))
    )
    ranges = stored_ranges(tflite._calibrated(graph, IMAGES))
    assert ranges.keys() == expected.keys()
    assert len(ranges) > 4
    for name, limits in expected.items():
        assert np.allclose(ranges[name], limits, rtol=1e-5, atol=1e-5), name
