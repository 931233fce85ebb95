import pytest

from alledge.export.convert.capabilities import CAPABILITIES
from alledge.export.convert.quantization_recipes import LADDERS, Recipe, describe, ladder


@pytest.mark.parametrize("form", LADDERS)
def test_recipes_of_a_format_differ_in_name_and_leave_more_in_float_step_by_step(form):
    recipes = ladder(form, "int8")
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    kept = [recipe.float_layers for recipe in recipes]
    assert kept == sorted(kept)
    assert kept[0] == 0


def test_a_recipe_survives_the_way_to_another_process():
    for recipes in LADDERS.values():
        assert all(Recipe(**recipe.to_json()) == recipe for recipe in recipes)


def test_a_float_precision_has_one_way_only():
    assert ladder("onnx", "float32") == (Recipe(),)
    assert ladder("openvino", "float16") == (Recipe(),)


def test_every_artifact_can_be_described():
    for form, precision in CAPABILITIES:
        for recipe in () if CAPABILITIES[form, precision].refused else ladder(form, precision):
            assert describe(recipe, form, precision)
