"""The ranges of the activations of a TFLite graph are those of the Keras network."""

from pathlib import Path

import keras
import numpy as np

from alledge.export.convert import tflite
from alledge.export.convert.quantization_recipes import Recipe
from alledge.runtime.tflite_graph import load_schema

IMAGES = np.random.default_rng(5).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def build_network() -> keras.Model:
    keras.utils.set_random_seed(1)
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(pixels)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu6", name="stem")(x)
    depthwise = keras.layers.DepthwiseConv2D(3, padding="same", name="branch")(x)
    x = keras.layers.Add(name="sum")([x, depthwise])
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(x))


def stored_ranges(content: bytes) -> dict[str, tuple[float, float]]:
    graph = load_schema().Model.GetRootAs(content, 0).Subgraphs(0)
    ranges = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        stored = tensor.Quantization()
        if stored is not None and stored.MinLength():
            ranges[tensor.Name().decode()] = (stored.Min(0), stored.Max(0))
    return ranges


def test_every_range_is_that_of_the_layer(tmp_path: Path):
    network = build_network()
    network.save(tmp_path / "model.keras")
    graph, _ = tflite.convert(tmp_path / "model.keras", "float32", Recipe(), None, tmp_path)
    ranges = stored_ranges(tflite._calibrated(graph, IMAGES))
    for name in ("stem", "branch", "sum", "average"):
        layer = keras.Model(network.inputs, network.get_layer(name).output)
        values = np.asarray(layer(IMAGES.astype(np.float32)))
        (limits,) = (row for tensor, row in ranges.items() if f"/{name}_1/" in tensor)
        assert np.allclose(limits, (values.min(), values.max()), atol=1e-5), name
