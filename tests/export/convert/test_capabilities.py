import pytest

from alledge.errors import UsageError
from alledge.export.convert.capabilities import (
    CAPABILITIES,
    FORMATS,
    PRECISIONS,
    able,
    check_formats,
    refused,
)


def test_every_precision_of_every_format_has_a_row():
    assert set(CAPABILITIES) == {(form, name) for form in FORMATS for name in PRECISIONS}


def test_a_row_says_how_or_why_not():
    for row in CAPABILITIES.values():
        assert bool(row.how) != bool(row.refused)


def test_dynamic_is_refused_for_openvino_with_a_reason_and_what_to_type():
    with pytest.raises(UsageError, match=r"openvino cannot do dynamic: .*convolution") as caught:
        check_formats("dynamic", ["onnx", "openvino"])
    assert caught.value.fix == "--format onnx"


def test_nothing_is_put_in_the_place_of_a_refused_format():
    assert able("dynamic") == ("tflite", "onnx")
    assert able("int8") == FORMATS


def test_every_format_is_either_able_or_refused_with_a_reason():
    for precision in PRECISIONS:
        assert set(able(precision)) ^ set(refused(precision)) == set(FORMATS)
    assert "convolution" in refused("dynamic")["openvino"]


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
