"""One set of labels for several data sets, read without decoding an image."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from alledge.errors import DataError, UsageError
from alledge.runtime.data.datasets import Dataset
from alledge.runtime.data.layout_types import ReadOptions
from alledge.train.data.cells.labels import unite_labels
from alledge.train.data.cells.sources import read_cell_datasets, read_cell_table

Folders = Callable[..., Path]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Make a data set with a folder for each class."""

    def make(name: str, *labels: str) -> Path:
        for number, label in enumerate(labels):
            (tmp_path / name / label).mkdir(parents=True)
            Image.new("RGB", (40, 40), (9 * number, 90, 90)).save(
                tmp_path / name / label / f"{name}{number}.png"
            )
        return tmp_path / name

    return make


def read(*roots: Path, positive: tuple[str, ...] = ()) -> tuple[Dataset, ...]:
    return read_cell_datasets(roots, ReadOptions(positive=positive))


def test_one_data_set_keeps_its_labels(folders: Folders) -> None:
    labels = unite_labels(read(folders("kaggle", "Benign", "Early", "Pre", "Pro")))
    assert labels.labels == ("Benign", "Early", "Pre", "Pro")
    assert labels.positive == ("Early", "Pre", "Pro")


def test_a_mix_has_healthy_leucocytes_blasts_and_other(folders: Folders) -> None:
    sets = read(
        folders("cancer", "hem", "all"),
        folders("barcelona", "ig", "platelet", "neutrophil"),
        folders("boxes", "RBC", "lymphoblast"),
    )
    labels = unite_labels(sets)
    assert labels.labels == ("healthy", "other", "blast")
    assert labels.positive == ("blast",)
    names = ("hem", "IG", "platelet", "RBC", "all", "lymphoblast")
    assert [labels.of(name) for name in names] == [
        "healthy", "healthy", "other", None, "blast", "blast",
    ]  # fmt: skip
    assert labels.negative == "healthy"
    assert labels.no_leucocyte == "other"


def test_without_other_a_detection_that_is_no_cell_is_negative(folders: Folders) -> None:
    assert unite_labels(read(folders("one", "hem", "all"))).no_leucocyte == "hem"


def test_one_side_alone_is_refused(folders: Folders) -> None:
    healthy = folders("barcelona", "ig", "neutrophil")
    with pytest.raises(DataError, match="means leukaemia") as error:
        unite_labels(read(healthy))
    assert "--data" in str(error.value.fix)
    assert unite_labels(read(healthy), both_sides=False).labels == ("healthy",)
    with pytest.raises(DataError, match="means healthy leucocytes"):
        unite_labels(read(folders("ill", "blast", "platelet")))


def test_one_label_with_two_meanings_is_refused(folders: Folders) -> None:
    sets = (
        *read(folders("one", "type 1", "hem"), positive=("type 1",)),
        *read(folders("two", "type 1", "type 2"), positive=("type 2",)),
    )
    with pytest.raises(DataError, match="'type 1' is positive in one data set") as error:
        unite_labels(sets)
    assert "rename" in str(error.value.fix)


def test_named_labels_may_belong_to_one_of_the_data_sets(folders: Folders) -> None:
    one, two = folders("one", "type 1", "type 2"), folders("two", "ig", "platelet")
    sets = read(one, two, positive=("type 1",))
    assert [dataset.positive for dataset in sets] == [("type 1",), ()]
    with pytest.raises(UsageError, match="no label 'type 3'"):
        read(one, two, positive=("type 1", "type 3"))


def test_options_of_one_data_set_are_refused_for_several(folders: Folders) -> None:
    one, two = folders("one", "hem", "all"), folders("two", "ig", "platelet")
    with pytest.raises(UsageError, match="--layout is given for 2 data sets"):
        read_cell_datasets([one, two], ReadOptions(layout="folders"))
    with pytest.raises(UsageError, match="--labels is given for 2 data sets"):
        read_cell_datasets([one, two], ReadOptions(labels_file=one / "labels.csv"))


def test_the_same_folder_twice_is_refused(folders: Folders) -> None:
    one = folders("one", "hem", "all")
    with pytest.raises(UsageError, match="hold the same images"):
        read(one, one / "hem" / "..")
    with pytest.raises(UsageError, match="hold the same images"):
        read(one.parent, one)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.png,1,2,blast\nb.png,1,2,blast\n", "not in the data set"),
        ("a.png,1,x,blast\n", "position 'x'"),
        ("a.png,nan,1,blast\n", "position 'nan'"),
        ("a.png,1,2,\n", "row without a label"),
        ("a.png,,,\n", "no cell"),
        ("a.png,1,2,sort of\n", "not clear"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    table = tmp_path / "cells.csv"
    table.write_text(f"image,x,y,label\n{rows}", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_cell_table(table, ("im/a.png",))
