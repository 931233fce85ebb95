"""Images of a run: read again if unchanged, each once, with the training part of every fold."""

import shutil

import numpy as np
import pytest
from PIL import Image

from alledge.errors import ExportError
from alledge.export.source_run import current_guards, read_run_images
from alledge.export.types import DecisionRule
from alledge.train.runs.run_folder import Run


def with_data_at(run: Run, root: str | None) -> Run:
    return Run(run.path, {**run.record, "data": {**run.record["data"], "root": root}})


def test_images_come_in_the_order_of_the_predictions(tiny_run):
    run_images = read_run_images(tiny_run)
    assert run_images.images.dtype == np.uint8
    assert len(run_images.images) == len(run_images.predictions.images)
    folders = [name.split("/")[0] for name in run_images.predictions.images]
    assert folders == list(run_images.labels)


def test_a_missing_data_set_is_an_error(tiny_run, tmp_path):
    with pytest.raises(ExportError, match="the run's data is not at"):
        read_run_images(with_data_at(tiny_run, str(tmp_path / "gone")))
    with pytest.raises(ExportError, match="the run names no data"):
        read_run_images(with_data_at(tiny_run, None))


def test_a_changed_data_set_is_an_error(tiny_run, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(tiny_run.record["data"]["root"], root)
    Image.new("RGB", (64, 64)).save(next(root.rglob("*.png")))
    with pytest.raises(ExportError, match="not those of the run"):
        read_run_images(with_data_at(tiny_run, str(root)))


def test_the_float_rule_is_that_of_the_run(tiny_run):
    rule = DecisionRule.from_run(tiny_run)
    assert rule.temperature == tiny_run.record["temperature"]
    assert list(rule.thresholds.band) == tiny_run.record["band"]


def with_earlier_guards(run: Run) -> Run:
    return Run(run.path, {**run.record, "guards": {"schema_version": 1}})


def test_guards_of_an_earlier_version_are_fitted_to_the_images_of_the_run_again(tiny_run):
    guards = current_guards(with_earlier_guards(tiny_run))
    assert guards == tiny_run.record["guards"]
    assert guards["sizes"]["usual"] == [[64, 64]]


def test_guards_of_an_earlier_version_need_the_images_of_the_run(tiny_run, tmp_path):
    run = with_data_at(with_earlier_guards(tiny_run), str(tmp_path / "gone"))
    with pytest.raises(ExportError, match="guards of the run are of an earlier alledge"):
        current_guards(run)


def test_a_run_without_guards_has_none(tiny_run):
    assert current_guards(Run(tiny_run.path, {**tiny_run.record, "guards": None})) is None


def test_images_without_a_part_in_the_calibration_are_compared_first(tiny_run, monkeypatch):
    run_images = read_run_images(tiny_run)
    assert sorted(run_images.compared_images()) == list(range(24))
    for module in ("source_run", "convert.calibration_images"):
        monkeypatch.setattr(f"alledge.export.{module}.MAX_IMAGES", 16)
    calibrated = {image.tobytes() for image in run_images.calibration_images().images}
    compared = run_images.images[run_images.compared_images()]
    assert len(compared) == 16
    assert not calibrated & {image.tobytes() for image in compared[:8]}
    assert {image.tobytes() for image in compared[8:]} <= calibrated
