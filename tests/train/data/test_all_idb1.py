"""Known properties of ALL-IDB1, tested on the real images that ``ALLEDGE_ALL_IDB1`` names."""

import os
from pathlib import Path

import numpy as np
import pytest

from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.runtime.metrics.metrics import Json
from alledge.train.audit.audit import audit
from alledge.train.data.examples import Examples, read_rows
from alledge.train.data.splits import make_split

ROOT = os.environ.get("ALLEDGE_ALL_IDB1")
OVERLAPS = Path(__file__).parents[3] / "docs" / "all-idb1-overlaps.csv"
NOT_CONFIRMED = {"im/Im094_0.jpg", "im/Im095_0.jpg"}  # reported by a reader, not found by alledge
NOT_REPORTED = {"im/Im002_1.jpg", "im/Im003_1.jpg"}  # found by alledge only

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(ROOT is None, reason="ALLEDGE_ALL_IDB1 names no copy of ALL-IDB1"),
]


@pytest.fixture(scope="module")
def idb1() -> Dataset:
    return read_dataset(str(ROOT))


@pytest.fixture(scope="module")
def examples(idb1: Dataset) -> Examples:
    """Labels and groups of ALL-IDB1, without its pixels."""
    truth = np.array([idb1.labels.index(sample.label) for sample in idb1.samples])
    groups = tuple(sample.group for sample in idb1.samples)
    return Examples(idb1, np.zeros((len(truth), 1, 1, 3), np.uint8), truth, groups, groups, ())


@pytest.fixture(scope="module")
def document() -> Json:
    return audit([Path(str(ROOT))])


def test_the_camera_alone_classifies_92_of_108_images(document: Json) -> None:
    (dataset,) = document["datasets"]
    assert dataset["labels"] == {"healthy": 59, "blast": 49}
    row = next(row for row in dataset["shortcuts"] if row["name"] == "camera")
    assert (row["right"], row["accuracy"]["n"]) == (92, 108)
    assert f"{row['accuracy']['value']:.1%}" == "85.2%"


def test_all_listed_overlaps_but_one_are_found_and_one_more(document: Json, idb1: Dataset) -> None:
    listed: dict[str, set[str]] = {}
    for row in read_rows(OVERLAPS, ("image", "group")):
        listed.setdefault(row["group"], set()).add(row["image"])
    (dataset,) = document["datasets"]
    # the data set may lie one folder deeper
    overlaps = [{name[name.index("im/") :] for name in names} for names in dataset["same"]]
    assert [names for names in listed.values() if names not in overlaps] == [NOT_CONFIRMED]
    assert [names for names in overlaps if names not in listed.values()] == [NOT_REPORTED]
    assert len(idb1.samples) == 108


@pytest.mark.parametrize("seed", range(3))
def test_the_papers_split_tests_12_healthy_images_and_10_with_blasts(
    examples: Examples, seed: int
) -> None:
    (fold,) = make_split(examples, "paper", 5, seed).folds
    assert np.bincount(examples.truth[fold.test]).tolist() == [12, 10]


def test_the_camera_split_leaves_out_33_olympus_and_16_canon_fields(examples: Examples) -> None:
    tested: dict[str, int] = {}
    for fold in make_split(examples, "camera", 5, 0).folds:
        tested[fold.camera] = tested.get(fold.camera, 0) + int(examples.truth[fold.test].sum())
    assert sorted(tested.values()) == [16, 33]
