"""Every recipe converts a small network and leaves the layers in float that it names."""

from pathlib import Path

import pytest

from alledge.errors import ExportError
from alledge.export.convert.conversion import Conversion
from alledge.export.convert.jobs import JobRunner
from alledge.export.convert.quantization_recipes import DYNAMIC_LADDERS, INT8_LADDERS
from alledge.export.source_run import read_run_images

EVERY = [
    (format_name, precision, recipe)
    for precision, ladders in (("int8", INT8_LADDERS), ("dynamic", DYNAMIC_LADDERS))
    for format_name, recipes in ladders.items()
    for recipe in recipes
]


@pytest.fixture(scope="module")
def convert(tiny_run, tmp_path_factory):
    """Return a function that converts by a recipe once: the artifact and the result of its step."""
    folder = tmp_path_factory.mktemp("ladders")
    calibration = read_run_images(tiny_run).calibration_images().images
    conversion = Conversion(
        JobRunner(folder), tiny_run.model_path, folder / "model", "tiny", calibration, ("a", "b")
    )
    results = {}

    def once(format_name, precision, recipe):
        key = (format_name, precision, recipe)
        if key not in results:
            out = folder / f"artifact{len(results)}"
            results[key] = conversion.artifact(format_name, precision, recipe, out)
        return results[key]

    return once


def count_quantized(format_name: str, artifact: Path) -> int:
    """Count the integer tensors, or the operations that quantize."""
    if format_name == "tflite":
        from ai_edge_litert.interpreter import Interpreter

        details = Interpreter(model_path=str(artifact)).get_tensor_details()
        return sum(row["dtype"].__name__ == "int8" for row in details)
    if format_name == "onnx":
        import onnx

        kinds = ("QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger")
        return sum(node.op_type in kinds for node in onnx.load(artifact).graph.node)
    import openvino

    operations = openvino.Core().read_model(artifact).get_ordered_ops()
    return sum(node.get_type_name() == "FakeQuantize" for node in operations)


@pytest.mark.parametrize(
    ("format_name", "precision", "recipe"),
    EVERY,
    ids=[f"{format_name}, {precision}, {recipe.name}" for format_name, precision, recipe in EVERY],
)
def test_a_recipe_converts_and_leaves_its_number_of_layers_in_float(
    format_name, precision, recipe, convert
):
    if recipe.dense_only:  # the tiny network has no dense layer but the last
        with pytest.raises(ExportError, match="nothing is left to quantize"):
            convert(format_name, precision, recipe)
        return
    artifact, result = convert(format_name, precision, recipe)
    if not recipe.float_layers:
        assert result["left_in_float"] == []
        # TFLite's dynamic quantizer skips weights as small as those of the tiny network.
        assert count_quantized(format_name, artifact) > 0 or (format_name, precision) == (
            "tflite",
            "dynamic",
        )
        return
    cheapest = next(row for row in EVERY if row[:2] == (format_name, precision))
    assert result["left_in_float"]
    assert count_quantized(format_name, artifact) < count_quantized(
        format_name, convert(*cheapest)[0]
    )


@pytest.mark.parametrize("format_name", ["tflite", "onnx"])
def test_intermediate_results_of_other_recipes_do_not_change_an_artifact(
    format_name, convert, tiny_run, tmp_path
):
    last = INT8_LADDERS[format_name][-1]
    for recipe in INT8_LADDERS[format_name]:
        after_others, _ = convert(format_name, "int8", recipe)
    calibration = read_run_images(tiny_run).calibration_images().images
    fresh = Conversion(
        JobRunner(tmp_path),
        tiny_run.model_path,
        tmp_path / "model",
        "tiny",
        calibration,
        ("a", "b"),
    )
    alone, _ = fresh.artifact(format_name, "int8", last, tmp_path / "alone")
    assert alone.read_bytes() == after_others.read_bytes()
