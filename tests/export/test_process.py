"""Exports of a tiny run: complete bundles, refused artifacts, and reproducible bytes."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from alledge.errors import ExportError, UsageError
from alledge.export.convert.quantization_recipes import INT8_LADDERS, Recipe
from alledge.export.gate.parity import CALIBRATION, COMPARISON_KEYS, OUT_OF_FOLD, RUN_IMAGES
from alledge.export.options import ExportOptions, default_place
from alledge.export.process import export_run
from alledge.export.source_run import read_run_images
from alledge.runtime.bundle.verify import verify_bundle, verify_text
from alledge.runtime.digests import file_digest
from alledge.runtime.guards.guards import Guards
from alledge.train.runs.run_folder import Run

SCHEMAS = Path(__file__).resolve().parents[2] / "runtime" / "schemas"


def document(path: Path, schema: str) -> dict:
    content = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(
        content, json.loads((SCHEMAS / f"{schema}.json").read_text(encoding="utf-8"))
    )
    return content


@pytest.fixture(params=["int8", "float32"])
def bundle(request, int8_bundle, float32_bundle):
    return {"int8": int8_bundle, "float32": float32_bundle}[request.param]


def test_every_document_of_a_bundle_has_its_schema(bundle):
    record = document(bundle.path / "bundle.json", "bundle")
    document(bundle.path / "parity.json", "parity")
    there = {p.relative_to(bundle.path).as_posix() for p in bundle.path.rglob("*") if p.is_file()}
    assert there == {*record["files"], "bundle.json"}
    bundle.check()


def test_a_bundle_passes_verify_on_the_machine_that_exported_it(bundle):
    report = verify_bundle(bundle.path)
    assert report["verdict"] == "pass"
    assert set(report["backends"]) == {"tflite", "onnx", "openvino"}


def test_a_bundle_contains_no_path_of_the_machine_that_exported_it(bundle, tiny_run):
    for path in bundle.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(tiny_run.path.parent).encode() not in content, path
            assert b"/tmp/" not in content, path
            assert str(Path.home()).encode() + b"/" not in content, path


def test_references_cover_both_labels_and_the_threshold(bundle):
    parity = json.loads((bundle.path / "parity.json").read_text(encoding="utf-8"))
    for row in parity["formats"].values():
        covered = row.get("references", row)["coverage"]
        assert covered["informative"]
    with np.load(bundle.path / "reference" / "inputs.npz") as archive:
        assert archive["inputs"].shape == (32, 64, 64, 3)
        assert archive["inputs"].dtype == np.uint8


def test_no_training_image_is_a_reference(bundle, tiny_run):
    training = {image.tobytes() for image in read_run_images(tiny_run).images}
    with np.load(bundle.path / "reference" / "inputs.npz") as archive:
        assert not training & {image.tobytes() for image in archive["inputs"]}


def test_int8_is_judged_out_of_fold_and_its_cost_is_cross_fitted(int8_bundle):
    for row in int8_bundle.record["formats"].values():
        gate = row["gate"]
        assert gate["evaluated"]
        assert gate["tried"][-1]["passed"]
        assert gate["auc_drop"] <= gate["budget"]["auc_drop"]
        assert gate["lost_rate"]["value"] <= gate["budget"]["lost_rate"]
        assert gate["cross_fitted"]["images"] == 24
        assert len(gate["cross_fitted"]["recipes"]) == 2
        assert row["decision"] == "artifact out-of-fold"
        assert row["calibration"] == {"source": "training images", "images": 24, "warnings": []}


def test_parity_reports_the_cross_fitted_cost_and_the_comparison_of_the_artifact_itself(
    int8_bundle,
):
    parity = json.loads((int8_bundle.path / "parity.json").read_text(encoding="utf-8"))
    for form, row in parity["formats"].items():
        cost = int8_bundle.record["formats"][form]["gate"]["cross_fitted"]
        assert (row["measured_on"], row["figures"], row["gate"]) == (
            OUT_OF_FOLD,
            "cross-fitted",
            "passed",
        )
        assert {key: row[key] for key in COMPARISON_KEYS} == {
            key: cost[key] for key in COMPARISON_KEYS
        }
        assert row["shipped"]["passed"]
        assert row["shipped"]["images"] == 24
    text = verify_text(verify_bundle(int8_bundle.path))
    assert text.count("on 24 out-of-fold images, cross-fitted") == 3


def test_the_bundle_carries_the_guards_of_its_run(float32_bundle, tiny_run):
    assert float32_bundle.record["guards"] == tiny_run.record["guards"]
    assert Guards(float32_bundle.record["guards"]).active


def test_float32_ships_the_rule_of_the_run(float32_bundle, tiny_run):
    for row in float32_bundle.record["formats"].values():
        assert row["gate"] is None
        assert row["temperature"] == tiny_run.record["temperature"]
        assert row["threshold"] == tiny_run.record["threshold"]


def test_the_card_names_the_cost_and_where_it_was_measured(int8_bundle):
    card = (int8_bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "not a medical device" in card
    assert "Cross-fitted cost (not nested)" in card
    assert "24 out-of-fold images (cross-fitted cost)" in card
    assert "24 images it was trained on" in card
    assert "measured on 24 images: training images" in card
    for form in int8_bundle.formats:
        assert f"### What int8 costs in {form}" in card


@pytest.mark.usefixtures("real_worker_processes")
def test_the_same_run_gives_the_same_bundle_again(int8_bundle, tiny_run, tmp_path, monkeypatch):
    # The first bundle was converted with a new process for each step, this one with processes
    # that do many steps, side by side.
    monkeypatch.setenv("ALLEDGE_CACHE", "off")
    plans: list[int] = []
    options = ExportOptions(tiny_run, "int8", out=tmp_path / "again")
    outcome = export_run(options, on_plan=plans.append)
    again = outcome.options.out
    assert plans == [len(outcome.log)]  # every first recipe passes
    for name, digest in int8_bundle.record["files"].items():
        assert file_digest(again / name) == digest, name
    assert file_digest(again / "bundle.json") == int8_bundle.digest.removeprefix("sha256:")


def test_calibration_on_black_images_is_caught_by_the_gate(tiny_run, tmp_path, monkeypatch):
    from PIL import Image

    # With four layers in float nothing of the tiny network is quantized, and it passes.
    integers = tuple(recipe for recipe in INT8_LADDERS["onnx"] if not recipe.float_layers)
    monkeypatch.setitem(INT8_LADDERS, "onnx", integers)
    (tmp_path / "black").mkdir()
    for number in range(8):
        Image.new("RGB", (64, 64)).save(tmp_path / "black" / f"{number}.png")
    options = ExportOptions(
        tiny_run, "int8", ("onnx",), tmp_path / "bundle", calibration=tmp_path / "black"
    )
    with pytest.raises(ExportError, match="every recipe failed the gate") as caught:
        export_run(options)
    assert "bundle.rejected" in str(caught.value)
    assert not options.out.exists()
    assert (tmp_path / "bundle.rejected" / "model.onnx.rejected").is_file()
    why = document(tmp_path / "bundle.rejected" / "why.json", "rejected")
    assert document(tmp_path / "bundle.log.json", "export-log")["steps"]
    tried = why["gates"]["onnx"]["tried"]
    assert [row["recipe"] for row in tried] == [recipe.name for recipe in integers]
    assert not any(row["passed"] or "error" in row for row in tried)


def test_the_next_recipe_is_tried_if_a_converter_fails(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setitem(INT8_LADDERS, "onnx", (Recipe(ranges="unknown"), Recipe()))
    options = ExportOptions(tiny_run, "int8", ("onnx",), tmp_path / "bundle", gate=False)
    artifact = export_run(options).artifacts["onnx"]
    failed, passed = artifact.gate["tried"]
    assert artifact.recipe == Recipe()
    assert "failed: " in failed["error"]
    assert (failed["passed"], passed["passed"]) == (False, True)
    # Without a gate the images of the run judge. The references are recorded for the device.
    row = document(options.out / "parity.json", "parity")["formats"]["onnx"]
    assert (row["measured_on"], row["figures"]) == (RUN_IMAGES, RUN_IMAGES)
    assert (row["images"], row["gate"], row["shipped"]) == (24, "not evaluated", None)
    assert passed["mean_dp"] == row["mean_dp"] != row["references"]["mean_dp"]
    assert "24 images of the run" in verify_text(verify_bundle(options.out))
    card = (options.out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| onnx | 24 images of the run |" in card
    assert "| onnx | 32 references |" in card


def test_a_bundle_that_no_gate_judged_holds_no_image_of_the_run(tiny_run, tmp_path):
    options = ExportOptions(tiny_run, "dynamic", ("tflite",), tmp_path / "bundle", gate=False)
    assert export_run(options).artifacts["tflite"].parity["measured_on"] == RUN_IMAGES
    images = {image.tobytes() for image in read_run_images(tiny_run).images}
    with np.load(options.out / "reference" / "inputs.npz") as archive:
        assert not images & {image.tobytes() for image in archive["inputs"]}
    assert not [path for path in options.out.rglob("*") if path.suffix in (".png", ".npy")]


def test_a_run_without_its_data_needs_calibration_images(tiny_run, tmp_path):
    record = {**tiny_run.record, "data": {**tiny_run.record["data"], "root": str(tmp_path / "no")}}
    without_data = Run(tiny_run.path, record)
    with pytest.raises(ExportError, match="nothing to calibrate on") as caught:
        export_run(ExportOptions(without_data, "int8", ("onnx",), tmp_path / "bundle"))
    assert caught.value.fix == "--calibration DATA"
    messages: list[str] = []
    options = ExportOptions(
        without_data,
        "int8",
        ("onnx",),
        tmp_path / "bundle",
        calibration=Path(tiny_run.record["data"]["root"]),
    )
    outcome = export_run(options, say=messages.append)
    assert any("gate not evaluated: the run's data is not at" in line for line in messages)
    gate = outcome.artifacts["onnx"].gate
    assert not gate["evaluated"]
    assert gate["why"] == f"the run's data is not at {tmp_path / 'no'} any more"
    assert gate["tried"][-1]["passed"]
    assert outcome.artifacts["onnx"].parity["gate"] == "not evaluated"
    assert outcome.artifacts["onnx"].parity["measured_on"] == CALIBRATION
    record = document(tmp_path / "bundle" / "bundle.json", "bundle")
    assert record["formats"]["onnx"]["calibration"] == {
        "source": "given",
        "images": 24,
        "warnings": [],
    }
    assert "pass, gate not evaluated" in verify_text(verify_bundle(tmp_path / "bundle"))


def test_float16_is_judged_out_of_fold_too(tiny_run, tmp_path):
    outcome = export_run(ExportOptions(tiny_run, "float16", ("tflite",), tmp_path / "bundle"))
    artifact = outcome.artifacts["tflite"]
    assert artifact.parity["measured_on"] == OUT_OF_FOLD
    assert artifact.gate["evaluated"]
    assert artifact.gate["lost_positives"] == 0


def test_an_existing_bundle_is_refused_before_anything_is_converted(tiny_run, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bundle.json").write_text("{}", encoding="utf-8")
    steps: list[str] = []
    with pytest.raises(UsageError, match="exists already"):
        export_run(ExportOptions(tiny_run, "float32", out=tmp_path / "b"), steps.append)
    assert steps == []


def test_the_default_path_of_a_bundle_names_model_head_and_precision(tiny_run):
    assert default_place(tiny_run, "int8") == Path("bundles/mobilenetv2-int8")
    paper = Run(tiny_run.path, {**tiny_run.record, "head": "paper"})
    assert default_place(paper, "float32") == Path("bundles/mobilenetv2-paper-float32")
