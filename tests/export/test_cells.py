"""Exports of a tiny cell run: gate, field rules, references, card, and replay of the picture."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image, ImageDraw

from alledge.errors import BundleError, DataError, ExportError, RunError
from alledge.export.convert.calibration_images import (
    GENERATED,
    CalibrationImages,
    load_cell_folder,
)
from alledge.export.gate.reference_cells import REFERENCES, load_reference_cells
from alledge.export.generated_cells import draw_calibration_cells, with_generated
from alledge.export.options import ExportOptions, default_place
from alledge.export.process import export_run
from alledge.export.source_cells import cell_settings
from alledge.export.source_run import current_guards, read_run_images
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.record_file import RECORD, record_text
from alledge.runtime.bundle.references import read_references
from alledge.runtime.bundle.verify import verify_bundle, verify_text
from alledge.runtime.cells.field_rule import FieldRule
from alledge.runtime.cells.single_cell import find_image_cells
from alledge.train.runs.run_folder import Run, newest_finished

SCHEMAS = Path(__file__).resolve().parents[2] / "runtime" / "schemas"


def document(path: Path, schema: str) -> dict:
    content = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(
        content, json.loads((SCHEMAS / f"{schema}.json").read_text(encoding="utf-8"))
    )
    return content


@pytest.fixture
def own_cell_bundle(int8_cell_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(int8_cell_bundle.path, tmp_path / "bundle"))


def changed(bundle: Path, **changes: object) -> Path:
    """Change the record of a bundle as somebody would who also corrects its checksum."""
    record = json.loads((bundle / RECORD).read_text(encoding="utf-8"))
    (bundle / RECORD).write_bytes(record_text({**record, **changes}))
    return bundle


def test_the_images_of_a_cell_run_are_its_cells(tiny_cell_run):
    run_images = read_run_images(tiny_cell_run)
    size = tiny_cell_run.record["image_path"]["size"]
    assert run_images.images.shape[1:] == (size, size, 3)
    assert all("#" in name for name in run_images.names)
    units = run_images.tested_fields()
    assert len(units.unit) == len(run_images.predictions.images)
    assert set(units.is_positive.tolist()) == {False, True}
    calibration = run_images.calibration_images(1)
    assert set(calibration.labels) == {"healthy", "blast", GENERATED}


def test_every_other_calibration_cell_is_generated(tiny_cell_run):
    run_images = read_run_images(tiny_cell_run)
    calibration = run_images.calibration_images(1)
    assert calibration.labels[1::2] == (GENERATED,) * (len(calibration.labels) // 2)
    assert GENERATED not in calibration.labels[::2]
    drawn = draw_calibration_cells(cell_settings(tiny_cell_run))
    assert np.array_equal(calibration.images[1::2], drawn[: len(calibration.images) // 2])
    trained = replace(run_images, cell_settings=None).calibration_images(1)
    assert np.array_equal(calibration.images[::2], trained.images[: len(calibration.images) // 2])


def test_generated_cells_hide_no_warning_about_the_own_ones():
    own = CalibrationImages(
        np.arange(4 * 192, dtype=np.uint8).reshape(4, 8, 8, 3), ("blast",) * 4, ("Canon",) * 4
    )
    drawn = np.arange(40 * 192).astype(np.uint8).reshape(40, 8, 8, 3)
    assert with_generated(own, drawn).warnings() == own.warnings()
    assert any("camera 'Canon'" in warning for warning in own.warnings())


def test_settings_that_find_no_generated_cell_leave_the_own_ones():
    own = CalibrationImages(np.zeros((3, 8, 8, 3), np.uint8), ("a", "b", "c"), ("x",) * 3)
    assert with_generated(own, np.empty((0, 8, 8, 3), np.uint8)) is own


def test_a_bundle_of_cells_says_how_cells_are_found_and_fields_judged(
    int8_cell_bundle, tiny_cell_run
):
    record = document(int8_cell_bundle.path / "bundle.json", "bundle")
    assert (record["name"], record["task"]) == ("mobilenetv2-cell-int8", "cell")
    assert record["cells"] == tiny_cell_run.record["cells"]
    for row in record["formats"].values():
        rule = FieldRule.from_json(row["field"])
        assert rule.band[0] <= rule.threshold <= rule.band[1]
    assert record["metrics"]["fields"] == tiny_cell_run.record["fields"]
    assert "root" not in json.dumps(record["training"])
    assert [source["name"] for source in record["training"]["sources"]] == ["all-idb1"]


def test_the_gate_counts_lost_blast_cells_and_lost_blast_fields(int8_cell_bundle):
    parity = document(int8_cell_bundle.path / "parity.json", "parity")
    for name, row in int8_cell_bundle.record["formats"].items():
        for figures in (row["gate"], row["gate"]["cross_fitted"]):
            assert figures["float_positives"] > figures["fields"]["float_positives"] > 0
            assert figures["fields"]["field_count"] == 16
            assert figures["fields"]["lost_positives"] == 0
        assert row["gate"]["tried"][-1]["lost_fields"] == 0
        assert parity["formats"][name]["fields"]["lost_positives"] == 0
        assert parity["formats"][name]["shipped"]["fields"]["field_count"] == 16


def test_the_card_has_figures_of_cells_and_fields_and_forbidden_uses(int8_cell_bundle):
    text = (int8_cell_bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for phrase in (
        "for the cells of microscope fields",
        "| cells: sensitivity |",
        "| fields: sensitivity |",
        "Lost fields: 0 of 8 blast fields",
        "Do not use it: for a diagnosis",
        "to replace a count by a person",
    ):
        assert phrase in text


def test_no_cell_of_the_training_fields_is_stored(int8_cell_bundle, tiny_cell_run):
    training = {image.tobytes() for image in read_run_images(tiny_cell_run).images}
    references = read_references(int8_cell_bundle)
    stored = {image.tobytes() for image in (*references.inputs, *references.cells.crops)}
    assert not training & stored
    assert len(references.cells.crops) > 0


def test_verify_replays_detection_and_judgement(int8_cell_bundle):
    report = verify_bundle(int8_cell_bundle.path)
    schema = json.loads((SCHEMAS / "verify.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, schema)
    assert report["verdict"] == "pass"
    assert report["cells"]["matched"] == report["cells"]["compared"] > 0
    assert report["backends"]["tflite"]["here"]["cells"]["max_dp"] < 0.02
    text = verify_text(report)
    assert "cells      pass" in text
    assert "0 lost blast cells, 0 lost blast fields" in text


def test_verify_finds_another_search(own_cell_bundle):
    cells = json.loads((own_cell_bundle / RECORD).read_text(encoding="utf-8"))["cells"]
    detection = {**cells["detection"], "min_stain": 20.0}
    report = verify_bundle(changed(own_cell_bundle, cells={**cells, "detection": detection}))
    assert report["cells"]["here"] < report["cells"]["at_export"]
    assert report["cells"]["status"] == report["verdict"] == "fail"


def test_verify_finds_another_width_of_the_squares(own_cell_bundle):
    cells = json.loads((own_cell_bundle / RECORD).read_text(encoding="utf-8"))["cells"]
    crop = {**cells["crop"], "width": cells["crop"]["width"] * 1.3}
    report = verify_bundle(changed(own_cell_bundle, cells={**cells, "crop": crop}))
    assert report["cells"]["matched"] == report["cells"]["compared"]
    assert report["cells"]["status"] == "fail"


def test_verify_finds_another_field_rule(own_cell_bundle):
    formats = json.loads((own_cell_bundle / RECORD).read_text(encoding="utf-8"))["formats"]
    formats["onnx"]["field"]["bias"] += 1.0
    report = verify_bundle(changed(own_cell_bundle, formats=formats))
    assert report["answers"]["status"] == "fail"
    assert any("field: the picture is" in line for line in report["answers"]["differences"])


def test_references_without_the_cells_of_the_picture_are_refused(own_cell_bundle):
    parity = json.loads((own_cell_bundle / "parity.json").read_text(encoding="utf-8"))
    del parity["reference"]["picture"]
    (own_cell_bundle / "parity.json").write_text(json.dumps(parity), encoding="utf-8")
    with pytest.raises(BundleError, match=r"reference\.picture"):
        read_references(Bundle.open(own_cell_bundle))


def test_a_bundle_of_cells_has_its_own_folder(tiny_cell_run, tiny_run):
    assert default_place(tiny_cell_run, "int8") == Path("bundles/mobilenetv2-cell-int8")
    assert default_place(tiny_run, "int8") == Path("bundles/mobilenetv2-int8")


def with_record(run: Run, **changes: object) -> Run:
    return Run(run.path, {**run.record, **changes})


def test_changed_fields_are_refused(tiny_cell_run, tmp_path):
    root = Path(shutil.copytree(tiny_cell_run.record["data"]["root"], tmp_path / "data"))
    image = next(root.rglob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    source = {**tiny_cell_run.record["data"], "root": str(root)}
    with pytest.raises(ExportError, match="not those of the run"):
        read_run_images(with_record(tiny_cell_run, sources=[source]))


def test_cells_that_are_found_elsewhere_now_are_refused(tiny_cell_run):
    cells = {**tiny_cell_run.record["cells"], "field_pixels": 120}
    with pytest.raises(ExportError, match="cells that are found now are not those of the run"):
        read_run_images(with_record(tiny_cell_run, cells=cells))


def test_labels_that_changed_are_refused(tiny_cell_run):
    with pytest.raises(ExportError, match="the labels of the cells are healthy, blast now"):
        read_run_images(with_record(tiny_cell_run, labels=["healthy", "blasts"]))


def test_settings_of_cells_that_this_version_does_not_know_are_refused(tiny_cell_run):
    with pytest.raises(ExportError, match=r"cells\.colour"):
        cell_settings(with_record(tiny_cell_run, cells={"colour": 1}))
    record = {key: value for key, value in tiny_cell_run.record.items() if key != "cells"}
    with pytest.raises(ExportError, match="stores no settings of cells"):
        cell_settings(Run(tiny_cell_run.path, record))


def test_guards_of_cells_of_an_earlier_version_need_a_new_training(tiny_cell_run):
    with pytest.raises(ExportError, match="guards of the cell run") as caught:
        current_guards(with_record(tiny_cell_run, guards={"schema_version": 1}))
    assert "train again" in str(caught.value.fix)


def test_calibration_on_images_without_a_cell_is_refused(tiny_cell_run, tmp_path):
    Image.new("RGB", (300, 200), (230, 225, 220)).save(tmp_path / "empty.png")
    options = ExportOptions(
        tiny_cell_run, "int8", ("onnx",), tmp_path / "out", calibration=tmp_path
    )
    with pytest.raises(DataError, match="no cell is found"):
        export_run(options)
    assert not (tmp_path / "out").exists()


def test_calibration_and_reference_cells_come_from_the_fields_of_a_folder(tiny_cell_run):
    settings, root = cell_settings(tiny_cell_run), Path(tiny_cell_run.record["data"]["root"])
    cells = load_cell_folder(root, settings)
    assert 0 < len(cells.images) <= 64
    assert set(cells.labels) == {"im"}
    assert len(load_reference_cells(root, settings)) >= REFERENCES


def test_too_few_cells_for_references_are_refused(tiny_cell_run, tmp_path):
    root = Path(tiny_cell_run.record["data"]["root"])
    shutil.copy(next(root.rglob("*.jpg")), tmp_path)
    with pytest.raises(DataError, match="cells are found in the images"):
        load_reference_cells(tmp_path, cell_settings(tiny_cell_run))


def test_an_image_of_one_cell_is_calibrated_on_as_the_device_cuts_it_out(tiny_cell_run, tmp_path):
    picture = Image.new("RGB", (140, 140))
    ImageDraw.Draw(picture).ellipse((40, 40, 100, 100), fill=(90, 50, 140))
    picture.save(tmp_path / "black.png")
    settings = cell_settings(tiny_cell_run)
    kind, device = find_image_cells(tmp_path / "black.png", settings)
    assert kind == "cell"
    assert np.array_equal(load_cell_folder(tmp_path, settings).images, device.crops)


def test_the_newest_run_of_the_wanted_task_is_found(tiny_cell_run, tiny_run, tmp_path):
    folder = tmp_path / "mobilenetv2"
    shutil.copytree(tiny_cell_run.path, folder / "1")
    assert newest_finished(tmp_path, "mobilenetv2", task="cell").path == folder / "1"
    with pytest.raises(RunError, match="no finished run of mobilenetv2 with the task field") as no:
        newest_finished(tmp_path, "mobilenetv2")
    assert "--task cell" in str(no.value.fix)
    shutil.copytree(tiny_run.path, folder / "2")
    assert newest_finished(tmp_path, "mobilenetv2").path == folder / "2"


def test_an_artifact_ships_the_rule_of_the_run_without_a_gate(tiny_cell_run, tmp_path):
    out = tmp_path / "bundle"
    export_run(ExportOptions(tiny_cell_run, "float32", ("onnx",), out))
    row = Bundle.open(out).record["formats"]["onnx"]
    assert row["field"] == tiny_cell_run.record["field"]
    assert row["threshold"] == tiny_cell_run.record["threshold"]
    assert row["gate"] is None
    assert verify_bundle(out)["verdict"] != "fail"
    assert np.isfinite(replace(FieldRule.from_json(row["field"]), bias=0.0).probability([0.5]))
