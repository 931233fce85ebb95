import json
from pathlib import Path

import jsonschema
import pytest

from alledge.export.capabilities import FORMATS, PRECISIONS
from alledge.export.matrix import OK, REFUSED, cells, fill, page
from alledge.train.architectures import ARCHITECTURES

SCHEMAS = Path(__file__).resolve().parents[2] / "runtime" / "schemas"


def test_the_matrix_holds_every_model_precision_and_format():
    keys = [cell.key for cell in cells(ARCHITECTURES)]
    assert len(set(keys)) == len(keys) == 6 * (len(PRECISIONS) + 2) * len(FORMATS)
    for model in ARCHITECTURES:
        assert {f"{model}/gap/{p}/{f}" for p in PRECISIONS for f in FORMATS} <= set(keys)
        assert {f"{model}/paper/{p}/{f}" for p in ("float32", "int8") for f in FORMATS} <= set(keys)


@pytest.mark.slow
def test_a_row_is_kept_refused_or_informative_and_a_second_start_repeats_nothing(tmp_path):
    wanted = [
        cell
        for cell in cells(["mobilenetv2"], ["gap"])
        if cell.precision in ("float32", "dynamic") and cell.form in ("tflite", "openvino")
    ]
    record = fill(tmp_path, wanted)
    assert record["rows"]["mobilenetv2/gap/dynamic/openvino"]["status"] == REFUSED
    for form in ("tflite", "openvino"):
        row = record["rows"][f"mobilenetv2/gap/float32/{form}"]
        assert (row["status"], row["verdict"]) == (OK, "pass")
    steps: list[str] = []
    assert fill(tmp_path, wanted, watch=steps.append) == record
    assert steps == []
    assert "mobilenetv2" in page(record)
    schema = SCHEMAS / "matrix.json"
    jsonschema.validate(record, json.loads(schema.read_text(encoding="utf-8")))
