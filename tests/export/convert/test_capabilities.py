"""The table of formats and precisions."""

import pytest

from alledge.errors import UsageError
from alledge.export.convert.capabilities import (
    CAPABILITIES,
    FORMATS,
    PRECISIONS,
    check_formats,
    supported_formats,
    unsupported_formats,
)


def test_the_table_has_every_precision_of_every_format():
    assert set(CAPABILITIES) == {(name, precision) for name in FORMATS for precision in PRECISIONS}


def test_a_row_says_how_the_format_does_the_precision_or_why_it_cannot():
    for row in CAPABILITIES.values():
        assert bool(row.how) != bool(row.refused)


def test_dynamic_is_refused_for_openvino_with_a_reason_and_what_to_type():
    with pytest.raises(UsageError, match=r"openvino cannot do dynamic: .*convolution") as caught:
        check_formats("dynamic", ["onnx", "openvino"])
    assert caught.value.fix == "--format onnx"


def test_a_format_that_cannot_do_the_precision_is_not_replaced():
    assert supported_formats("dynamic") == ("tflite", "onnx")
    assert supported_formats("int8") == FORMATS


def test_every_format_is_either_supported_or_refused_with_a_reason():
    for precision in PRECISIONS:
        assert set(supported_formats(precision)) ^ set(unsupported_formats(precision)) == set(
            FORMATS
        )
    assert "convolution" in unsupported_formats("dynamic")["openvino"]


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(UsageError, match="onxx") as caught:
        check_formats("int8", ["onxx"])
    assert "onnx" in str(caught.value.fix)


def test_an_unknown_precision_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        check_formats("int9", ["onnx"])
    assert "int8" in str(caught.value.fix)


def test_no_format_at_all_is_refused():
    with pytest.raises(UsageError, match="no format"):
        check_formats("int8", [])


def test_formats_come_in_the_order_of_the_table_and_once():
    assert check_formats("int8", ["openvino", "tflite", "openvino"]) == ("tflite", "openvino")
