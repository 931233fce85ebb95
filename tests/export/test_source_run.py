import shutil

import numpy as np
from PIL import Image

from alledge.export.source_run import DecisionRule, RunImages, read_run_images
from alledge.train.runs.run_folder import Run


def moved(run: Run, root: str | None) -> Run:
    return Run(run.path, {**run.record, "data": {**run.record["data"], "root": root}})


def test_images_come_in_the_order_of_the_predictions(tiny_run):
    material = read_run_images(tiny_run)
    assert isinstance(material, RunImages)
    assert material.images.dtype == np.uint8
    assert len(material.images) == len(material.predictions.images)
    of = [name.split("/")[0] for name in material.predictions.images]
    assert of == list(material.labels)


def test_data_that_is_gone_is_said_not_raised(tiny_run, tmp_path):
    assert "not at" in read_run_images(moved(tiny_run, str(tmp_path / "gone")))
    assert read_run_images(moved(tiny_run, None)) == "the run names no data"


def test_data_that_was_changed_is_not_taken_for_the_run_s(tiny_run, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(tiny_run.record["data"]["root"], root)
    Image.new("RGB", (64, 64)).save(next(root.rglob("*.png")))
    assert "not those of the run" in read_run_images(moved(tiny_run, str(root)))


def test_the_float_model_is_read_as_its_run_says(tiny_run):
    reading = DecisionRule.of_run(tiny_run)
    assert reading.temperature == tiny_run.record["temperature"]
    assert list(reading.decision.band) == tiny_run.record["band"]
