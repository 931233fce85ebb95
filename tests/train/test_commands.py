"""The commands train and evaluate: their output, their exit codes and their errors."""

import importlib.util
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from alledge.cli import main
from alledge.runtime.data.datasets import Dataset
from alledge.train.phantom.smears import generate
from alledge.train.runs.run_folder import Run


def alledge(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run every command in an empty folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def damaged(smears: Dataset, tmp_path: Path) -> Path:
    """Copy the generated data set and truncate an image in its middle."""
    for sample in smears.samples:
        copy = tmp_path / "damaged" / smears.relative(sample)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(sample.path.read_bytes())
    middle = sorted((tmp_path / "damaged" / "im").iterdir())[len(smears.samples) // 2]
    middle.write_bytes(middle.read_bytes()[:4000])
    return tmp_path / "damaged"


def test_wrong_options_are_refused_before_a_run_is_begun(smears: Dataset, elsewhere: Path) -> None:
    good = ["--model", "mobilenetv2", "--weights", "none", "--data", smears.root]
    cases: list[tuple[list[object], int, str]] = [
        (["--model", "mobilenet", "--data", smears.root], 2, "did you mean 'mobilenetv2'"),
        ([*good, "--head", "papr"], 2, "did you mean 'paper'"),
        ([*good, "--weights", "none.weights.h5"], 2, "there is no file of weights"),
        ([*good, "--split", "subjekt"], 2, "there is no split 'subjekt'"),
        ([*good, "--layout", "alidb"], 2, "there is no layout 'alidb'"),
        ([*good, "--sensitivity", "0"], 2, "0 is not in the range 0<x<=1"),
        ([*good, "--task", "cells"], 2, "'cells' is not one of 'field', 'cell'"),
        ([*good, "--crop-size", "96"], 2, "--crop-size is an option of cells"),
        ([*good, "--no-white-balance"], 2, "--white-balance is an option of cells"),
        ([*good, "--task", "cell", "--crop-size", "16"], 2, "16 is not in the range 32<=x<=512"),
        ([*good, "--task", "cell", "--crop-unit", "pixel"], 2, "'pixel' is not one of"),
        ([*good, "--data", smears.root], 2, "takes one data set, and 2 are given"),
        ([*good, "--folds", "99"], 1, "fewer than the 99 folds need"),
        ([*good, "--groups", "none.csv"], 1, "there is no file none.csv"),
        ([*good, "--resume"], 1, "no unfinished run"),
        (["--model", "vgg16", "--data", elsewhere / "none"], 1, "there is no folder"),
    ]
    for words, code, message in cases:
        result = alledge("train", *words)
        assert (result.exit_code, message in result.output) == (code, True), result.output
    assert not (elsewhere / "runs").exists()


def test_a_corrupt_image_stops_training_before_it_begins(damaged: Path, elsewhere: Path) -> None:
    result = alledge("train", "--model", "vgg16", "--weights", "none", "--data", damaged)
    assert result.exit_code == 1
    assert "1 of 16 images are damaged" in result.output
    assert not (elsewhere / "runs").exists()


@pytest.mark.parametrize(
    ("full", "empty", "message"),
    [
        (["healthy"], ["blast"], "has no image of the class blast"),
        (["Benign", "Early"], ["Pre"], "has no image of the class Pre"),
        (["healthy"], [], "has only one class, healthy"),
    ],
)
def test_a_class_without_images_stops_training(
    full: list[str], empty: list[str], message: str, tmp_path: Path, elsewhere: Path
) -> None:
    for name in full + empty:
        (tmp_path / "data" / name).mkdir(parents=True)
    for index, name in enumerate(full * 3):
        pixels = np.full((8, 8, 3), index, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / name / f"{index}.png")
    result = alledge("train", "--model", "vgg16", "--weights", "none", "--data", tmp_path / "data")
    assert result.exit_code == 1
    assert message in result.output
    assert not (elsewhere / "runs").exists()


def test_weights_of_another_model_stop_training(
    smears: Dataset, base_weights: Path, tmp_path: Path, elsewhere: Path
) -> None:
    (tmp_path / "weights.txt").touch()
    (tmp_path / "damaged.weights.h5").write_bytes(b"no HDF5")
    for file, message in (
        (base_weights, "do not fit VGG19"),
        (tmp_path / "damaged.weights.h5", "do not fit VGG19"),
        (tmp_path / "weights.txt", "not a file of weights by its name"),
        (tmp_path, "there is no file of weights"),
    ):
        result = alledge("train", "--model", "vgg19", "--weights", file, "--data", smears.root)
        assert (result.exit_code, message in result.output) == (2, True), result.output
        assert "reading" not in result.output  # no image was decoded
    assert not (elsewhere / "runs").exists()


def test_a_missing_package_is_named_with_its_extra(
    smears: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "rich" else find(name)
    )
    result = alledge("train", "--model", "vgg16", "--data", smears.root)
    assert result.exit_code == 1
    assert "needs the package rich" in result.output
    assert "alledge[train-cpu]" in result.output


def test_train_command_leaves_a_run_where_the_design_says(smears: Dataset, elsewhere: Path) -> None:
    size = ["--epochs", "0", "--folds", "1", "--batch-size", "4", "--seed", "7"]
    result = alledge("train", "--model", "vgg16", "--weights", "none", "--data", smears.root, *size)
    assert result.exit_code == 0, result.output
    (folder,) = (elsewhere / "runs" / "vgg16").iterdir()
    assert folder.name.endswith("Z-7")
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["seed"] == 7
    for name in ("accuracy", "sensitivity", "specificity", "auc", "threshold"):
        assert name in result.stdout
    assert "reading 16 images" in result.stderr
    again = alledge(
        "train", "--model", "vgg16", "--weights", "none", "--data", smears.root, "--out", folder
    )
    assert again.exit_code == 2
    assert "exists already" in again.output


def test_evaluate_leaves_out_images_that_the_run_was_trained_on(
    finished_run: Run, smears: Dataset
) -> None:
    result = alledge("evaluate", finished_run.path, "--data", smears.root)
    assert result.exit_code == 1
    assert "nothing is left to measure" in result.output
    assert "--include-seen" in result.output


def test_evaluate_marks_metrics_on_seen_images(finished_run: Run, smears: Dataset) -> None:
    words = ("evaluate", finished_run.path, "--data", smears.root, "--include-seen")
    result = alledge(*words)
    assert result.exit_code == 0, result.output
    assert "trained on some of these" in result.stdout
    document = json.loads(alledge(*words, "--json").stdout)
    validate(document)
    assert (document["seen_included"], document["seen_left_out"]) == (len(smears.samples), 0)


def test_evaluate_measures_other_images_and_names_those_it_cannot_read(
    finished_run: Run, smears: Dataset, tmp_path: Path
) -> None:
    generate(tmp_path / "other", images=6, seed=9, size=128)
    images = sorted((tmp_path / "other" / "im").iterdir())
    known = next(s.path for s in smears.samples if s.label == "healthy")
    (tmp_path / "other" / "im" / "Im099_0.jpg").write_bytes(known.read_bytes())
    images[2].write_bytes(images[2].read_bytes()[:2000])
    words = ("evaluate", finished_run.path, "--data", tmp_path / "other")
    result = alledge(*words, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    validate(document)
    assert document["data"]["images"] == 7
    assert document["seen_left_out"] == 1
    assert [row["image"] for row in document["failed"]] == [f"im/{images[2].name}"]
    assert document["operating"]["images"] == document["even"]["images"] == 5
    text = alledge(*words).stdout
    assert "1 images left out" in text
    assert f"not read: im/{images[2].name}" in text


def test_evaluate_refuses_labels_the_run_does_not_give(finished_run: Run, tmp_path: Path) -> None:
    for label in ("benign", "early"):
        (tmp_path / "data" / label).mkdir(parents=True)
        pixels = np.zeros((8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / label / "a.png")
    result = alledge("evaluate", finished_run.path, "--data", tmp_path / "data")
    assert result.exit_code == 1
    assert "has the label 'benign'" in result.output


def test_evaluate_refuses_a_folder_that_is_neither_run_nor_bundle(
    smears: Dataset, tmp_path: Path
) -> None:
    result = alledge("evaluate", tmp_path, "--data", smears.root)
    assert result.exit_code == 1
    assert "neither a run nor a bundle" in result.output


def test_loading_tensorflow_prints_no_banner() -> None:
    code = "import alledge.train.networks.tensorflow_import as e; print(e.keras.backend.backend())"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )
    assert result.stdout.strip() == "tensorflow"
    assert result.stderr == ""


def validate(document: object) -> None:
    text = resources.files("alledge.runtime").joinpath("schemas/evaluate.json").read_text("utf-8")
    jsonschema.validate(document, json.loads(text))
