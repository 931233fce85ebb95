"""Fine-tuned bases in a study: killed and resumed, and never begun by another order's state."""

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
# the same command in a process of its own, whose fine-tunings are as short
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
    """A study with a fine-tuned base that nobody interrupted."""
    out = tmp_path_factory.mktemp("study") / "whole"
    result = CliRunner().invoke(main, words(smears.root, base_weights, cache, out))
    assert result.exit_code == 0, result.output
    assert "trials: 0 of 1 done (0 of 4 in all)" in result.output
    assert "fine-tunings of vgg16, grouped: 0 of 1 done (3 of 4 in all)" in result.output
    return out


def rows(out: Path) -> list[Json]:
    (section,) = json.loads((out / "study.json").read_text(encoding="utf-8"))["sections"]
    return [{key: value for key, value in r.items() if key != "seconds"} for r in section["rows"]]


def test_a_fine_tuned_base_is_a_row_of_its_own(whole: Path) -> None:
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
    process.kill()  # SIGKILL: nothing is tidied up
    process.wait()
    assert list((out / "fits").rglob("*.state.npz"))
    time.sleep(1)  # of the three heartbeats that the dead one is waited for
    result = CliRunner().invoke(main, [*typed, "--resume"])
    assert result.exit_code == 0, result.output
    assert rows(out) == rows(whole)
    assert not list((out / "fits").glob("*"))


class CutOff(TrainingProgress):
    """Ends the process, as it were, after the first epoch of a base."""

    def epoch(self, stage: str, row: Json) -> None:
        if row["epoch"]:
            raise KeyboardInterrupt


def bench(
    order: StudyOptions, cache: Path, out: Path, name: str, cut_off: bool = False
) -> StudyWorker:
    plan = make_plan(order)
    features = Features(plan, FeatureCache(cache), lambda text: None)
    storage = open_storage(sqlite_url(out / f"{name}.db"))
    progress = CutOff(quiet=True) if cut_off else TrainingProgress(quiet=True)
    work = StudyWorker(plan, features, storage, out / name, progress)
    for cell in plan.cells():
        while work.tuned(cell) is None:
            assert work.tune(cell)
    return work


def fitted(work: StudyWorker) -> Any:
    (cell,) = work.plan.cells()
    assert work.fit(cell, BASE)
    found = work.fitted(cell, BASE)
    assert found is not None
    return found["scores"]


def test_a_state_that_another_seed_left_is_not_gone_on_with(
    smears: Dataset, base_weights: Path, cache: Path, tmp_path: Path
) -> None:
    first = StudyOptions(
        smears.root, ("vgg16",), {"vgg16": str(base_weights)}, folds=1, trials=1, passes=1,
        fine_tune=("vgg16",), image_settings=ImageSettings(size=32, draft=64),
    )  # fmt: skip
    cut = bench(first, cache, tmp_path, "shared", cut_off=True)
    with pytest.raises(KeyboardInterrupt):
        fitted(cut)
    (left,) = (tmp_path / "shared").iterdir()
    other = replace(first, seed=1)
    assert set(left.parent.rglob("*.state.npz"))
    resumed, clean = (bench(other, cache, tmp_path, name) for name in ("shared", "clean"))
    assert np.array_equal(fitted(resumed), fitted(clean))
    assert list((tmp_path / "shared").iterdir()) == [left]
    assert cut.state_folder(next(cut.plan.cells())) == left  # where its own order goes on
