"""The content of exported artifacts: layers in float, labels, properties and weights."""

import json
import subprocess
import sys
import zipfile

import numpy as np

from alledge.runtime.backends import load_backend

# The operations between float and integer tensors.
CONVERSIONS = {"CAST", "QUANTIZE", "DEQUANTIZE"}
INTEGERS = {"int8", "int32"}  # biases, axes and shapes have 32 bits
WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
HALF_RANGE = 64  # of an 8-bit weight, so that the sum of two products fits into 16 bits


def references(bundle):
    with np.load(bundle.path / "reference" / "inputs.npz") as archive:
        return archive["inputs"]


def test_int8_tflite_has_both_ends_in_float_and_the_rest_in_integers(int8_bundle):
    from ai_edge_litert.interpreter import Interpreter

    content = (int8_bundle.path / "model.tflite").read_bytes()
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    assert interpreter.get_input_details()[0]["dtype"] == np.uint8
    assert interpreter.get_output_details()[0]["dtype"] == np.float32
    kinds = {row["index"]: np.dtype(row["dtype"]).name for row in interpreter.get_tensor_details()}
    operations = [row for row in interpreter._get_ops_details() if row["op_name"] != "DELEGATE"]
    weighted = [n for n, row in enumerate(operations) if row["op_name"] in WEIGHTED]
    pooled = [n for n, row in enumerate(operations) if row["op_name"] == "MEAN"]
    first, last = weighted[0], weighted[-1]
    for number, row in enumerate(operations):
        if row["op_name"] not in CONVERSIONS:
            used = {kinds[index] for index in (*row["inputs"], *row["outputs"]) if index >= 0}
            at_an_end = number < first or number in pooled or number >= last
            if at_an_end:
                assert {kinds[index] for index in row["outputs"]} == {"float32"}, row
            else:
                assert used <= INTEGERS, row
    scores = np.concatenate(
        [
            load_backend("tflite", int8_bundle.path / "model.tflite").predict(i[None])
            for i in references(int8_bundle)
        ]
    )
    assert np.any(np.abs(scores * 256 - np.round(scores * 256)) > 1e-3)  # no 1/256 steps


def test_the_tflite_carries_its_labels_and_still_runs(int8_bundle, float32_bundle):
    for bundle in (int8_bundle, float32_bundle):
        with zipfile.ZipFile(bundle.path / "model.tflite") as appended:
            text = appended.read("labels.txt").decode("utf-8")
        assert text.splitlines() == list(bundle.labels)


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
    producers = {output: node.op_type for node in graph.node for output in node.output}
    dense = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    assert len(dense) == 1
    names = {tensor.name for tensor in graph.initializer}
    assert dense[0].input[1] in names  # its weights are float, not dequantized integers
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert all(producers[node.input[1]] == "DequantizeLinear" for node in convolutions)


def test_int8_onnx_has_a_scale_for_every_channel_of_a_convolution(int8_bundle):
    import onnx

    graph = onnx.load(int8_bundle.path / "model.onnx").graph
    producers = {output: node for node in graph.node for output in node.output}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        weight, scale = (weights[name] for name in producers[node.input[1]].input[:2])
        assert weight.data_type == onnx.TensorProto.INT8
        assert list(scale.dims) == [weight.dims[0]]
        assert len(set(onnx.numpy_helper.to_array(scale).tolist())) > 1


def test_int8_weights_of_the_ir_use_half_their_range(int8_bundle):
    """CPUs without VNNI sum two products in 16 bits; `overflow_fix` makes them fit."""
    import openvino

    model = openvino.Core().read_model(int8_bundle.path / "model.xml")
    dense = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    assert dense
    for node in dense:
        weight = node.input_value(1).get_node()
        while weight.get_type_name() != "Constant":
            weight = weight.input_value(0).get_node()
        assert weight.get_element_type() == openvino.Type.i8
        assert np.abs(weight.data.astype(int)).max() <= HALF_RANGE


def test_the_ir_carries_its_metadata(int8_bundle):
    import openvino

    model = openvino.Core().read_model(int8_bundle.path / "model.xml")
    info = model.get_rt_info(["model_info"]).value
    assert info["model_type"] == "Classification"
    assert info["labels"].split() == list(int8_bundle.labels)
    assert info["resize_type"] == "standard"


def test_benchmark_app_runs_the_ir(int8_bundle):
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from openvino.tools.benchmark.main import main; main()",
            "-m",
            int8_bundle.path / "model.xml",
            *["-d", "CPU", "-niter", "4", "-nireq", "1", "-hint", "none"],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert "Throughput" in result.stdout


def test_the_tflite_has_a_signature_with_the_names_of_input_and_output(int8_bundle, float32_bundle):
    from ai_edge_litert.interpreter import Interpreter

    for bundle in (int8_bundle, float32_bundle):
        interpreter = Interpreter(model_path=str(bundle.path / "model.tflite"))
        assert interpreter.get_signature_list() == {
            "serving_default": {"inputs": ["image"], "outputs": ["probabilities"]}
        }
