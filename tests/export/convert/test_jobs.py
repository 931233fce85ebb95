"""Steps in worker processes: results, failures, memory, the log and the cache."""

import contextlib
import json
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from alledge.errors import ExportError
from alledge.export.convert import worker_pool
from alledge.export.convert.jobs import MEMORY_BUDGET_MIB, JobRunner
from alledge.export.convert.step_cache import StepCache
from alledge.runtime.process_memory import peak_mib

LARGE_MIB = 512
# A worker without converters: answers at once, dies when told to, and writes what it was given.
WORKER = """
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    job = json.load(open(request["job"]))
    if job.get("die"):
        open(request["output"], "w").write("last words\\n")
        os._exit(7)
    if job.get("out"):
        open(job["out"], "w").write(open(job["model"]).read() + str(os.getpid()))
    json.dump({"pid": os.getpid(), "seconds": 0.5}, open(job["result"], "w"))
    print(0, flush=True)
"""
# The real worker, whose step takes longer than any test.
SLOW_WORKER = """
import os, threading
from pathlib import Path
from alledge.export.convert import worker
from alledge.runtime.files import replace_file
def wait(job):
    with replace_file(Path(job + ".began")) as file:
        file.write_text(str(os.getpid()), encoding="utf-8")
    threading.Event().wait(120)
worker.main = wait
worker.serve()
"""
KILLED = """
import os, signal, sys, threading
from pathlib import Path
from alledge.export.convert import worker_pool
folder = Path(sys.argv[1])
worker_pool.COMMAND = (str(folder / "slow.py"),)
with worker_pool.WorkerPool(folder) as pool:
    arguments = ("tflite", folder / "job.json", folder / "job.log")
    threading.Thread(target=pool.run, args=arguments, daemon=True).start()
    while not (folder / "job.json.began").exists():
        pass
    print((folder / "job.json.began").read_text(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
pytestmark = pytest.mark.usefixtures("real_worker_processes")


@pytest.fixture
def jobs(tmp_path):
    with JobRunner(tmp_path) as runner:
        yield runner


@pytest.fixture
def simple_worker(tmp_path, monkeypatch):
    """Replace the worker by one that loads nothing."""
    file = tmp_path / "worker.py"
    file.write_text(WORKER, encoding="utf-8")
    monkeypatch.setattr(worker_pool, "COMMAND", (str(file),))


def test_a_step_runs_in_another_process_and_logs_its_seconds_and_memory(jobs, tmp_path):
    with pytest.raises(ExportError, match="float onnx failed"):
        jobs.run("float onnx", "float onnx", source=tmp_path, out=tmp_path / "o")
    (row,) = jobs.log
    assert row["step"] == "float onnx"
    assert row["seconds"] > 0
    assert 0 < row["peak_mib"] < MEMORY_BUDGET_MIB


@pytest.mark.usefixtures("simple_worker")
def test_steps_of_one_toolkit_share_a_process_and_others_do_not(jobs):
    first, second = (jobs.run("a title", "run")["pid"] for _ in range(2))
    assert first == second
    assert jobs.run("a title", "tflite")["pid"] != first


@pytest.mark.usefixtures("simple_worker")
def test_a_process_that_dies_is_one_failed_step(jobs):
    with pytest.raises(ExportError, match="ended with exit code 7: last words"):
        jobs.run("a conversion", "tflite", die=True)
    assert "last words" in jobs.log[0]["error"]
    assert jobs.run("a conversion", "tflite")["seconds"] == 0.5
    assert "error" not in jobs.log[1]


def test_a_process_that_dies_at_its_start_shows_what_it_printed(jobs, tmp_path, monkeypatch):
    file = tmp_path / "worker.py"
    file.write_text("raise SystemExit('no such library')", encoding="utf-8")
    monkeypatch.setattr(worker_pool, "COMMAND", (str(file),))
    with pytest.raises(ExportError, match="ended with exit code 1: no such library"):
        jobs.run("a conversion", "tflite")


@pytest.mark.usefixtures("simple_worker")
def test_a_process_with_much_memory_is_replaced_after_its_step(jobs, monkeypatch):
    monkeypatch.setattr(worker_pool, "REPLACE_MIB", 1)
    first, second = (jobs.run("a title", "run")["pid"] for _ in range(2))
    assert first != second


@pytest.mark.usefixtures("simple_worker")
def test_steps_of_several_threads_have_their_own_processes_and_logs(jobs):
    titles = [f"step {number}" for number in range(8)]
    threads = [threading.Thread(target=jobs.run, args=(title, "run")) for title in titles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row["step"] for row in jobs.log) == titles
    assert {row["seconds"] for row in jobs.log} == {0.5}


@pytest.mark.usefixtures("simple_worker")
def test_steps_wait_for_a_process_if_there_are_enough_of_their_toolkit(jobs):
    jobs.limit(1)
    pids = []
    threads = [
        threading.Thread(target=lambda: pids.append(jobs.run("a title", "run")["pid"]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 4
    assert len(set(pids)) == 1


@pytest.mark.usefixtures("simple_worker")
def test_closing_ends_every_process_and_no_step_starts_after_it(jobs):
    jobs.run("a title", "run")
    workers = list(jobs._workers._workers)
    jobs.close()
    assert [worker._process.poll() is None for worker in workers] == [False]
    with pytest.raises(ExportError, match="ended"):
        jobs.run("a title", "run")


def test_a_step_of_a_large_process_logs_its_own_memory(jobs):
    large = np.ones(LARGE_MIB << 17)  # eight bytes each
    with pytest.raises(ExportError, match="KeyError"):
        jobs.run("a title", "run")
    assert peak_mib() > LARGE_MIB
    assert jobs.log[0]["peak_mib"] < LARGE_MIB
    assert large.size


def test_the_log_is_reported_after_every_step(tmp_path):
    lengths = []
    with JobRunner(tmp_path, on_log=lambda log: lengths.append(len(log))) as jobs:
        for _ in range(2):
            with pytest.raises(ExportError):
                jobs.run("a title", "run")
    assert lengths == [1, 2]


def test_an_artifact_that_cannot_be_loaded_is_an_error_of_one_line(jobs, tmp_path):
    broken, images = tmp_path / "model.onnx", tmp_path / "images.npy"
    broken.write_bytes(b"not a model")
    np.save(images, np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(ExportError, match=r"model\.onnx") as caught:
        jobs.run("scores", "run", format="onnx", artifact=broken, images=images, out=tmp_path / "o")
    assert "\n" not in caught.value.what


@pytest.mark.usefixtures("simple_worker")
def test_the_title_of_a_step_is_reported_before_it_starts(tmp_path):
    titles = []
    with JobRunner(tmp_path, titles.append) as jobs:
        jobs.run("a title", "run")
    assert titles == ["a title"]


def test_the_job_of_a_step_stays_readable(jobs, tmp_path):
    with pytest.raises(ExportError, match="KeyError"):
        jobs.run("a title", "run", model=tmp_path)
    job = json.loads((tmp_path / "job1.json").read_text(encoding="utf-8"))
    assert job["step"] == "run"
    assert job["model"] == str(tmp_path)


@pytest.fixture
def cached_run(tmp_path, simple_worker):
    """Return a function that runs a step with a cache: the text it wrote, and its log row."""
    model = tmp_path / "model.keras"
    model.write_text("weights", encoding="utf-8")

    def run(max_bytes: int = 2**20, **options) -> tuple[str, dict]:
        cache = StepCache(tmp_path / "cache", max_bytes)
        with JobRunner(tmp_path, cache=cache) as jobs:
            jobs.run("a title", "tflite", model=model, out=tmp_path / "out.tflite", **options)
        return (tmp_path / "out.tflite").read_text(encoding="utf-8"), jobs.log[0]

    run.model, run.cache = model, tmp_path / "cache"
    return run


def test_a_step_that_an_earlier_export_did_is_not_done_again(cached_run):
    text, row = cached_run(precision="int8")
    assert "cached" not in row
    again, row = cached_run(precision="int8")
    assert again == text
    assert row["cached"]


@pytest.mark.parametrize("change", ["options", "input", "damage"])
def test_a_step_with_other_inputs_or_a_damaged_entry_is_done_again(cached_run, change):
    cached_run(precision="int8")
    if change == "input":
        cached_run.model.write_text("other weights", encoding="utf-8")
    if change == "damage":
        (file,) = cached_run.cache.glob("*/out.tflite")
        file.write_text("damaged", encoding="utf-8")
    text, row = cached_run(precision="float16" if change == "options" else "int8")
    assert "cached" not in row
    assert text.startswith("other weights" if change == "input" else "weights")


def test_the_cache_deletes_the_least_recently_used_results_above_its_limit(cached_run):
    for number in range(4):
        cached_run(max_bytes=1, precision=str(number))
    assert list(cached_run.cache.iterdir()) == []
    cached_run(precision="int8")
    assert len(list(cached_run.cache.iterdir())) == 1


def test_a_full_cache_deletes_no_file_of_the_user(cached_run):
    """The folder of the cache may be one that the user keeps other files in."""
    names = ["thesis.txt", "x" * 64]
    cached_run.cache.mkdir()
    for name in names:
        (cached_run.cache / name).write_text("written by the user", encoding="utf-8")
    cached_run(max_bytes=0)
    assert sorted(path.name for path in cached_run.cache.iterdir()) == names


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_ends_during_its_step_if_the_export_is_killed(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW_WORKER, encoding="utf-8")
    command = [sys.executable, "-c", KILLED, tmp_path]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -9
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(timeout=30)


def test_the_log_is_reported_by_one_thread_at_a_time(tmp_path):
    inside, most = [], []

    def on_log(log):
        inside.append(log)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()

    with JobRunner(tmp_path, on_log=on_log) as jobs:
        threads = [threading.Thread(target=jobs.report_log) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == [1] * 8
