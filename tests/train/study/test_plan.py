"""A study checks its options before it trains, and names its cells by what they depend on."""

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
from click.testing import CliRunner, Result

from alledge.cli import main
from alledge.errors import DataError, UsageError
from alledge.runtime.data.datasets import Dataset, Sample
from alledge.runtime.image_settings import ImageSettings
from alledge.train.fitting.augmentation import CELL_AUGMENTATION
from alledge.train.study import plan as study_plan
from alledge.train.study.options import StudyOptions
from alledge.train.study.plan import BASE, HEAD, PROBE, make_plan, scaled_augmentation
from alledge.train.study.pooled_sections import camera_alone, sections
from alledge.train.study.trial_queue import masked, open_storage


def alledge(*typed: str) -> Result:
    return CliRunner().invoke(main, list(typed))


def options(data: Path, **more: Any) -> StudyOptions:
    size = ImageSettings(size=32, draft=64)
    plain = StudyOptions(
        data, ("vgg16",), {"vgg16": "none"}, folds=2, trials=2, passes=1, image_settings=size
    )
    return replace(plain, **more)


def without(smears: Dataset, place: Path, leave: Callable[[Sample, int], bool]) -> Path:
    """Copy the generated smears without those for which `leave` is true.

    It gets the sample and its number among those of the same label and camera.
    """
    shutil.copytree(smears.root, place)
    seen: dict[tuple[str, str], int] = {}
    for sample in smears.samples:
        count = seen[sample.label, sample.camera] = seen.get((sample.label, sample.camera), 0) + 1
        if leave(sample, count):
            (place / smears.relative(sample)).unlink()
    return place


def one_camera(smears: Dataset, place: Path) -> Path:
    return without(smears, place, lambda sample, _: sample.camera.endswith("C"))


def test_wrong_options_are_refused_before_anything_is_trained(
    smears: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    common = ["study", "--data", str(smears.root), "--out", str(out), "--fine-tune", "none"]
    nowhere = str(tmp_path / "nowhere.csv")
    refused = [
        (["--models", "vgg61"], 2, "there is no model 'vgg61'"),
        (["--models", ","], 2, "names nothing"),
        (["--weights", str(tmp_path)], 2, "there are no weights"),
        (["--weights", "vgg16=/nowhere/x.h5"], 2, "there is no file of weights '/nowhere/x.h5'"),
        (["--weights", "vgg61=x.h5"], 2, "there is no model 'vgg61'"),
        (["--weights", "none", "--splits", "groupd"], 2, "there is no split"),
        (["--weights", "none", "--splits", nowhere], 1, "there is no file"),
        (["--weights", "none", "--groups", nowhere], 1, "there is no file"),
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


def test_an_unusable_storage_leaves_no_folder_and_the_error_hides_the_password(
    smears: Dataset, tmp_path: Path
) -> None:
    result = alledge(
        "study", "--data", str(smears.root), "--out", str(tmp_path / "out"), "--weights", "none",
        "--fine-tune", "none", "--splits", "grouped", "--folds", "2", "--size", "32",
        "--storage", "nosuch://someone:se@cret@server/study",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "'nosuch://someone:***@server/study' cannot be opened" in result.output
    assert "cret" not in result.output
    assert not (tmp_path / "out").exists()
    assert masked("sqlite:////tmp/a@b/study.db") == "sqlite:////tmp/a@b/study.db"
    assert masked("postgresql://server/study?user=a&password=b") == (
        "postgresql://server/study?user=a&password=***"
    )


@pytest.mark.skipif(importlib.util.find_spec("oracledb") is not None, reason="it is installed")
def test_a_storage_without_its_driver_names_the_driver() -> None:
    with pytest.raises(UsageError, match="needs the driver oracledb"):
        open_storage("oracle+oracledb://someone@nowhere/study")


def test_names_and_files_are_checked_before_images_are_compared(
    smears: Dataset, base_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(*_: Any) -> Any:
        raise AssertionError("the images were compared")

    monkeypatch.setattr(study_plan, "find_overlaps", compared)
    stranger = tmp_path / "split.csv"
    stranger.write_text("image,fold\nIm999_0.jpg,1\n", encoding="utf-8")
    empty = tmp_path / "empty.weights.h5"
    with h5py.File(empty, "w") as file:
        file["numbers"] = [1.0, 2.0]
    other = {"models": ("vgg19",), "weights": {"vgg19": str(base_weights)}}
    for more, error, message in [
        ({"splits": ("groupd",)}, UsageError, "there is no split"),
        ({"splits": (str(stranger),)}, DataError, "does not agree"),
        ({"weights": {"vgg16": str(tmp_path / "no.h5")}}, UsageError, "no file of weights"),
        ({"weights": {"vgg16": str(empty)}}, UsageError, "do not fit VGG16"),
        (other, UsageError, "do not fit VGG19"),
        ({"fine_tune": ("vgg19",)}, UsageError, "not one of the models"),
    ]:
        with pytest.raises(error, match=message):
            make_plan(options(smears.root, **more))
    with pytest.raises(AssertionError, match="compared"):
        make_plan(options(smears.root, weights={"vgg16": str(base_weights)}))


def test_the_camera_split_is_optional_unless_it_was_requested(
    smears: Dataset, tmp_path: Path
) -> None:
    data = one_camera(smears, tmp_path / "data")
    common = [
        "study", "--data", str(data), "--models", "vgg16", "--weights", "none", "--size", "32",
        "--folds", "2", "--trials", "1", "--passes", "1", "--fine-tune", "none",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    typed = alledge(*common, "--splits", "grouped,camera")
    assert typed.exit_code == 1
    assert "study --splits paper,grouped" in typed.output
    assert "train --split grouped" in typed.output
    result = alledge(*common)
    assert result.exit_code == 0, result.output
    note = "the positive images come from one camera (phantom G): none can be left out"
    assert f"the camera split is left out: {note}" in result.output.replace("\n", " ")
    for page in ("study.html", "study.md"):
        assert f"Left out: {note}" in (tmp_path / "out" / page).read_text(encoding="utf-8")


def test_a_class_with_one_group_cannot_be_tuned(smears: Dataset, tmp_path: Path) -> None:
    for sample in smears.samples:
        copy = tmp_path / "data" / sample.label / sample.path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if sample.label == "healthy" or len(list(copy.parent.iterdir())) < 2:
            copy.write_bytes(sample.path.read_bytes())
    with pytest.raises(DataError, match="nothing can be tuned inside it"):
        make_plan(options(tmp_path / "data"))


def test_a_direction_is_named_by_its_tested_camera_even_in_folds_without_its_blasts(
    smears: Dataset, tmp_path: Path
) -> None:
    def leave(sample: Sample, count: int) -> bool:
        return sample.camera.endswith("C") and (sample.label == "healthy" or count > 2)

    data = without(smears, tmp_path / "data", leave)
    plan = make_plan(options(data, splits=("camera", "grouped"), folds=3))
    *ways, grouped = sections(plan)
    assert [(way.name, len(way.folds)) for way in ways] == [
        ("phantom G → phantom C", 3),
        ("phantom C → phantom G", 3),
    ]
    # camera C took blasts alone and gives them away; trained on those, all that is G's is healthy
    alone = camera_alone(plan, grouped)
    assert alone["summary"]["cameras"]["phantom C"]["accuracy"]["value"] == 1
    assert alone["both_labels"]["n"] == 8
    assert camera_alone(plan, ways[1])["summary"]["sensitivity"]["value"] == 0


def test_the_key_of_a_cell_does_not_depend_on_other_models(smears: Dataset) -> None:
    alone = make_plan(options(smears.root))
    joined = make_plan(
        options(smears.root, models=("vgg16", "vgg19"), weights={"vgg16": "none", "vgg19": "none"})
    )
    cell = next(alone.cells())
    assert alone.key(cell) == joined.key(next(joined.cells()))
    kinds = [alone.key(cell, kind) for kind in ("", PROBE, HEAD, BASE)]
    assert len(set(kinds)) == len(kinds)
    for more in (
        {"seed": 1},
        {"image_settings": ImageSettings(size=32, geometry="crop", draft=64)},
    ):
        other = make_plan(options(smears.root, **more))
        assert alone.key(cell) != other.key(next(other.cells()))
    assert not any(scaled_augmentation(0).to_json().values())
    assert not any(scaled_augmentation(0, CELL_AUGMENTATION).to_json().values())


def test_a_split_file_is_named_by_its_name_and_content_and_not_by_its_folder(
    smears: Dataset, tmp_path: Path
) -> None:
    rows = [f"{smears.relative(s)},{1 + at % 2}" for at, s in enumerate(smears.samples)]
    keys = []
    for folder, ending in (("here", "\n"), ("there", "\r\n")):
        path = tmp_path / folder / "mine.csv"
        path.parent.mkdir()
        path.write_bytes(ending.join(["image,fold", *rows, ""]).encode())
        plan = make_plan(options(smears.root, splits=(str(path),)))
        cell = next(plan.cells())
        assert not set(cell.split) & set('/\\:*?"<>|')
        assert cell.split.startswith("mine.csv-")
        keys.append(plan.key(cell, BASE))
    assert keys[0] == keys[1]
