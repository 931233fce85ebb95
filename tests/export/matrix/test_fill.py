"""The matrix of all conversions: its cells, its page, and a second start."""

import json
from pathlib import Path

import jsonschema
import pytest

from alledge.export.convert.capabilities import FORMATS, PRECISIONS
from alledge.export.matrix.fill import cells, fill
from alledge.export.matrix.markdown_page import OK, REFUSED, page
from alledge.train.networks.architectures import ARCHITECTURES

SCHEMAS = Path(__file__).resolve().parents[3] / "runtime" / "schemas"


def test_the_matrix_holds_every_model_precision_and_format():
    keys = [cell.key for cell in cells(ARCHITECTURES)]
    assert len(set(keys)) == len(keys) == 6 * (len(PRECISIONS) + 2) * len(FORMATS)
    for model in ARCHITECTURES:
        assert {f"{model}/gap/{p}/{f}" for p in PRECISIONS for f in FORMATS} <= set(keys)
        assert {f"{model}/paper/{p}/{f}" for p in ("float32", "int8") for f in FORMATS} <= set(keys)


def test_the_page_names_a_reason_once_and_wraps_its_lines():
    rows = {}
    for model in ARCHITECTURES:
        cell = {"model": model, "head": "gap", "precision": "dynamic", "form": "openvino"}
        rows[model] = {**cell, "weights": "random", "status": REFUSED, "reason": "no such kernel"}
    text = page({"rows": rows, "heads": {}})
    assert text.count("no such kernel") == 1
    assert all(f"{model}/gap/dynamic/openvino" in text for model in ARCHITECTURES)
    assert "| mobilenetv2 | paper | 18,3" in text  # the cost of a head is known for every model
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("|"))


@pytest.mark.slow
def test_rows_are_refused_or_informative_and_a_second_start_repeats_nothing(tmp_path):
    wanted = [
        cell
        for cell in cells(["mobilenetv2"], ["gap"])
        if cell.precision in ("float32", "dynamic") and cell.form in ("tflite", "openvino")
    ]
    record = fill(tmp_path, wanted)
    assert record["rows"]["mobilenetv2/gap/dynamic/openvino"]["status"] == REFUSED
    for name in ("tflite", "openvino"):
        row = record["rows"][f"mobilenetv2/gap/float32/{name}"]
        assert (row["status"], row["verdict"]) == (OK, "pass")
    steps: list[str] = []
    assert fill(tmp_path, wanted, on_step=steps.append) == record
    assert steps == []
    assert "mobilenetv2" in page(record)
    schema = SCHEMAS / "matrix.json"
    jsonschema.validate(record, json.loads(schema.read_text(encoding="utf-8")))
