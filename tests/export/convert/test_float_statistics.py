"""The statistics of a float graph are those of its activations, and are measured once."""

import numpy as np
import onnx
import pytest

from alledge.export.convert import onnx_int8
from alledge.export.convert.float_statistics import BIAS_IMAGES, float_statistics
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.convert.serving_graph import INPUT_NAME

SIZE, COUNT = 8, BIAS_IMAGES + 6


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3)).astype(np.uint8)


@pytest.fixture
def graph(tmp_path):
    """Return the file of a graph: scaling, one convolution, the average, a dense layer."""
    rng = np.random.default_rng(1)
    constants = {
        "scale": np.float32(1 / 255),
        "weights": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "bias": rng.normal(size=4).astype(np.float32),
        "dense": rng.normal(size=(4, 2)).astype(np.float32),
        "offset": rng.normal(size=2).astype(np.float32),
    }
    node = onnx.helper.make_node
    nodes = [
        node("Cast", [INPUT_NAME], ["cast"], "cast", to=onnx.TensorProto.FLOAT),
        node("Mul", ["cast", "scale"], ["scaled"], "scaling"),
        node("Transpose", ["scaled"], ["pixels"], "transpose", perm=[0, 3, 1, 2]),
        node("Conv", ["pixels", "weights", "bias"], ["convolved"], "convolution"),
        node("Relu", ["convolved"], ["activated"], "activation"),
        node("GlobalAveragePool", ["activated"], ["pooled"], "pool"),
        node("Flatten", ["pooled"], ["features"], "flatten"),
        node("Gemm", ["features", "dense", "offset"], ["logits"], "last"),
        node("Softmax", ["logits"], ["probabilities"], "softmax"),
    ]
    value = onnx.helper.make_tensor_value_info
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            "graph",
            [value(INPUT_NAME, onnx.TensorProto.UINT8, [1, SIZE, SIZE, 3])],
            [value("probabilities", onnx.TensorProto.FLOAT, [1, 2])],
            [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=10,
    )
    onnx.save(proto, tmp_path / onnx_int8.FLOAT)
    return tmp_path / onnx_int8.FLOAT


def test_ranges_means_and_features_are_those_of_the_activations(graph, images):
    from onnx.reference import ReferenceEvaluator

    statistics = float_statistics(graph, images)
    names = ["scaled", "convolved", "activated", "features"]
    proto = onnx.load(graph)
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    evaluator = ReferenceEvaluator(proto)
    rows = [evaluator.run(names, {INPUT_NAME: image[None]}) for image in images]
    for place, name in enumerate(names):
        values = np.concatenate([row[place] for row in rows])
        assert statistics.ranges[name] == pytest.approx([values.min(), values.max()], rel=1e-5)
    convolved = np.concatenate([row[1] for row in rows[:BIAS_IMAGES]])
    assert statistics.means["convolution"] == pytest.approx(convolved.mean((0, 2, 3)), rel=1e-4)
    features = np.concatenate([row[3] for row in rows])
    assert statistics.features == pytest.approx(features, rel=1e-4)


def test_statistics_are_measured_once(graph, images):
    before = float_statistics(graph, images)
    after = float_statistics(graph, images[::-1])
    assert after.ranges.keys() == before.ranges.keys()
    assert np.array_equal(after.features, before.features)


def test_the_ranges_are_those_that_onnx_runtime_measures(graph, images, tmp_path):
    """Its ranges and ours are quantized to the same graph."""
    in_float = onnx_int8._in_float(graph)
    ours, theirs = tmp_path / "ours.onnx", tmp_path / "theirs.onnx"
    onnx_int8._quantize(graph, ours, Recipe(), images, in_float)
    graph.with_name(f"{graph.stem}.min-max.json").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_int8, "_write_ranges", lambda ranges, file: None)
        onnx_int8._quantize(graph, theirs, Recipe(), images, in_float)
    scales = [
        [
            onnx.numpy_helper.to_array(tensor)
            for tensor in onnx.load(file).graph.initializer
            if tensor.name.endswith("_scale")
        ]
        for file in (ours, theirs)
    ]
    assert len(scales[0]) == len(scales[1]) > 0
    for one, other in zip(*scales, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
