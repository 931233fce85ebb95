"""Every recipe of every ladder converts a real network, and leaves in float what it says."""

from pathlib import Path

import pytest

from alledge.errors import ExportError
from alledge.export.convert.conversion import Conversion
from alledge.export.convert.jobs import Jobs
from alledge.export.convert.quantization_recipes import DYNAMIC, LADDERS
from alledge.export.source_run import read_run_images

EVERY = [
    (form, precision, recipe)
    for precision, ladders in (("int8", LADDERS), ("dynamic", DYNAMIC))
    for form, recipes in ladders.items()
    for recipe in recipes
]


@pytest.fixture(scope="module")
def convert(tiny_run, tmp_path_factory):
    """Convert by a recipe, once: the artifact, and what its step says."""
    folder = tmp_path_factory.mktemp("ladders")
    part = read_run_images(tiny_run).training_part()
    made = Conversion(Jobs(folder), tiny_run.model_path, folder / "model", "tiny", part, ("a", "b"))
    done = {}

    def once(form, precision, recipe):
        key = (form, precision, recipe)
        if key not in done:
            done[key] = made.artifact(form, precision, recipe, folder / f"artifact{len(done)}")
        return done[key]

    return once


def quantized(form: str, artifact: Path) -> int:
    """Count what works on integers: tensors, or the steps into and out of them."""
    if form == "tflite":
        from ai_edge_litert.interpreter import Interpreter

        details = Interpreter(model_path=str(artifact)).get_tensor_details()
        return sum(row["dtype"].__name__ == "int8" for row in details)
    if form == "onnx":
        import onnx

        kinds = ("QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger")
        return sum(node.op_type in kinds for node in onnx.load(artifact).graph.node)
    import openvino

    operations = openvino.Core().read_model(artifact).get_ordered_ops()
    return sum(node.get_type_name() == "FakeQuantize" for node in operations)


@pytest.mark.parametrize(
    ("form", "precision", "recipe"),
    EVERY,
    ids=[f"{form}, {precision}, {recipe.name}" for form, precision, recipe in EVERY],
)
def test_a_recipe_converts_and_leaves_more_in_float_where_it_says_so(
    form, precision, recipe, convert
):
    if recipe.dense_only:  # the tiny network has no dense layer but the last
        with pytest.raises(ExportError, match="nothing is left to quantize"):
            convert(form, precision, recipe)
        return
    artifact, said = convert(form, precision, recipe)
    if not recipe.float_layers:
        assert said["left_in_float"] == []
        # TFLite's dynamic quantizer passes over weights as small as the tiny network's
        assert quantized(form, artifact) > 0 or (form, precision) == ("tflite", "dynamic")
        return
    cheapest = next(row for row in EVERY if row[:2] == (form, precision))
    assert said["left_in_float"]
    assert quantized(form, artifact) < quantized(form, convert(*cheapest)[0])


@pytest.mark.parametrize("form", ["tflite", "onnx"])
def test_what_other_recipes_left_half_way_changes_no_artifact(form, convert, tiny_run, tmp_path):
    dearest = LADDERS[form][-1]
    for recipe in LADDERS[form]:
        after_others, _ = convert(form, "int8", recipe)
    part = read_run_images(tiny_run).training_part()
    fresh = Conversion(
        Jobs(tmp_path), tiny_run.model_path, tmp_path / "model", "tiny", part, ("a", "b")
    )
    alone, _ = fresh.artifact(form, "int8", dearest, tmp_path / "alone")
    assert alone.read_bytes() == after_others.read_bytes()
