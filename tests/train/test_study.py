"""The study: killed, resumed, shared between processes, and blind to what it is measured on."""

import importlib.util
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
from alledge.errors import DataError, UsageError
from alledge.runtime.datasets import Dataset
from alledge.runtime.imaging import ImagePath
from alledge.train.features import FeatureCache
from alledge.train.progress import TrainingProgress
from alledge.train.study import StudyProgress, _fine_tuning, _fits, _tuning, _work_off
from alledge.train.study_features import Features
from alledge.train.study_page import camera_words, random_words
from alledge.train.study_plan import BASE, StudyOrder, make_plan, strengthened
from alledge.train.study_queue import open_storage, sqlite_url
from alledge.train.study_verdict import compare, holm, needed_disagreement
from alledge.train.study_work import Bench

TRIALS = 6
CHANGING = ("code", "seconds", "fit_seconds", "pass_seconds", "head_epoch_ms", "ratio")


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
    """Start a process of its own; what it prints goes to a file."""
    with (folder / f"log-{time.monotonic_ns()}.txt").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "alledge", *typed], stdout=log, stderr=log)


@pytest.fixture(scope="module")
def whole(smears: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that nobody interrupted."""
    out = tmp_path_factory.mktemp("study") / "whole"
    result = alledge(*words(smears.root, cache, out))
    assert result.exit_code == 0, result.output
    return out


def table(out: Path) -> Any:
    """Return a study's document without what a clock says."""

    def still(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: still(inner) for key, inner in value.items() if key not in CHANGING}
        return [still(inner) for inner in value] if isinstance(value, list) else value

    return still(json.loads((out / "study.json").read_text(encoding="utf-8")))


def finished(database: Path) -> int:
    """Return how many trials a SQLite storage has that are complete."""
    try:
        with sqlite3.connect(database, timeout=30) as connection:
            found = connection.execute("select count(*) from trials where state = 'COMPLETE'")
            return int(found.fetchone()[0])
    except sqlite3.OperationalError:  # the tables are not there yet
        return 0


def test_a_study_leaves_a_document_and_two_pages_that_hold_its_figures(whole: Path) -> None:
    document = json.loads((whole / "study.json").read_text(encoding="utf-8"))
    schema = resources.files("alledge.runtime").joinpath("schemas/study.json")
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))
    assert document["remaining"]["fits"] == 0
    (section,) = document["sections"]
    assert [row["kind"] for row in section["rows"]] == ["probe", "head"]
    html = (whole / "study.html").read_text(encoding="utf-8")
    text = (whole / "study.md").read_text(encoding="utf-8")
    for page in (html, text):
        assert f"{section['rows'][1]['summary']['accuracy']['value']:.3f}" in page
        assert document["data"]["fingerprint"] in page
        assert "0.892" in page
        assert "generated" in page
    assert "src=" not in html
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "prefers-color-scheme: dark" in html


def test_the_first_trial_is_the_default_and_the_best_is_no_worse(whole: Path) -> None:
    for row in table(whole)["tuned"]:
        assert row["loss"] <= row["default_loss"]
        assert (row["loss"] == row["default_loss"]) == (row["slot"] == 0)


def test_a_study_killed_in_the_middle_and_resumed_has_the_same_table(
    whole: Path, smears: Dataset, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    process = start(words(smears.root, cache, out), tmp_path)
    while process.poll() is None and finished(out / "study.db") < TRIALS // 2:
        time.sleep(0.02)
    assert process.poll() is None, "it should have been killed in the middle"
    process.kill()  # SIGKILL: nothing is tidied up
    process.wait()
    before = finished(out / "study.db")
    assert TRIALS // 2 <= before < 2 * TRIALS + 4
    assert alledge(*words(smears.root, cache, out, "--resume")).exit_code == 0
    assert table(out) == table(whole)
    assert finished(out / "study.db") == finished(whole / "study.db") == 2 * TRIALS + 4


def test_two_processes_share_a_study_and_do_each_trial_once(
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


def test_resuming_a_finished_study_does_nothing_again(
    whole: Path, smears: Dataset, cache: Path
) -> None:
    before = finished(whole / "study.db"), table(whole)
    assert alledge(*words(smears.root, cache, whole, "--resume")).exit_code == 0
    assert (finished(whole / "study.db"), table(whole)) == before
    refused = alledge(*words(smears.root, cache, whole))
    assert refused.exit_code == 2
    assert "is there already" in refused.output


def order(data: Path, **more: Any) -> StudyOrder:
    size = ImagePath(size=32, draft=64)
    plain = StudyOrder(
        data, ("vgg16",), {"vgg16": "none"}, folds=2, trials=2, passes=1, image_path=size
    )
    return replace(plain, **more)


def bench(plan: Any, features: Features, folder: Path) -> Bench:
    storage = open_storage(sqlite_url(folder / "study.db"))
    return Bench(plan, features, storage, folder / "fits", TrainingProgress(quiet=True))


class Poisoned(Features):
    """Features whose test images are no numbers."""

    poison: Any = np.empty(0, np.int64)

    def get(self, model: str, strength: float, number: int) -> Any:
        found, seconds = super().get(model, strength, number)
        found = found.copy()
        found[self.poison] = np.nan
        return found, seconds


def test_tuning_never_sees_the_images_it_is_measured_on(
    smears: Dataset, cache: Path, tmp_path: Path
) -> None:
    plan = make_plan(order(smears.root))
    cell = next(plan.cells())
    losses = []
    for name, poison in (("clean", cell.fold.test[:0]), ("poisoned", cell.fold.test)):
        (tmp_path / name).mkdir()
        features = Poisoned(plan, FeatureCache(cache), lambda text: None)
        features.poison = poison
        work = bench(plan, features, tmp_path / name)
        while work.tuned(cell) is None:
            assert work.tune(cell)
        found = work.tuned(cell)
        assert found is not None
        losses.append((found["loss"], found["params"]))
    assert losses[0] == losses[1]
    assert np.isfinite(losses[0][0])


def test_a_fine_tuned_base_is_a_row_of_its_own(
    smears: Dataset, cache: Path, base_weights: Path, tmp_path: Path
) -> None:
    from alledge.train.study_table import tabulate

    whole_order = order(
        smears.root, trials=1, folds=1, weights={"vgg16": str(base_weights)}, fine_tune=("vgg16",)
    )
    plan = make_plan(whole_order)
    features = Features(plan, FeatureCache(cache), lambda text: None)
    work = bench(plan, features, tmp_path)
    with StudyProgress(quiet=True) as progress:
        for stage in (_tuning(plan), _fits(plan), *_fine_tuning(plan)):
            _work_off(work, list(stage), progress)
    (section,) = tabulate(work)["sections"]
    row = section["rows"][-1]
    assert (row["kind"], row["trained"]["words"]) == (BASE, "all of it")
    assert row["trained"]["parameters"] > 14_000_000
    assert row["curve"] is not None
    assert not list((tmp_path / "fits").glob("*"))


def test_bad_orders_are_refused_before_anything_is_trained(smears: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    common = ["study", "--data", str(smears.root), "--out", str(out), "--fine-tune", "none"]
    refused = [
        (["--models", "vgg61"], 2, "there is no model 'vgg61'"),
        (["--models", ","], 2, "names nothing"),
        (["--weights", str(tmp_path)], 2, "there are no weights"),
        (["--weights", "none", "--splits", "groupd"], 2, "there is no split"),
        (["--weights", "none", "--folds", "99"], 1, "fewer than the 99 folds need"),
        (["--weights", "none", "--fine-tune", "vgg61"], 2, "vgg61"),
        (
            ["--models", "vgg16", "--weights", "none", "--fine-tune", "vgg19"],
            2,
            "not one of the models",
        ),
    ]
    for more, code, message in refused:
        result = alledge(*common, *more)
        assert (result.exit_code, message in result.output) == (code, True), result.output
    assert not out.exists()
    storage = ["--weights", "none", "--splits", "grouped", "--folds", "2", "--storage", "nosuch://"]
    result = alledge(*common, *storage)
    assert result.exit_code == 2
    assert "cannot be opened" in result.output


@pytest.mark.skipif(importlib.util.find_spec("oracledb") is not None, reason="it is installed")
def test_a_storage_without_its_driver_names_the_driver() -> None:
    with pytest.raises(UsageError, match="needs the driver oracledb"):
        open_storage("oracle+oracledb://someone@nowhere/study")


def test_a_class_of_one_group_cannot_be_tuned_and_says_so(smears: Dataset, tmp_path: Path) -> None:
    for sample in smears.samples:
        copy = tmp_path / "data" / sample.label / sample.path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if sample.label == "healthy" or len(list(copy.parent.iterdir())) < 2:
            copy.write_bytes(sample.path.read_bytes())
    with pytest.raises(DataError, match="nothing can be tuned inside it"):
        make_plan(order(tmp_path / "data"))
    with pytest.raises(UsageError, match="not one of the models"):
        make_plan(order(smears.root, fine_tune=("vgg19",)))


def test_the_cell_of_a_study_keeps_its_name_when_another_model_joins(smears: Dataset) -> None:
    alone = make_plan(order(smears.root))
    joined = make_plan(
        order(smears.root, models=("vgg16", "vgg19"), weights={"vgg16": "none", "vgg19": "none"})
    )
    more = make_plan(order(smears.root, seed=1))
    cell = next(alone.cells())
    assert alone.key(cell) == joined.key(next(joined.cells()))
    assert alone.key(cell) != more.key(next(more.cells()))
    assert strengthened(0).to_json() == {
        "quarter_turns": False, "rotation": 0, "flip": False, "scale": 0, "brightness": 0
    }  # fmt: skip


def test_the_verdict_names_models_that_differ_and_no_others() -> None:
    good = np.ones(40, bool)
    bad = good.copy()
    bad[:15] = False
    apart = compare({"vgg16": good, "vgg19": bad, "mobilenetv2": good})
    assert apart["differ"] == [["vgg16", "vgg19"], ["vgg19", "mobilenetv2"]]
    assert "VGG16 before VGG19" in apart["verdict"]
    assert "MobileNetV2 before VGG19" in apart["verdict"]
    bad[:12] = True
    same = compare({"vgg16": good, "vgg19": bad, "mobilenetv2": good})
    assert same["differ"] == []
    assert "cannot be told apart" in same["verdict"]
    assert compare({"vgg16": good})["pairs"] == []


def head(title: str, weights: str, accuracy: float) -> Any:
    return {
        "title": title,
        "kind": "head",
        "weights": weights,
        "summary": {
            "accuracy": {"value": accuracy},
            "sensitivity": {"value": accuracy},
            "specificity": {"value": 1.0},
            "auc": None,
        },
    }


def test_a_head_on_random_weights_that_keeps_up_is_said_to() -> None:
    given, drawn = head("VGG16", "given", 0.95), head("VGG19", "random", 0.96)
    assert "gives VGG19 0.960. VGG16's pretrained" in random_words({"rows": [given, drawn]})
    assert "no more" not in random_words({"rows": [given, head("VGG19", "random", 0.6)]})
    assert random_words({"rows": [given]}) == ""


def test_another_camera_is_told_apart_for_random_weights() -> None:
    rows = [head("VGG16", "given", 0.5), head("VGG19", "random", 0.9)]
    assert camera_words({"rows": rows}).startswith("head: 0.50 of the blasts found")
    assert "head on random weights: 0.90 of the blasts" in camera_words({"rows": rows})


def test_holms_correction_is_his() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    for pairs in (1, 3, 15):
        images = needed_disagreement(pairs)
        assert pairs * 2 * 0.5**images < 0.05 <= pairs * 2 * 0.5 ** (images - 1)
