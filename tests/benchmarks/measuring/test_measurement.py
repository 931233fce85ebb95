"""`alledge benchmark` with real engines, real processes and a tiny network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from click.testing import Result
from PIL import Image

from alledge import runtime
from alledge.benchmarks.measuring import runner
from alledge.benchmarks.measuring.configurations import BenchmarkOptions, Configuration
from alledge.benchmarks.measuring.processes import run_process
from alledge.benchmarks.measuring.rounds_log import RoundsLog
from alledge.benchmarks.measuring.runner import AccuracyData
from alledge.benchmarks.result_file import build_result
from alledge.errors import BackendError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.seen_images import pixel_hash
from alledge.runtime.data.datasets import Dataset
from alledge.runtime.data.layout_types import ReadOptions
from alledge.runtime.imaging import load_rgb
from support.bundles import edit

SCHEMAS = Path(runtime.__file__).parent / "schemas"
QUICK = ("--seconds", "0.02", "--rounds", "2", "--max-rounds", "2", "--threads", "1")
TFLITE = ("--backend", "tflite")
Json = dict[str, Any]
Run = Callable[..., Result]


def read_log(out: Path) -> list[Json]:
    lines = (out / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def result(out: Path) -> Json:
    content: Json = json.loads((out / "benchmark.json").read_text(encoding="utf-8"))
    schema = json.loads((SCHEMAS / "benchmark.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(content)
    return content


def test_a_result_is_valid_and_has_every_figure_of_every_engine(measured: Path) -> None:
    content = result(measured)
    assert content["complete"]
    assert {row["backend"] for row in content["rows"]} == {"tflite", "onnx", "openvino"}
    for row in content["rows"]:
        assert row["status"] == "ok"
        assert row["rounds"] == 2
        for block in (row["latency"], row["end_to_end"]):
            assert 0 < block["p50_ms"] <= block["p90_ms"]
            assert block["load_ms"] > 0
            assert block["first_ms"] > 0
            assert block["ci"]["rounds"] == 2
        assert row["end_to_end"]["p50_ms"] > row["latency"]["p50_ms"]
        assert row["throughput"]["images_per_s"] > 0
        assert row["cold_start_ms"] > row["end_to_end"]["p50_ms"]
        assert row["file_bytes"] > 0
        if sys.platform == "linux":
            assert 0 < row["steady_mib"] <= row["peak_mib"]


def test_accuracy_is_measured_on_unseen_images(measured: Path, smears: Dataset) -> None:
    content = result(measured)
    assert content["data"]["generated"]
    for row in content["rows"]:
        assert row["accuracy"]["images"] == len(smears.samples)
        assert not row["accuracy"]["include_seen"]
        for name in ("accuracy", "sensitivity", "specificity", "auc"):
            figure = row["accuracy"][name]
            assert figure["low"] <= figure["value"] <= figure["high"]


def test_without_an_unseen_image_there_is_no_accuracy_and_the_row_is_ok(
    run: Run, artifacts: Path, maker: ModuleType, smears: Dataset, tmp_path: Path
) -> None:
    plain = Bundle.open(maker.write_bundle(tmp_path / "tiny", artifacts))
    pixels = [load_rgb(sample.path, plain.image_settings) for sample in smears.samples]
    seen = {"salt": "00ff", "hashes": [pixel_hash("00ff", one) for one in pixels]}
    bundle = maker.write_bundle(tmp_path / "seen", artifacts, seen=seen)
    out = tmp_path / "out"
    answer = run("benchmark", bundle, "--data", smears.root, "--out", out, *QUICK, *TFLITE)
    assert answer.exit_code == 0
    assert "nothing is left to measure" in answer.stdout
    row = result(out)["rows"][0]
    assert row["accuracy"] is None
    assert "trained on every readable image" in row["accuracy_note"]
    assert row["latency"]["p50_ms"] > 0


def test_a_data_set_without_a_readable_image_is_a_failed_row(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    for label in ("healthy", "blast"):
        file = tmp_path / "data" / label / "0.png"
        file.parent.mkdir(parents=True)
        Image.effect_noise((200, 200), 60).save(file)
        file.write_bytes(file.read_bytes()[:2000])
    out = tmp_path / "out"
    answer = run("benchmark", bundle, "--data", tmp_path / "data", "--out", out, *QUICK, *TFLITE)
    assert answer.exit_code == 1
    rows = result(out)["rows"]
    assert [row["status"] for row in rows] == ["failed"]
    assert "can be read" in rows[0]["why"]
    assert "trained on" not in rows[0]["why"]


def test_the_terminal_counts_the_seen_images_that_were_left_out(
    run: Run, artifacts: Path, maker: ModuleType, smears: Dataset, tmp_path: Path
) -> None:
    plain = Bundle.open(maker.write_bundle(tmp_path / "tiny", artifacts))
    pixels = load_rgb(smears.samples[0].path, plain.image_settings)
    seen = {"salt": "00ff", "hashes": [pixel_hash("00ff", pixels)]}
    bundle = maker.write_bundle(tmp_path / "seen", artifacts, seen=seen)
    words = ("benchmark", bundle, "--data", smears.root, *QUICK, *TFLITE, "--out")
    judged = len(smears.samples) - 1
    answer = run(*words, tmp_path / "out")
    assert f"{judged} images judged, 1 it was trained on left out" in answer.stdout
    answer = run(*words, tmp_path / "all", "--include-seen")
    assert f"{judged + 1} images judged, 1 of them it was trained on, included" in answer.stdout


def test_without_data_the_accuracy_is_not_measured(run: Run, bundle: Path, tmp_path: Path) -> None:
    answer = run("benchmark", bundle, "--out", tmp_path, *QUICK, *TFLITE)
    assert "not measured" in answer.stdout
    assert result(tmp_path)["rows"][0]["accuracy"] is None
    assert result(tmp_path)["settings"]["image"]["source"] == "drawn"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_killed_measurement_continues_without_repeating_a_round(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    words = ("benchmark", str(bundle), "--out", str(tmp_path), *QUICK)
    process = subprocess.Popen(
        [sys.executable, "-m", "alledge", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    log_file = tmp_path / "rounds.jsonl"
    for _ in range(600):
        if log_file.is_file() and log_file.read_bytes().count(b"\n") >= 2:
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = read_log(tmp_path)
    assert 2 <= len(before) < 6
    with log_file.open("ab") as stream:
        stream.write(b'{"work": "round", "key": "cut sh')  # what a kill may leave
    assert run(*words).exit_code == 0
    after = read_log(tmp_path)
    assert after[: len(before)] == before
    rounds = [(record["key"], record["round"]) for record in after]
    assert len(rounds) == len(set(rounds)) == 6
    assert result(tmp_path)["complete"]
    again = run(*words)
    assert read_log(tmp_path) == after
    assert "round" not in again.stderr.replace("rounds", "")


def test_a_measurement_that_reached_its_time_limit_can_be_continued(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    answer = run("benchmark", bundle, "--out", tmp_path, "--minutes", "0", *QUICK, *TFLITE)
    assert "the same command continues" in answer.stderr
    assert not result(tmp_path)["complete"]
    assert run("benchmark", bundle, "--out", tmp_path, *QUICK, *TFLITE).exit_code == 0
    assert result(tmp_path)["complete"]


@pytest.fixture
def crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every process abort that imports ONNX Runtime, as an illegal instruction does."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "class Crash:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            os.abort()\n"
        "sys.meta_path.insert(0, Crash())\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


@pytest.mark.usefixtures("crash")
@pytest.mark.parametrize("judged", [False, True])
def test_a_bundle_that_crashes_its_engine_is_one_failed_row(
    run: Run, bundle: Path, smears: Dataset, tmp_path: Path, judged: bool
) -> None:
    data = ("--data", smears.root) if judged else ()
    answer = run("benchmark", bundle, *data, "--out", tmp_path / "out", *QUICK)
    assert answer.exit_code == 1
    assert "failed: tiny-float32 onnx" in answer.stdout
    rows = {row["backend"]: row for row in result(tmp_path / "out")["rows"]}
    assert rows["onnx"]["status"] == "failed"
    assert "crashed" in rows["onnx"]["why"]
    assert rows["onnx"]["latency"] is rows["onnx"]["accuracy"] is None
    assert [rows[name]["status"] for name in ("tflite", "openvino")] == ["ok", "ok"]
    assert sum("onnx" in record["key"] for record in read_log(tmp_path / "out")) == 1
    page = tmp_path / "report.html"
    assert run("report", tmp_path / "out", "--out", page).exit_code == 0
    assert "crashed" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("judged", [False, True])
def test_a_changed_artifact_is_a_failed_row(
    run: Run, own_bundle: Path, smears: Dataset, tmp_path: Path, judged: bool
) -> None:
    with (own_bundle / "model.tflite").open("ab") as stream:
        stream.write(b"more")
    data = ("--data", smears.root) if judged else ()
    answer = run("benchmark", own_bundle, *data, "--out", tmp_path / "out", *QUICK, *TFLITE)
    assert answer.exit_code == 1
    assert "is not the file that was exported" in result(tmp_path / "out")["rows"][0]["why"]


def test_a_data_set_with_other_labels_is_a_failed_row(
    run: Run, artifacts: Path, maker: ModuleType, smears: Dataset, tmp_path: Path
) -> None:
    changes = {"labels": ["cat", "dog"], "positive": ["dog"]}
    bundle = maker.write_bundle(tmp_path / "pets", artifacts, **changes)
    out = tmp_path / "out"
    answer = run("benchmark", bundle, "--data", smears.root, "--out", out, *QUICK, *TFLITE)
    assert answer.exit_code == 1
    rows = result(out)["rows"]
    assert [row["status"] for row in rows] == ["failed"]
    assert "which tiny-float32 does not give" in rows[0]["why"]


@pytest.mark.parametrize(("images", "timeout_s"), [(3, 600.0), (200, 2000.0)])
def test_the_time_limit_of_accuracy_grows_with_the_number_of_images(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int, timeout_s: float
) -> None:
    limits: list[float] = []

    def fail(work: str, job: Json, limit_s: float, cache: Path) -> Json:
        limits.append(limit_s)
        raise BackendError("no answer")

    monkeypatch.setattr(runner, "run_worker", fail)
    data = AccuracyData("D", ReadOptions(), include_seen=False, images=images)
    configuration = Configuration(Bundle.open(bundle), "tflite", 1)
    measuring = runner.Runner(RoundsLog(tmp_path, {}), BenchmarkOptions(), tmp_path, data)
    assert list(measuring.run([configuration])) == [True]
    assert limits == [timeout_s]


def test_the_row_has_the_parity_verdict_of_the_export(
    run: Run, own_bundle: Path, measured: Path, tmp_path: Path
) -> None:
    assert {row["parity"] for row in result(measured)["rows"]} == {"pass"}
    parity = json.loads((own_bundle / "parity.json").read_text(encoding="utf-8"))
    parity["formats"]["tflite"]["verdict"] = "fail"
    (own_bundle / "parity.json").write_text(json.dumps(parity), encoding="utf-8")
    run("benchmark", own_bundle, "--out", tmp_path / "out", *QUICK, *TFLITE)
    assert result(tmp_path / "out")["rows"][0]["parity"] == "fail"


def test_disturbed_rounds_are_excluded_if_enough_undisturbed_rounds_exist(
    bundle: Path, measured: Path, tmp_path: Path
) -> None:
    first = next(record for record in read_log(measured) if record["work"] == "round")
    configuration = Configuration(Bundle.open(bundle), first["key"].split()[1], 1)
    log = RoundsLog(tmp_path, {})
    conditions = {"settings": {"min_rounds": 2, "width": 0.05}}
    for others in (0.0, 1.0, 0.0):
        noise = {**first["noise"], "others_cores": others, "stolen_cores": 0.0}
        log.add({**first, "noise": noise})
        row = build_result(log, [configuration], conditions, True)["rows"][0]
    assert (row["rounds"], row["set_aside"]) == (2, 1)
    alone = RoundsLog(tmp_path / "alone", {})
    for others in (0.0, 1.0):
        noise = {**first["noise"], "others_cores": others, "stolen_cores": 0.0}
        alone.add({**first, "noise": noise})
    row = build_result(alone, [configuration], conditions, True)["rows"][0]
    assert (row["rounds"], row["set_aside"]) == (2, 0)
    assert row["latency"]["ci"] is not None


def test_a_folder_with_rounds_under_other_conditions_is_refused(
    run: Run, measured: Path, bundle: Path
) -> None:
    answer = run("benchmark", bundle, "--out", measured, *QUICK)
    assert answer.exit_code == 2
    assert "under other conditions: the settings (image) was not the same" in answer.output


def test_the_same_bundle_twice_is_wrong_usage(run: Run, bundle: Path, tmp_path: Path) -> None:
    assert run("benchmark", bundle, bundle, "--out", tmp_path, *QUICK).exit_code == 2


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"training": {"data": {"name": 5}}}, "data: it is 5"),
        ({"training": {"data": {}, "weights": ["x"]}}, "weights: it is array"),
        ({"metrics": {"sensitivity": 1}}, "out_of_fold.sensitivity"),
    ],
)
def test_a_bundle_whose_row_the_report_would_refuse_is_not_measured(
    run: Run, bundle: Path, tmp_path: Path, changes: dict[str, Json], key: str
) -> None:
    damaged = edit(Path(shutil.copytree(bundle, tmp_path / "bundle")), **changes)
    answer = run("benchmark", damaged, "--out", tmp_path / "out")
    assert answer.exit_code == 1
    assert key in answer.stderr
    assert not (tmp_path / "out").exists()


def test_a_thread_count_that_is_no_number_is_wrong_usage(
    run: Run, bundle: Path, tmp_path: Path
) -> None:
    assert run("benchmark", bundle, "--out", tmp_path, "--threads", "two").exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has exit codes instead of signals")
def test_a_crash_is_reported_with_its_signal(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="killed by SIGABRT"):
        run_process([sys.executable, "-c", "import os; os.abort()"], 60, tmp_path)


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"no answer within 0\.5 s"):
        run_process([sys.executable, "-c", "import time; time.sleep(60)"], 0.5, tmp_path)
