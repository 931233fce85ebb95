"""Layers of a quantized graph, by the shortened names of tensorflow's quantization debugger."""

import pytest

from alledge.errors import ExportError
from alledge.export.convert.layer_names import match_layer

LAYERS = {"stem/Conv2D", "block/Relu6", "block/conv_1", "block/conv_2", "head/MatMul"}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("stem/Conv2D", "stem/Conv2D"),
        ("block/conv_2", "block/conv_2"),
        ("block/Relu", "block/Relu6"),
        ("head/MatMu", None),
        ("other", None),
    ],
)
def test_a_statistic_belongs_to_the_layer_of_its_name_or_with_one_more_digit(
    name: str, layer: str | None
) -> None:
    assert match_layer(name, LAYERS) == layer


def test_a_name_that_fits_several_layers_is_refused_and_names_them() -> None:
    with pytest.raises(ExportError, match=r"'block/conv_'.*block/conv_1, block/conv_2"):
        match_layer("block/conv_", LAYERS)
