"""Cells of fields with centroids: labels, the truth of the fields, groups and splits."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import DataError
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.field_cells import find_cells
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.train.data.cells.field_split import split_cells
from alledge.train.data.cells.reading import read_cell_examples
from alledge.train.data.cells.types import CellExamples
from alledge.train.data.overlaps.alignment import Overlap
from alledge.train.data.split_types import Split

SETTINGS = CellSettings(crop=CropSettings(size=48))
OVERLAP = Overlap(0, 1, "overlap", 9, 9, (0.5, 0.5), 0.9)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    from alledge.train.phantom.smears import generate

    return read_dataset(generate(tmp_path_factory.mktemp("fields") / "set", images=24, size=480))


@pytest.fixture(scope="module")
def examples(dataset: Dataset) -> CellExamples:
    return read_cell_examples([dataset], SETTINGS, overlaps=[OVERLAP])


def test_a_cell_is_a_blast_if_a_centroid_lies_in_it(examples: CellExamples) -> None:
    centroids = {sample.path: sample.centroids for sample in examples.dataset.samples}
    blasts = 0
    for index, (x, y, radius) in enumerate(examples.positions):
        field = examples.fields[examples.field_index[index]]
        offsets = np.array(centroids[field.path], float).reshape(-1, 2) - (x, y)
        near = bool((np.hypot(*offsets.T) <= radius).any())
        is_blast = examples.dataset.labels[examples.truth[index]] == "blast"
        # two nuclei may share a centroid; the nearer one is the blast
        assert near or not is_blast or bool((np.hypot(*offsets.T) <= 2 * radius).any())
        blasts += is_blast
    assert blasts > 0


def test_the_truth_of_every_field_is_known(examples: CellExamples, dataset: Dataset) -> None:
    assert [field.path for field in examples.fields] == [s.path for s in dataset.samples]
    for number, (field, sample) in enumerate(zip(examples.fields, dataset.samples, strict=True)):
        own = np.flatnonzero(examples.field_index == number)
        blasts = int((examples.truth[own] == 1).sum())
        assert field.cells == len(own)
        assert field.blasts == len(sample.centroids) == blasts + field.missed_blasts
        assert (field.label, field.camera) == (sample.label, sample.camera)


def test_every_example_describes_its_cell(examples: CellExamples) -> None:
    count = len(examples.names)
    assert examples.pixels.shape == (count, 48, 48, 3)
    assert len(set(examples.names)) == count == len(examples.dataset.samples)
    assert len(examples.statistics) == len(examples.flags) == len(examples.file_flags) == count
    for name, (x, y, _), index in zip(
        examples.names, examples.positions, examples.field_index, strict=True
    ):
        assert name == f"{examples.fields[index].name}#{round(x)},{round(y)}"


def test_the_cells_are_those_that_the_device_finds(
    examples: CellExamples, dataset: Dataset
) -> None:
    found = find_cells(dataset.samples[3].path, SETTINGS)
    own = np.flatnonzero(examples.field_index == 3)
    assert np.array_equal(examples.pixels[own], found.crops)


@pytest.mark.parametrize("kind", ["grouped", "camera"])
def test_no_split_separates_the_cells_of_a_field(examples: CellExamples, kind: str) -> None:
    split = split_cells(examples, kind, 3, seed=0)
    assert_no_common_field(split, examples)
    for fold in split.folds:
        assert set(examples.truth[fold.train].tolist()) == {0, 1}


def test_a_camera_split_leaves_out_all_cells_of_the_fields_with_blasts(
    examples: CellExamples,
) -> None:
    cameras = np.array(examples.cameras)
    ill = np.array(["_1" in name for name in examples.names])
    assert (examples.truth[ill] == 0).any()  # healthy cells beside blasts
    folds = split_cells(examples, "camera", 3, seed=0).folds
    for fold in folds:
        assert set(cameras[fold.test][ill[fold.test]]) <= {fold.camera}
        assert fold.camera not in cameras[fold.train][ill[fold.train]]
    tested = np.concatenate([fold.test for fold in folds])
    assert np.bincount(tested)[ill].tolist() == [1] * int(ill.sum())


def test_a_network_tests_all_cells_of_a_field(examples: CellExamples) -> None:
    for kind in ("grouped", "camera"):
        split = split_cells(examples, kind, 3, seed=0)
        for fold in split.folds:
            for field in set(examples.field_index[fold.test].tolist()):
                assert set(np.flatnonzero(examples.field_index == field)) <= set(fold.test)


def assert_no_common_field(split: Split, examples: CellExamples) -> None:
    for fold in split.folds:
        assert not {split.groups[i] for i in fold.train} & {split.groups[i] for i in fold.test}
        assert not set(examples.field_index[fold.train]) & set(examples.field_index[fold.test])


def test_overlapping_fields_are_one_group(examples: CellExamples) -> None:
    first, second, third = examples.fields[:3]
    assert first.group == second.group != third.group
    cells = np.flatnonzero(examples.field_index <= 1)
    assert {examples.groups[index] for index in cells} == {first.group}


def test_identical_fields_and_those_of_the_users_file_are_one_group(
    dataset: Dataset, tmp_path: Path
) -> None:
    shutil.copytree(dataset.root, tmp_path / "set")
    images = tmp_path / "set" / "im"
    original = sorted(path for path in images.iterdir() if path.stem.endswith("_0"))
    shutil.copy(original[0], images / f"Im900_0{original[0].suffix}")
    table = tmp_path / "groups.csv"
    table.write_text(f"image,group\n{original[1].name},a\n{original[2].name},a\n", encoding="utf-8")
    copy = read_dataset(tmp_path / "set")
    groups = {
        Path(field.name).name: field.group
        for field in read_cell_examples([copy], SETTINGS, table).fields
    }
    assert groups[original[0].name] == groups[f"Im900_0{original[0].suffix}"]
    assert groups[original[1].name] == groups[original[2].name]
    assert groups[original[0].name] != groups[original[1].name]


def test_a_positive_field_without_centroids_is_refused(dataset: Dataset) -> None:
    number = next(i for i, sample in enumerate(dataset.samples) if sample.centroids)
    weak = replace(dataset.samples[number], centroids=())
    with pytest.raises(DataError, match="no positions of its blasts") as error:
        read_cell_examples([replace(dataset, samples=(weak,))], SETTINGS)
    assert "--cells FILE.csv" in str(error.value.fix)


def test_centroids_in_a_healthy_field_are_refused(dataset: Dataset) -> None:
    number = next(i for i, sample in enumerate(dataset.samples) if not sample.centroids)
    wrong = replace(dataset.samples[number], centroids=((9.0, 9.0),))
    with pytest.raises(DataError, match="the positions of 1 blasts"):
        read_cell_examples([replace(dataset, samples=(wrong,))], SETTINGS)


def test_damaged_images_are_refused_together(dataset: Dataset, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    healthy = next(sample for sample in dataset.samples if not sample.centroids)
    samples = tuple(replace(healthy, path=broken) for _ in range(2))
    with pytest.raises(DataError, match="2 of 2 images are damaged"):
        read_cell_examples([replace(dataset, root=tmp_path, samples=samples)], SETTINGS)
