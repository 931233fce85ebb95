"""The split that a data set comes with, and the same picture under two labels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alledge.errors import DataError
from alledge.runtime.data.datasets import read_dataset
from alledge.runtime.image_settings import ImageSettings
from alledge.train.audit.audit import audit
from alledge.train.audit.verdict import audit_text
from alledge.train.data.contradictions import refuse_contradictions
from alledge.train.data.examples import Examples, read_examples
from alledge.train.data.splits import make_split


def write_set(root: Path, parts: tuple[str, ...], images: int = 3) -> Path:
    rng = np.random.default_rng(0)
    for part in parts:
        for label in ("healthy", "blast"):
            folder = root / part / label
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(images):
                pixels = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


def examples_of(root: Path) -> Examples:
    return read_examples(read_dataset(root), ImageSettings(size=32))


def names(examples: Examples, images: np.ndarray | None) -> set[str]:
    return set() if images is None else {examples.names[i].split("/")[0] for i in images}


@pytest.mark.parametrize(
    ("parts", "tested", "validation"),
    [
        (("train", "test"), "test", set()),
        (("train", "valid"), "valid", set()),
        (("train", "val", "test"), "test", {"val"}),
    ],
)
def test_the_given_split_is_used(
    tmp_path: Path, parts: tuple[str, ...], tested: str, validation: set[str]
) -> None:
    examples = examples_of(write_set(tmp_path, parts))
    (fold,) = make_split(examples, "given", 5, 0).folds
    assert names(examples, fold.test) == {tested}
    assert names(examples, fold.train) == set(parts) - {tested}
    assert names(examples, fold.validation) == validation


def test_the_same_image_in_train_and_test_is_named_and_refused(tmp_path: Path) -> None:
    root = write_set(tmp_path, ("train", "test"))
    shutil.copy(root / "train" / "blast" / "0.png", root / "test" / "blast" / "copy.png")
    with pytest.raises(DataError, match=r"leaks: 1 .*train/blast/0\.png and test/blast/copy\.png"):
        make_split(examples_of(root), "given", 5, 0)


def test_a_set_without_a_split_and_a_part_without_a_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="comes with no split"):
        make_split(examples_of(write_set(tmp_path / "a", ("",))), "given", 5, 0)
    root = write_set(tmp_path / "b", ("train", "test"))
    shutil.rmtree(root / "test" / "healthy")
    with pytest.raises(DataError, match="no image of the class healthy to test"):
        make_split(examples_of(root), "given", 5, 0)


def test_the_same_pixels_in_two_classes_are_refused_or_forced(tmp_path: Path) -> None:
    root = write_set(tmp_path / "a", ("",))
    Image.open(root / "healthy" / "0.png").save(root / "blast" / "same.bmp")
    examples, lines = examples_of(root), list[str]()
    with pytest.raises(
        DataError, match=r"blast/same\.bmp \(blast\) and healthy/0\.png(.|\n)*force"
    ):
        refuse_contradictions(examples, (), force=False, say=lines.append)
    (note,) = refuse_contradictions(examples, (), force=True, say=lines.append)
    assert lines[0].startswith("labels contradict: 1 pairs")
    assert "different labels" in note


def test_an_audit_names_contradicting_labels_within_and_between_sets(tmp_path: Path) -> None:
    one, two = write_set(tmp_path / "one", ("",)), tmp_path / "two"
    Image.open(one / "healthy" / "0.png").save(one / "blast" / "same.png")
    for label in ("normal", "leukemia"):
        (two / label).mkdir(parents=True)
    shutil.copy(one / "healthy" / "1.png", two / "leukemia" / "x.png")
    shutil.copy(one / "healthy" / "2.png", two / "normal" / "y.png")
    document = audit([one, two])
    pairs = [[side["image"] for side in (p["a"], p["b"])] for p in document["contradictions"]]
    assert sorted(map(sorted, pairs)) == [
        ["blast/same.png", "healthy/0.png"],
        ["healthy/1.png", "leukemia/x.png"],
    ]
    text = audit_text(document)
    assert "labels contradict: 2 pairs show the same picture" in document["verdict"][0]
    assert "positive: leukemia ('leukemia')" in text
    assert "negative: healthy ('healthy')" in text
    assert "cannot be told from fewer than 10" in text
