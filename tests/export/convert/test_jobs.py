"""Steps in their own processes: results, failures, memory and the log."""

import json

import numpy as np
import pytest

from alledge.errors import ExportError
from alledge.export.convert.jobs import MEMORY_BUDGET_MIB, JobRunner
from alledge.runtime.process_memory import peak_mib

LARGE_MIB = 512
pytestmark = pytest.mark.usefixtures("new_process_per_step")


def test_a_step_runs_in_its_own_process_and_logs_its_seconds_and_memory(tmp_path):
    jobs = JobRunner(tmp_path)
    with pytest.raises(ExportError, match="float onnx failed"):
        jobs.run("float onnx", "float onnx", sources=tmp_path)
    (row,) = jobs.log
    assert row["step"] == "float onnx"
    assert row["seconds"] > 0
    assert 0 < row["peak_mib"] < MEMORY_BUDGET_MIB


def test_a_process_that_dies_is_one_failed_step(tmp_path, monkeypatch):
    dying = tmp_path / "die.py"
    dying.write_text("import os\nprint('last words')\nos._exit(7)\n", encoding="utf-8")
    jobs = JobRunner(tmp_path)
    monkeypatch.setattr("alledge.export.convert.jobs.COMMAND", (str(dying),))
    with pytest.raises(ExportError, match="ended with exit code 7: last words"):
        jobs.run("a conversion", "tflite")
    assert "last words" in jobs.log[0]["error"]
    assert jobs.log[0]["seconds"] > 0
    assert jobs.log[0].get("peak_mib", 1) > 0


def test_a_step_of_a_large_process_logs_its_own_memory(tmp_path):
    large = np.ones(LARGE_MIB << 17)  # eight bytes each
    jobs = JobRunner(tmp_path)
    with pytest.raises(ExportError, match="no such step"):
        jobs.run("a title", "no such step")
    assert peak_mib() > LARGE_MIB
    assert jobs.log[0]["peak_mib"] < LARGE_MIB
    assert large.size


def test_the_log_is_reported_after_every_step(tmp_path):
    lengths = []
    jobs = JobRunner(tmp_path, on_log=lambda log: lengths.append(len(log)))
    for _ in range(2):
        with pytest.raises(ExportError):
            jobs.run("a title", "no such step")
    assert lengths == [1, 2]


def test_an_artifact_that_cannot_be_loaded_is_an_error_of_one_line(tmp_path):
    broken, images = tmp_path / "model.onnx", tmp_path / "images.npy"
    broken.write_bytes(b"not a model")
    np.save(images, np.zeros((1, 8, 8, 3), np.uint8))
    jobs = JobRunner(tmp_path)
    with pytest.raises(ExportError, match=r"model\.onnx") as caught:
        jobs.run("scores", "run", format="onnx", artifact=broken, images=images, out=tmp_path / "o")
    assert "\n" not in caught.value.what


def test_the_title_of_a_step_is_reported_before_it_starts(tmp_path):
    titles = []
    with pytest.raises(ExportError):
        JobRunner(tmp_path, titles.append).run("a title", "no such step")
    assert titles == ["a title"]


def test_the_job_of_a_step_stays_readable(tmp_path):
    with pytest.raises(ExportError, match="KeyError"):
        JobRunner(tmp_path).run("a title", "no such step", model=tmp_path)
    job = json.loads((tmp_path / "job1.json").read_text(encoding="utf-8"))
    assert job["step"] == "no such step"
    assert job["model"] == str(tmp_path)
