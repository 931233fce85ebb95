"""`alledge benchmark` of a cell bundle: stages of a field, and rows that reports can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import Result

from alledge import runtime
from alledge.benchmarks.measuring.cell_stages import measure_stages, sample_pixels
from alledge.benchmarks.reporting.markdown_report import markdown_tables, short_table
from alledge.benchmarks.reporting.text_tables import csv_text, terminal
from alledge.benchmarks.result_file import median_stages, read_result
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.cells.field_cells import find_cells
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.classifier import Classifier
from alledge.train.runs.run_folder import Run as FinishedRun

SCHEMAS = Path(runtime.__file__).parent / "schemas"
QUICK = ("--seconds", "0.02", "--rounds", "2", "--max-rounds", "2", "--threads", "1")


@pytest.fixture(scope="module")
def field(tiny_cell_run: FinishedRun) -> Path:
    return next(Path(tiny_cell_run.record["data"]["root"]).rglob("*_1.jpg"))


@pytest.fixture
def measured(
    run: Callable[..., Result], int8_cell_bundle: Bundle, field: Path, tmp_path: Path
) -> dict[str, Any]:
    out = tmp_path / "measured"
    arguments = [int8_cell_bundle.path, "--backend", "onnx", "--image", field, "--out", out]
    arguments += ["--data", field.parent.parent, "--include-seen"]
    result = run("benchmark", *arguments, *QUICK)
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads((out / "benchmark.json").read_text(encoding="utf-8"))
    schema = json.loads((SCHEMAS / "benchmark.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(content)
    assert read_result(out)["rows"] == content["rows"]
    return content


def test_a_row_has_the_stages_of_a_field_and_its_number_of_cells(
    measured: dict[str, Any], int8_cell_bundle: Bundle, field: Path
) -> None:
    [row] = measured["rows"]
    settings = CellSettings.from_json(int8_cell_bundle.record["cells"])
    stages = row["stages"]
    assert row["task"] == "cell"
    assert stages["cells"] == len(find_cells(field, settings).crops) > 0
    assert min(stages["decode_ms"], stages["detect_ms"], stages["judge_ms"]) > 0
    assert stages["cell_ms"] == pytest.approx(stages["judge_ms"] / stages["cells"], abs=1e-3)
    assert row["latency"]["p50_ms"] < stages["judge_ms"]  # one cell, and all cells
    assert row["training"]["out_of_fold"]["accuracy"]["n"] == 16  # fields
    accuracy = row["accuracy"]
    assert (accuracy["unit"], accuracy["images"]) == ("field", 16)
    assert accuracy["cells"]["images"] > accuracy["images"]
    assert accuracy["cells"]["auc"]["value"] > 0.9
    text = terminal(measured)  # type: ignore[arg-type]
    assert "decode ms" in text
    assert "detect ms" in text
    assert "mobilenetv2, cells" in text
    tables = "\n\n".join(markdown_tables(measured["rows"]))
    assert "The stages of one field of cells" in tables
    assert "stages.detect_ms" in csv_text(measured["rows"])


def test_a_model_of_cells_and_one_of_fields_have_a_line_each(measured: dict[str, Any]) -> None:
    [row] = measured["rows"]
    whole = {key: value for key, value in row.items() if key not in ("task", "stages")}
    lines = short_table([whole, row]).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| mobilenetv2", "| mobilenetv2, cells"]


def test_an_image_without_a_cell_has_stages_and_no_time_of_a_cell(
    int8_cell_bundle: Bundle, tmp_path: Path
) -> None:
    from PIL import Image

    empty = tmp_path / "empty.png"
    Image.new("RGB", (320, 240), (230, 225, 220)).save(empty)
    size = int8_cell_bundle.image_settings.size
    assert sample_pixels(int8_cell_bundle, str(empty)).shape == (1, size, size, 3)
    with Classifier.load(int8_cell_bundle, "onnx", 1) as classifier:
        samples = measure_stages(classifier, str(empty), 0.01)
    assert samples is not None
    assert samples["cells"] == 0
    figures: Any = {"stages": samples}
    stages = median_stages([figures])
    assert stages is not None
    assert stages["cell_ms"] is None


def test_a_model_of_whole_fields_has_no_stages(bundle: Path, field: Path) -> None:
    with Classifier.load(bundle, "onnx", 1) as classifier:
        assert measure_stages(classifier, str(field), 0.01) is None
    assert median_stages([]) is None
