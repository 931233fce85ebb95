"""What is in an exported artifact, and what other tools make of it without alledge."""

import json
import subprocess
import sys

import numpy as np
import pytest

from alledge.export.tflite_metadata import read_labels
from alledge.runtime.backends import load_backend


def references(bundle):
    with np.load(bundle.path / "reference" / "inputs.npz") as archive:
        return archive["inputs"]


def test_int8_tflite_has_its_last_layer_in_float_and_the_rest_in_integers(int8_bundle):
    from ai_edge_litert.interpreter import Interpreter

    content = (int8_bundle.path / "model.tflite").read_bytes()
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    kinds = {row["name"]: row["dtype"] for row in interpreter.get_tensor_details()}
    assert interpreter.get_input_details()[0]["dtype"] == np.uint8
    assert interpreter.get_output_details()[0]["dtype"] == np.float32
    assert sum(kind == np.int8 for kind in kinds.values()) > 5
    scores = np.concatenate(
        [
            load_backend("tflite", int8_bundle.path / "model.tflite").predict(i[None])
            for i in references(int8_bundle)
        ]
    )
    assert np.any(np.abs(scores * 256 - np.round(scores * 256)) > 1e-3)  # no 1/256 steps


def test_no_opcode_is_newer_than_the_oldest_runtime_reads(int8_bundle):
    from ai_edge_litert import schema_py_generated as schema

    content = (int8_bundle.path / "model.tflite").read_bytes()
    model = schema.Model.GetRootAsModel(content, 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    dense = schema.BuiltinOperator.FULLY_CONNECTED
    assert all(code.Version() < 12 for code in codes if code.BuiltinCode() == dense)


def test_the_tflite_carries_its_labels_and_still_runs(int8_bundle, float32_bundle):
    for bundle in (int8_bundle, float32_bundle):
        content = (bundle.path / "model.tflite").read_bytes()
        assert read_labels(content) == list(bundle.labels)


def test_mediapipe_reads_labels_and_answers_the_same(int8_bundle):
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(
        BaseOptions(model_asset_path=str(int8_bundle.path / "model.tflite"))
    )
    image = references(int8_bundle)[0]
    ours = load_backend("tflite", int8_bundle.path / "model.tflite").predict(image[None])[0]
    with vision.ImageClassifier.create_from_options(options) as classifier:
        found = classifier.classify(
            mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image))
        )
    theirs = {row.category_name: row.score for row in found.classifications[0].categories}
    assert theirs == pytest.approx(dict(zip(int8_bundle.labels, ours, strict=True)), abs=1e-5)


def test_the_onnx_passes_the_checker_and_carries_its_properties(int8_bundle):
    import onnx

    proto = onnx.load(int8_bundle.path / "model.onnx")
    onnx.checker.check_model(proto, full_check=True)
    properties = {row.key: row.value for row in proto.metadata_props}
    assert json.loads(properties["labels"]) == list(int8_bundle.labels)
    assert properties["name"] == int8_bundle.name
    assert [value.name for value in proto.graph.input] == ["image"]
    assert [value.name for value in proto.graph.output] == ["probabilities"]


def test_int8_onnx_has_its_last_dense_layer_in_float(int8_bundle):
    import onnx

    graph = onnx.load(int8_bundle.path / "model.onnx").graph
    makers = {output: node.op_type for node in graph.node for output in node.output}
    dense = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    assert len(dense) == 1
    names = {tensor.name for tensor in graph.initializer}
    assert dense[0].input[1] in names  # its weights are no dequantized integers
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert all(makers[node.input[1]] == "DequantizeLinear" for node in convolutions)


def test_the_ir_says_what_it_is(int8_bundle):
    import openvino

    model = openvino.Core().read_model(int8_bundle.path / "model.xml")
    info = model.get_rt_info(["model_info"]).value
    assert info["model_type"] == "Classification"
    assert info["labels"].split() == list(int8_bundle.labels)
    assert info["resize_type"] == "standard"


def test_model_api_answers_the_same_with_our_labels(float32_bundle):
    pytest.importorskip("model_api", reason="openvino-model-api is not installed")
    from model_api.adapters import OpenvinoAdapter, create_core
    from model_api.models import Model

    image = references(float32_bundle)[0]
    ours = load_backend("openvino", float32_bundle.path / "model.xml").predict(image[None])[0]
    adapter = OpenvinoAdapter(
        create_core(),
        str(float32_bundle.path / "model.xml"),
        device="CPU",
        plugin_config={"INFERENCE_PRECISION_HINT": "f32"},  # bf16 where the CPU has it, otherwise
    )
    model = Model.create_model(adapter)
    found = model(image)
    assert found.top_labels[0].name == float32_bundle.labels[int(ours.argmax())]
    assert found.top_labels[0].confidence == pytest.approx(float(ours.max()), abs=1e-3)


def test_benchmark_app_runs_the_ir(int8_bundle):
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from openvino.tools.benchmark.main import main; main()"),
            *("-m", str(int8_bundle.path / "model.xml"), "-d", "CPU", "-niter", "4"),
            *("-nireq", "1", "-hint", "none"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Throughput" in done.stdout
