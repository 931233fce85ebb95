"""A study can be killed, resumed and shared, and tuning does not use its test images."""

import json
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result

from alledge.cli import main
from alledge.runtime.data.datasets import Dataset
from alledge.runtime.image_settings import ImageSettings
from alledge.train.fitting.feature_cache import FeatureCache
from alledge.train.progress import TrainingProgress
from alledge.train.study.cell_tuning import StudyWorker
from alledge.train.study.frozen_features import Features
from alledge.train.study.options import StudyOptions
from alledge.train.study.plan import make_plan
from alledge.train.study.trial_queue import open_storage, sqlite_url

TRIALS = 12  # nine are drawn at random; the last three learn from them
CHANGING = (
    "code",
    "computed_by",
    "seconds",
    "fit_seconds",
    "pass_seconds",
    "head_epoch_ms",
    "ratio",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def words(data: Path, cache: Path, out: Path, *more: str) -> list[str]:
    return [
        "study", "--data", str(data), "--models", "vgg16", "--weights", "none", "--size", "32",
        "--splits", "grouped", "--folds", "2", "--trials", str(TRIALS), "--passes", "1",
        "--fine-tune", "none", "--heartbeat", "1", "--cache", str(cache), "--out", str(out), *more,
    ]  # fmt: skip


def alledge(*typed: str) -> Result:
    return CliRunner().invoke(main, list(typed))


def start(typed: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    """Start a process; its output goes to a file."""
    with (folder / f"log-{time.monotonic_ns()}.txt").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "alledge", *typed], stdout=log, stderr=log)


@pytest.fixture(scope="module")
def whole(smears: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was not interrupted."""
    out = tmp_path_factory.mktemp("study") / "whole"
    result = alledge(*words(smears.root, cache, out))
    assert result.exit_code == 0, result.output
    return out


def table(out: Path) -> Any:
    """Return the document of a study without durations and commits."""

    def without_changing(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: without_changing(inner) for key, inner in value.items() if key not in CHANGING
            }
        return [without_changing(inner) for inner in value] if isinstance(value, list) else value

    return without_changing(json.loads((out / "study.json").read_text(encoding="utf-8")))


def finished(database: Path) -> int:
    """Return the number of complete trials in a SQLite storage."""
    try:
        with sqlite3.connect(database, timeout=30) as connection:
            count = connection.execute("select count(*) from trials where state = 'COMPLETE'")
            return int(count.fetchone()[0])
    except sqlite3.OperationalError:  # the tables are not there yet
        return 0


def test_a_study_writes_a_valid_document_and_two_pages_with_its_figures(whole: Path) -> None:
    document = json.loads((whole / "study.json").read_text(encoding="utf-8"))
    schema = resources.files("alledge.runtime").joinpath("schemas/study.json")
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))
    assert document["remaining"]["fits"] == 0
    (section,) = document["sections"]
    assert [row["kind"] for row in section["rows"]] == ["probe", "head"]
    (computed_by,) = document["computed_by"]
    assert computed_by == document["code"] | {"results": 2 * TRIALS + 4}
    html = (whole / "study.html").read_text(encoding="utf-8")
    text = (whole / "study.md").read_text(encoding="utf-8")
    for page in (html, text):
        assert f"{section['rows'][1]['summary']['accuracy']['value']:.3f}" in page
        assert document["data"]["fingerprint"] in page
        assert "0.892" in page
        assert "generated" in page
        assert f"{2 * TRIALS + 4} results: alledge" in page
    assert "src=" not in html
    assert "://" not in html.replace("http://www.w3.org", "")
    assert "prefers-color-scheme: dark" in html


def test_the_first_trial_is_the_default_and_the_best_is_no_worse(whole: Path) -> None:
    for row in table(whole)["tuned"]:
        assert row["loss"] <= row["default_loss"]
        assert (row["loss"] == row["default_loss"]) == (row["slot"] == 0)


def test_ray_workers_take_part_and_the_table_is_the_same(
    whole: Path, smears: Dataset, cache: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "ray"
    with start(words(smears.root, cache, out, "--ray", "local"), tmp_path) as process:
        process.wait(300)
    assert process.returncode == 0, [log.read_text("utf-8") for log in tmp_path.glob("log-*")]
    assert [(row["slot"], row["loss"]) for row in table(out)["tuned"]]
    assert finished(out / "study.db") == finished(whole / "study.db")


def test_a_study_killed_in_the_middle_and_resumed_has_the_same_table(
    whole: Path, smears: Dataset, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    process = start(words(smears.root, cache, out), tmp_path)
    while process.poll() is None and finished(out / "study.db") < TRIALS - 2:
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it was killed"
    process.kill()  # SIGKILL
    process.wait()
    before = finished(out / "study.db")
    assert TRIALS - 2 <= before < 2 * TRIALS + 4
    assert alledge(*words(smears.root, cache, out, "--resume")).exit_code == 0
    assert table(out) == table(whole)
    assert finished(out / "study.db") == finished(whole / "study.db") == 2 * TRIALS + 4


def test_two_processes_share_a_study_and_run_each_trial_once(
    whole: Path, smears: Dataset, cache: Path, tmp_path: Path
) -> None:
    url = sqlite_url(tmp_path / "shared.db")
    share(url, whole, smears, cache, tmp_path)
    assert finished(tmp_path / "shared.db") == 2 * TRIALS + 4


def share(url: str, whole: Path, smears: Dataset, cache: Path, folder: Path) -> None:
    outs = [folder / "one", folder / "two"]
    processes = [start(words(smears.root, cache, out, "--storage", url), folder) for out in outs]
    codes = [process.wait(timeout=300) for process in processes]
    logs = [path.read_text(encoding="utf-8") for path in folder.glob("log-*.txt")]
    assert codes == [0, 0], logs
    assert table(outs[0]) == table(outs[1]) == table(whole)


def test_resuming_a_finished_study_computes_nothing(
    whole: Path, smears: Dataset, cache: Path
) -> None:
    before = finished(whole / "study.db"), table(whole)
    assert alledge(*words(smears.root, cache, whole, "--resume")).exit_code == 0
    assert (finished(whole / "study.db"), table(whole)) == before
    refused = alledge(*words(smears.root, cache, whole))
    assert refused.exit_code == 2
    assert "exists already" in refused.output


def options(data: Path, **more: Any) -> StudyOptions:
    size = ImageSettings(size=32, draft=64)
    plain = StudyOptions(
        data, ("vgg16",), {"vgg16": "none"}, folds=2, trials=2, passes=1, image_settings=size
    )
    return replace(plain, **more)


def make_worker(plan: Any, features: Features, folder: Path) -> StudyWorker:
    storage = open_storage(sqlite_url(folder / "study.db"))
    return StudyWorker(plan, features, storage, folder / "fits", TrainingProgress(quiet=True))


class Poisoned(Features):
    """Features that are NaN for the images in `poison`."""

    poison: Any = np.empty(0, np.int64)

    def get(self, model: str, strength: float, number: int) -> Any:
        features, seconds = super().get(model, strength, number)
        features = features.copy()
        features[self.poison] = np.nan
        return features, seconds


def test_tuning_does_not_use_the_test_images(smears: Dataset, cache: Path, tmp_path: Path) -> None:
    plan = make_plan(options(smears.root))
    cell = next(plan.cells())
    losses = []
    for name, poison in (("clean", cell.fold.test[:0]), ("poisoned", cell.fold.test)):
        (tmp_path / name).mkdir()
        features = Poisoned(plan, FeatureCache(cache), lambda text: None)
        features.poison = poison
        worker = make_worker(plan, features, tmp_path / name)
        while worker.tuned(cell) is None:
            assert worker.tune(cell)
        tuned = worker.tuned(cell)
        assert tuned is not None
        losses.append((tuned["loss"], tuned["params"]))
    assert losses[0] == losses[1]
    assert np.isfinite(losses[0][0])
