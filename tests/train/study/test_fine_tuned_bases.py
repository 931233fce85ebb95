"""A killed fine-tuning of a base is resumed, and only from a state of the same options."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.runtime.data.datasets import Dataset
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.metrics.metrics import Json
from alledge.train.fitting.feature_cache import FeatureCache
from alledge.train.progress import TrainingProgress
from alledge.train.study import plan as study_plan
from alledge.train.study.cell_tuning import StudyWorker
from alledge.train.study.frozen_features import Features
from alledge.train.study.options import StudyOptions
from alledge.train.study.plan import BASE, make_plan
from alledge.train.study.trial_queue import open_storage, sqlite_url

SHORT = replace(study_plan.FINE_TUNING, epochs=3)
# The same command in another process, with the same short fine-tunings.
PROCESS = """
from dataclasses import replace
from alledge.cli import main
from alledge.train.study import plan as study_plan
study_plan.FINE_TUNING = replace(study_plan.FINE_TUNING, epochs=3)
main()
"""


@pytest.fixture(autouse=True, scope="module")
def short_recipe() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_plan, "FINE_TUNING", SHORT)
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def words(data: Path, weights: Path, cache: Path, out: Path, *more: str) -> list[str]:
    return [
        "study", "--data", str(data), "--models", "vgg16", "--weights", f"vgg16={weights}",
        "--size", "32", "--splits", "grouped", "--folds", "1", "--trials", "1", "--passes", "1",
        "--fine-tune", "vgg16", "--heartbeat", "1", "--cache", str(cache), "--out", str(out), *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(
    smears: Dataset, base_weights: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A study with a fine-tuned base that was not interrupted."""
    out = tmp_path_factory.mktemp("study") / "whole"
    result = CliRunner().invoke(main, words(smears.root, base_weights, cache, out))
    assert result.exit_code == 0, result.output
    assert "trials: 0 of 1 done (0 of 4 in all)" in result.output
    assert "fine-tunings of vgg16, grouped: 0 of 1 done (3 of 4 in all)" in result.output
    return out


def rows(out: Path) -> list[Json]:
    (section,) = json.loads((out / "study.json").read_text(encoding="utf-8"))["sections"]
    return [{key: value for key, value in r.items() if key != "seconds"} for r in section["rows"]]


def test_a_fine_tuned_base_has_its_own_row(whole: Path) -> None:
    row = rows(whole)[-1]
    assert (row["kind"], row["trained"]["words"]) == (BASE, "all of it")
    assert row["trained"]["parameters"] > 14_000_000
    assert row["curve"] is not None
    assert not list((whole / "fits").glob("*"))


def test_a_study_killed_while_a_base_is_fitted_and_resumed_has_the_same_table(
    whole: Path, smears: Dataset, base_weights: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    typed = words(smears.root, base_weights, cache, out)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", PROCESS, *typed], stdout=log, stderr=log)
    while process.poll() is None and not list((out / "fits").rglob("*.state.npz")):
        time.sleep(0.02)
    assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
    process.kill()  # SIGKILL
    process.wait()
    assert list((out / "fits").rglob("*.state.npz"))
    result = CliRunner().invoke(main, [*typed, "--resume"])
    assert result.exit_code == 0, result.output
    assert rows(out) == rows(whole)
    assert not list((out / "fits").glob("*"))


class CutOff(TrainingProgress):
    """Interrupts the fit after the first epoch of a base."""

    def epoch(self, stage: str, row: Json) -> None:
        if row["epoch"]:
            raise KeyboardInterrupt


def make_worker(
    options: StudyOptions, cache: Path, out: Path, name: str, cut_off: bool = False
) -> StudyWorker:
    plan = make_plan(options)
    features = Features(plan, FeatureCache(cache), lambda text: None)
    storage = open_storage(sqlite_url(out / f"{name}.db"))
    progress = CutOff(quiet=True) if cut_off else TrainingProgress(quiet=True)
    worker = StudyWorker(plan, features, storage, out / name, progress)
    for cell in plan.cells():
        while worker.tuned(cell) is None:
            assert worker.tune(cell)
    return worker


def fitted(worker: StudyWorker) -> Any:
    (cell,) = worker.plan.cells()
    assert worker.fit(cell, BASE)
    result = worker.fitted(cell, BASE)
    assert result is not None
    return result["scores"]


def test_the_state_of_another_seed_is_not_resumed(
    smears: Dataset, base_weights: Path, cache: Path, tmp_path: Path
) -> None:
    first = StudyOptions(
        smears.root, ("vgg16",), {"vgg16": str(base_weights)}, folds=1, trials=1, passes=1,
        fine_tune=("vgg16",), image_settings=ImageSettings(size=32, draft=64),
    )  # fmt: skip
    cut = make_worker(first, cache, tmp_path, "shared", cut_off=True)
    with pytest.raises(KeyboardInterrupt):
        fitted(cut)
    (left,) = (tmp_path / "shared").iterdir()
    other = replace(first, seed=1)
    assert set(left.parent.rglob("*.state.npz"))
    resumed, clean = (make_worker(other, cache, tmp_path, name) for name in ("shared", "clean"))
    assert np.array_equal(fitted(resumed), fitted(clean))
    assert list((tmp_path / "shared").iterdir()) == [left]
    assert cut.state_folder(next(cut.plan.cells())) == left  # where its own options continue
