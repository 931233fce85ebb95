"""The ranges of the activations of a TFLite graph are those of the Keras network."""

from pathlib import Path

import keras
import numpy as np
import pytest

from alledge.export.convert import tflite
from alledge.export.convert.quantization_recipes import Recipe
from alledge.runtime.tflite_graph import load_schema, parse_operators

IMAGES = np.random.default_rng(5).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def build_network() -> keras.Model:
    keras.utils.set_random_seed(1)
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(pixels)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu6", name="stem")(x)
    depthwise = keras.layers.DepthwiseConv2D(3, padding="same", name="branch")(x)
    x = keras.layers.Concatenate(name="both")([x, depthwise])
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(x))


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build_network()


@pytest.fixture(scope="module")
def float_graph(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("network")
    network.save(folder / "model.keras")
    graph, _ = tflite.convert(folder / "model.keras", "float32", Recipe(), None, folder)
    return graph


def stored_ranges(content: bytes) -> dict[str, tuple[float, float]]:
    graph = load_schema().Model.GetRootAs(content, 0).Subgraphs(0)
    ranges = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        stored = tensor.Quantization()
        if stored is not None and stored.MinLength():
            ranges[tensor.Name().decode()] = (stored.Min(0), stored.Max(0))
    return ranges


def test_every_range_is_that_of_the_layer(network: keras.Model, float_graph: bytes) -> None:
    ranges = stored_ranges(tflite._calibrated(float_graph, IMAGES))
    for name in ("stem", "branch", "both", "average"):
        layer = keras.Model(network.inputs, network.get_layer(name).output)
        values = np.asarray(layer(IMAGES.astype(np.float32)))
        (limits,) = (row for tensor, row in ranges.items() if f"/{name}_1/" in tensor)
        assert np.allclose(limits, (values.min(), values.max()), atol=1e-5), name


def test_the_ranges_are_those_of_the_calibrator(
    float_graph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = stored_ranges(tflite._calibrated(float_graph, IMAGES))
    monkeypatch.setattr(tflite, "_adds_layers", lambda content: True)
    slow = stored_ranges(tflite._calibrated(float_graph, IMAGES))
    in_float = tflite._scaling(float_graph)
    assert fast.keys() == slow.keys()
    for name in fast.keys() - set(in_float):
        assert np.allclose(fast[name], slow[name], atol=1e-5), name


def test_the_scaling_of_the_pixels_stays_in_float(float_graph: bytes, tmp_path: Path) -> None:
    (tmp_path / tflite.FLOAT).write_bytes(float_graph)
    content, _ = tflite.convert(tmp_path / "no.keras", "int8", Recipe(), IMAGES, tmp_path)
    operators = parse_operators(content)
    first = next(place for place, row in enumerate(operators) if row.name == "CONV_2D")
    kinds = [row.name for row in operators[:first]]
    assert kinds[-1] == "QUANTIZE"
    assert kinds.count("QUANTIZE") == 1
