"""The recipes of each format."""

import pytest

from alledge.export.convert.capabilities import CAPABILITIES
from alledge.export.convert.quantization_recipes import INT8_LADDERS, Recipe, describe, ladder


@pytest.mark.parametrize("format_name", INT8_LADDERS)
def test_recipes_of_a_format_have_different_names_and_leave_ever_more_layers_in_float(format_name):
    recipes = ladder(format_name, "int8")
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    layers = [recipe.float_layers for recipe in recipes]
    assert layers == sorted(layers)
    assert layers[0] == 0


def test_a_recipe_is_the_same_after_json():
    for recipes in INT8_LADDERS.values():
        assert all(Recipe(**recipe.to_json()) == recipe for recipe in recipes)


def test_a_float_precision_has_one_recipe():
    assert ladder("onnx", "float32") == (Recipe(),)
    assert ladder("openvino", "float16") == (Recipe(),)


def test_every_artifact_can_be_described():
    for format_name, precision in CAPABILITIES:
        for recipe in (
            () if CAPABILITIES[format_name, precision].refused else ladder(format_name, precision)
        ):
            assert describe(recipe, format_name, precision)
