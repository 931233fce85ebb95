"""The ranges of a float TFLite graph are those of its tensors."""

import numpy as np
import pytest

from alledge.export.convert.tflite_ranges import with_ranges
from alledge.runtime.tflite_graph import load_schema, parse_operators

SIZE = 16


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def graph() -> bytes:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIZE, SIZE, 3), batch_size=1, dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    first = keras.layers.Conv2D(8, 3, padding="same", activation="relu6")(scaled)
    second = keras.layers.DepthwiseConv2D(3, padding="same")(first)
    both = keras.layers.Concatenate()([first, keras.layers.Add()([first, second])])
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.MaxPooling2D()(both))
    network = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(pooled))
    return bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


def ranges_of(content: bytes) -> dict[str, tuple[float, float]]:
    """Return the range of every tensor that has one, by the name of the tensor."""
    graph = load_schema().Model.GetRootAs(content, 0).Subgraphs(0)
    ranges = {}
    for number in range(graph.TensorsLength()):
        stored = graph.Tensors(number).Quantization()
        if stored is not None and stored.MinLength():
            name = graph.Tensors(number).Name().decode()
            ranges[name] = (float(stored.Min(0)), float(stored.Max(0)))
    return ranges


def computed_ranges(graph: bytes, images: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return the range of every computed tensor, by kernels that keep all tensors."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=graph,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    computed = {tensor.name for row in parse_operators(graph) for tensor in row.outputs}
    details = [row for row in interpreter.get_tensor_details() if row["name"] in computed]
    values: dict[str, list[float]] = {row["name"]: [] for row in details}
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        for row in details:
            tensor = interpreter.get_tensor(row["index"])
            values[row["name"]] += [float(tensor.min()), float(tensor.max())]
    return {name: (min(extremes), max(extremes)) for name, extremes in values.items()}


def test_every_tensor_has_its_own_range_and_not_that_of_what_is_computed_in_its_place(
    graph, images
):
    own, expected = ranges_of(with_ranges(graph, images)), computed_ranges(graph, images)
    assert own.keys() >= expected.keys()
    assert len(expected) == len(parse_operators(graph))
    for name, extremes in expected.items():
        assert own[name] == pytest.approx(extremes, abs=1e-4), name


def test_a_graph_with_ranges_computes_as_before(graph, images):
    from ai_edge_litert.interpreter import Interpreter

    scores = []
    for content in (graph, with_ranges(graph, images)):
        interpreter = Interpreter(model_content=content)
        runner = interpreter.get_signature_runner()
        [name] = runner.get_input_details()
        scores.append(next(iter(runner(**{name: images[:1]}).values())).copy())
    np.testing.assert_array_equal(*scores)
