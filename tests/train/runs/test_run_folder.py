"""Run folders are found and read, and errors say what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import RunError, UsageError
from alledge.runtime.metrics.metrics import summarize
from alledge.train.runs.run_folder import (
    Run,
    begin_run,
    find_unfinished,
    load_run,
    newest_finished,
    write_table,
)

SETTINGS = {"model": "vgg16", "seed": 0}
DIGEST = "sha256:" + "0" * 64
SMEARS = {"name": "D", "layout": "folders", "fingerprint": DIGEST, "images": 2, "generated": True}
RECORD = {
    **SETTINGS,
    "schema": "alledge/run",
    "schema_version": 1,
    "head": "gap",
    "task": "field",
    "labels": ["healthy", "blast"],
    "positive": ["blast"],
    "image_path": {"size": 224, "geometry": "squash", "draft": 448},
    "split": {"kind": "grouped", "folds": 2, "digest": DIGEST},
    "weights": "none",
    "data": {**SMEARS, "root": "/data"},
    "temperature": 1.0,
    "threshold": 0.5,
    "band": [0.4, 0.6],
    "oof": summarize(
        [0, 1], [[0.9, 0.1], [0.2, 0.8]], ["healthy", "blast"], ["blast"], 0.5, ["a", "b"]
    ),
    "guards": None,
    "seen": {"salt": "0" * 32, "hashes": []},
    "code": {"version": "0", "commit": None},
}


def write_run(folder: Path, finished: str | None, head: str = "gap", version: int = 1) -> Path:
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    if finished:
        record = {**RECORD, "schema_version": version, "head": head, "finished": finished}
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_newest_finished_is_the_one_that_finished_last(tmp_path: Path) -> None:
    write_run(tmp_path / "vgg16" / "a", "2026-01-03T00:00:00Z")
    write_run(tmp_path / "vgg16" / "b", "2026-01-02T00:00:00Z")
    write_run(tmp_path / "vgg16" / "c", "2026-01-01T00:00:00Z", head="paper")
    write_run(tmp_path / "vgg16" / "d", None)
    assert newest_finished(tmp_path, "vgg16").path.name == "a"
    assert newest_finished(tmp_path, "vgg16", "paper").path.name == "c"


def test_the_error_without_a_finished_run_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no finished run of vgg16(.|\n)*alledge train --model"):
        newest_finished(tmp_path, "vgg16")
    write_run(tmp_path / "vgg16" / "d", None)
    with pytest.raises(RunError, match=r"d is unfinished(.|\n)*--resume"):
        newest_finished(tmp_path, "vgg16", "paper")


def test_a_folder_that_is_not_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run"):
        load_run(tmp_path / "none")
    with pytest.raises(RunError, match="is not a run"):
        load_run(tmp_path)
    with pytest.raises(RunError, match=r"unfinished run(.|\n)*--resume"):
        load_run(write_run(tmp_path / "half", None))
    with pytest.raises(RunError, match="version 9: a later version of alledge wrote it"):
        load_run(write_run(tmp_path / "later", "2026-01-01T00:00:00Z", version=9))


def test_a_run_without_the_training_parts_of_its_folds_has_to_be_trained_again(
    tmp_path: Path,
) -> None:
    run = load_run(write_run(tmp_path / "run", "2026-01-01T00:00:00Z"))
    with pytest.raises(RunError, match=r"no file .*split\.csv(.|\n)*train again"):
        run.split()
    write_table(run.path / "split.csv", ("image", "fold", "group"), [("a.png", 1, "a")])
    with pytest.raises(RunError, match=r"trained_by(.|\n)*train again"):
        run.split()


def test_a_new_run_does_not_overwrite_another(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", SETTINGS)
    with pytest.raises(UsageError, match="exists already"):
        begin_run(tmp_path / "run", SETTINGS)


def test_resume_takes_the_newest_unfinished_run_of_the_same_settings(tmp_path: Path) -> None:
    write_run(tmp_path / "1", None)
    write_run(tmp_path / "2", None)
    write_run(tmp_path / "3", "2026-01-01T00:00:00Z")
    assert find_unfinished(tmp_path.iterdir(), SETTINGS).name == "2"
    with pytest.raises(RunError, match="2 differs in seed"):
        find_unfinished(tmp_path.iterdir(), {**SETTINGS, "seed": 1})
    with pytest.raises(RunError, match="no unfinished run"):
        find_unfinished([], SETTINGS)


def test_a_run_whose_images_were_moved_is_resumed_and_one_of_other_images_is_not(
    tmp_path: Path,
) -> None:
    def settings(root: str, fingerprint: str = "sha256:1") -> dict[str, object]:
        return {**SETTINGS, "data": {"fingerprint": fingerprint, "root": root}}

    begin_run(tmp_path / "1", settings("/data/a"))
    assert find_unfinished([tmp_path / "1"], settings("/data/b")) == tmp_path / "1"
    with pytest.raises(RunError, match="1 differs in data"):
        find_unfinished([tmp_path / "1"], settings("/data/a", "sha256:2"))


def test_a_run_whose_labels_were_read_in_another_way_is_not_resumed(tmp_path: Path) -> None:
    def settings(**data: object) -> dict[str, object]:
        read = {"positive": ["ALL"], "labels_digest": "sha256:1", "labels_file": "/a/t.csv"}
        return {**SETTINGS, "data": read | data}

    begin_run(tmp_path / "1", settings())
    assert find_unfinished([tmp_path / "1"], settings(labels_file="/b/t.csv")) == tmp_path / "1"
    for other in ({"positive": []}, {"labels_digest": "sha256:2"}):
        with pytest.raises(RunError, match="1 differs in data"):
            find_unfinished([tmp_path / "1"], settings(**other))


@pytest.mark.parametrize("text", ['{"seed": ', "[]", ""])
def test_the_error_about_damaged_settings_says_what_to_do(tmp_path: Path, text: str) -> None:
    begin_run(tmp_path / "1", SETTINGS)
    (tmp_path / "1/settings.json").write_text(text, encoding="ascii")
    with pytest.raises(RunError, match=r"settings\.json is (damaged|not a JSON)(.|\n)*delete"):
        find_unfinished(tmp_path.iterdir(), SETTINGS)


def test_predictions_are_read_back_with_the_nine_digits_of_float32(tmp_path: Path) -> None:
    score = float(np.float32(0.123456789))
    header = ["image", "label", "fold", "group", "camera", "truth", "score_healthy", "score_blast"]
    write_table(
        tmp_path / "predictions.csv",
        header,
        [["a, b.png", "healthy", 1, "g", "c", 0, 1 - score, score]],
    )
    run = Run(tmp_path, {"labels": ["healthy", "blast"]})
    predictions = run.predictions()
    assert predictions.images == ("a, b.png",)
    assert np.float32(predictions.scores[0, 1]) == np.float32(score)
    assert predictions.probe is None
    assert run.fold_numbers == (1,)


def test_damaged_predictions_are_a_damaged_run(tmp_path: Path) -> None:
    run = Run(tmp_path, {"labels": ["healthy", "blast"]})
    with pytest.raises(RunError, match="there is no file"):
        run.predictions()
    (tmp_path / "predictions.csv").write_text("image,fold\na,1\n", encoding="utf-8")
    with pytest.raises(RunError, match="the run is damaged"):
        run.predictions()
