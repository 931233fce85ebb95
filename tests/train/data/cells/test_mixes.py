"""Cells of boxes, tables, folders and crops, and the groups across data sets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alledge.errors import DataError
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.field_cells import find_cells
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.data.datasets import read_dataset
from alledge.runtime.imaging import read_header
from alledge.train.data.cells.field_split import split_cells
from alledge.train.data.cells.reading import read_cell_examples
from alledge.train.data.cells.same_cells import refuse_cell_contradictions
from alledge.train.data.cells.sources import read_cell_datasets
from alledge.train.data.cells.types import CellExamples
from alledge.train.phantom.smears import generate

SETTINGS = CellSettings(crop=CropSettings(size=48))
CROP = 128  # pixels: side of an image of one cell
Positions = dict[str, list[tuple[float, float]]]


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated fields in the layout of ALL-IDB1."""
    return generate(tmp_path_factory.mktemp("mix") / "fields", images=12, size=480)


@pytest.fixture(scope="module")
def positions(fields: Path) -> Positions:
    """The positions of the detected cells of each field: the truth of the other layouts."""
    return {
        path.name: [(cell.x, cell.y) for cell in find_cells(path, SETTINGS).cells]
        for path in sorted((fields / "im").iterdir())
    }


@pytest.fixture(scope="module")
def crops(fields: Path) -> Path:
    """The blasts of two fields and healthy cells of two others, in the layout of ALL-IDB2."""
    root = fields.parent / "crops"
    (root / "img").mkdir(parents=True)
    samples = read_dataset(fields).samples
    ill = [sample for sample in samples if sample.centroids][:2]
    well = [sample for sample in samples if not sample.centroids][:2]
    for number, sample in enumerate((*ill, *well), 1):
        centroids = sample.centroids or [
            (cell.x, cell.y) for cell in find_cells(sample.path, SETTINGS).cells
        ]
        # whole inside the field, with erythrocytes around it
        left, top = next(
            (round(x) - CROP // 2, round(y) - CROP // 2)
            for x, y in centroids
            if CROP / 2 <= x < sample.width - CROP / 2 and CROP / 2 <= y < sample.height - CROP / 2
        )
        with Image.open(sample.path) as image:
            crop = image.crop((left, top, left + CROP, top + CROP))
            crop.save(root / "img" / f"Im{number:03}_{int(bool(sample.centroids))}.png")
    return root


def read(*roots: Path, cells_file: Path | None = None) -> CellExamples:
    datasets = read_cell_datasets(roots)
    return read_cell_examples(datasets, SETTINGS, cells_file=cells_file)


def groups_of(examples: CellExamples) -> dict[str, str]:
    names = (name.partition("#")[0] for name in examples.names)
    return dict(zip(names, examples.groups, strict=True))


@pytest.fixture(scope="module")
def mix(fields: Path, crops: Path) -> CellExamples:
    return read(fields, crops)


def test_a_crop_is_in_the_group_and_of_the_camera_of_its_field(
    mix: CellExamples, fields: Path, crops: Path
) -> None:
    samples = read_dataset(fields).samples
    ill = [sample for sample in samples if sample.centroids][:2]
    well = [sample for sample in samples if not sample.centroids][:2]
    groups = groups_of(mix)
    cameras = dict(zip(mix.names, mix.cameras, strict=True))
    for number, sample in enumerate((*ill, *well), 1):
        crop = f"crops/img/Im{number:03}_{int(bool(sample.centroids))}.png"
        field = f"fields/im/{sample.path.name}"
        assert groups[crop] == groups.get(field, field)
        assert cameras[crop] == sample.camera
        assert read_header(crops / crop.partition("/")[2]).camera == "unknown"


def test_no_fold_tests_a_crop_of_a_field_that_it_trains_on(mix: CellExamples) -> None:
    for kind, folds in (("grouped", 3), ("camera", 2)):
        split = split_cells(mix, kind, folds, seed=0)
        for fold in split.folds:
            tested = {split.groups[index] for index in fold.test}
            assert not tested & {split.groups[index] for index in fold.train}


def test_a_crop_has_one_cell_with_the_label_of_its_image(mix: CellExamples) -> None:
    singles = np.flatnonzero(mix.field_index == -1)
    assert [mix.names[index] for index in singles] == [
        f"crops/img/Im{number:03}_{int(number < 3)}.png" for number in range(1, 5)
    ]
    assert mix.truth[singles].tolist() == [1, 1, 0, 0]


def test_the_same_cell_under_two_labels_is_refused(fields: Path, crops: Path) -> None:
    datasets = read_cell_datasets([fields, crops])
    wrong = tuple(
        replace(sample, label={"blast": "healthy", "healthy": "blast"}[sample.label])
        for sample in datasets[1].samples
    )
    examples = read_cell_examples([datasets[0], replace(datasets[1], samples=wrong)], SETTINGS)
    with pytest.raises(DataError, match="labels contradict") as error:
        refuse_cell_contradictions(examples, force=False, say=print)
    assert "--force" in str(error.value.fix)
    said: list[str] = []
    (note,) = refuse_cell_contradictions(examples, force=True, say=said.append)
    assert "different labels" in note
    assert len(said) == 1


def test_a_mix_without_contradictions_is_accepted(mix: CellExamples) -> None:
    assert refuse_cell_contradictions(mix, force=False, say=print) == ()
    assert len(mix.same_cells) >= 2


def test_a_mirrored_copy_in_another_data_set_is_in_the_same_group(
    crops: Path, tmp_path: Path
) -> None:
    for label, name in (("blast", "Im001_1"), ("hem", "Im003_0")):
        (tmp_path / "copies" / label).mkdir(parents=True)
        with Image.open(crops / "img" / f"{name}.png") as image:
            image.transpose(Image.Transpose.TRANSVERSE).save(
                tmp_path / "copies" / label / "x.jpg", quality=95
            )
    examples = read(crops, tmp_path / "copies")
    groups = groups_of(examples)
    assert groups["copies/blast/x.jpg"] == groups["crops/img/Im001_1.png"]
    assert groups["copies/hem/x.jpg"] == groups["crops/img/Im003_0.png"]
    assert groups["copies/hem/x.jpg"] != groups["crops/img/Im004_0.png"]
    assert set(examples.cameras) == {"crops", "copies"}  # none has EXIF


@pytest.fixture
def boxed(fields: Path, positions: Positions, tmp_path: Path) -> Callable[[str], Path]:
    """Two fields with boxes: the first cell is a blast, one box has no cell that is found."""

    def make(other: str) -> Path:
        root = tmp_path / "boxed"
        (root / "images").mkdir(parents=True)
        (root / "labels").mkdir()
        (root / "classes.txt").write_text(f"lymphoblast\n{other}\nRBC\n", encoding="utf-8")
        wells = [name for name in positions if name.endswith("_0.jpg") and positions[name]]
        for name in wells[:2]:
            with Image.open(fields / "im" / name) as image:
                image.save(root / "images" / f"{name}.png")
                width, height = image.size
            (x, y), *_ = positions[name]
            lines = [f"0 {(x + 0.5) / width} {(y + 0.5) / height} 0.08 0.08"]
            lines += [f"1 {0.02} {0.02} 0.03 0.03", f"2 {x / width} {y / height} 0.1 0.1"]
            (root / "labels" / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
        return root

    return make


def test_boxes_name_detected_cells_and_add_missed_leucocytes(
    boxed: Callable[[str], Path],
) -> None:
    examples = read(boxed("lymphocyte"))
    assert examples.dataset.labels == ("lymphocyte", "lymphoblast")
    for number, field in enumerate(examples.fields):
        own = np.flatnonzero(examples.field_index == number)
        assert (field.blasts, field.missed_blasts, field.label) == (1, 0, "lymphoblast")
        assert field.cells == len(own)
        assert examples.truth[own].sum() >= 1
    missed = np.flatnonzero(examples.field_index == -1)
    assert examples.truth[missed].tolist() == [0, 0]  # the boxes in the corner
    assert all("#" in examples.names[index] for index in missed)


def test_platelets_are_other_and_not_added(boxed: Callable[[str], Path], crops: Path) -> None:
    examples = read(boxed("platelet"), crops)
    assert examples.dataset.labels == ("healthy", "other", "blast")
    singles = np.flatnonzero(examples.field_index == -1)
    assert {examples.names[index].partition("/")[0] for index in singles} == {"crops"}


def test_a_table_names_the_cells_of_fields(
    fields: Path, positions: Positions, tmp_path: Path
) -> None:
    ill = next(name for name in positions if name.endswith("_1.jpg") and positions[name])
    well = next(name for name in positions if name.endswith("_0.jpg") and positions[name])
    (x, y), *_ = positions[ill]
    rows = [f"im/{ill},{x},{y},lymphoblast"]
    rows += [f"{well},{x},{y},monocyte" for x, y in positions[well][:1]]
    table = tmp_path / "cells.csv"
    table.write_text("\n".join(["image,x,y,label", *rows]), encoding="utf-8")
    examples = read(fields, cells_file=table)
    (number,) = [i for i, field in enumerate(examples.fields) if field.name.endswith(ill)]
    own = examples.truth[examples.field_index == number]
    labels = examples.dataset.labels
    assert [labels[index] for index in own].count(examples.dataset.positive[0]) == 1
    assert examples.fields[number].blasts == 1
    table.write_text(f"image,x,y,label\n{ill},9,9,platelet\n{well},,,\n", encoding="utf-8")
    centroids = {sample.path.name: sample.centroids for sample in read_dataset(fields).samples}
    examples = read(fields, cells_file=table)
    assert examples.fields[number].blasts == len(centroids[ill]) > 0
    table.write_text(f"image,x,y,label\n{well},9,9,blast\n", encoding="utf-8")
    with pytest.raises(DataError, match="the positions of 1 blasts"):
        read(fields, cells_file=table)
    for rows, message in (("5000,9", "outside its"), ("9,9", "twice")):
        text = f"image,x,y,label\n{well},9,9,platelet\n{well},{rows},monocyte\n"
        table.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read(fields, cells_file=table)


def test_large_images_of_blasts_without_positions_are_refused(fields: Path, tmp_path: Path) -> None:
    for label, end in (("healthy", "_0"), ("blast", "_1")):
        (tmp_path / "weak" / label).mkdir(parents=True)
        path = next(path for path in (fields / "im").iterdir() if path.stem.endswith(end))
        with Image.open(path) as image:
            image.resize((900, 700)).save(tmp_path / "weak" / label / "a.png")
    with pytest.raises(DataError, match="no positions of its blasts"):
        read(tmp_path / "weak")


def test_the_digest_of_the_truth_changes_with_a_label(mix: CellExamples) -> None:
    assert mix.truth_digest() == replace(mix).truth_digest()
    truth = mix.truth.copy()
    truth[0] = 1 - truth[0]
    assert replace(mix, truth=truth).truth_digest() != mix.truth_digest()


def test_a_subject_of_c_nmc_is_one_group_in_all_its_folds(crops: Path, tmp_path: Path) -> None:
    y, x = np.mgrid[:CROP, :CROP]
    outside = np.hypot(x - CROP / 2, y - CROP / 2) > 0.4 * CROP
    names = ("fold_0/all/UID_1_1_1_all", "fold_1/all/UID_1_2_1_all", "fold_1/hem/UID_H1_1_1_hem")
    for number, name in enumerate(names, 1):
        with Image.open(sorted((crops / "img").iterdir())[number]) as image:
            pixels = np.asarray(image.convert("RGB")).copy()
        pixels[outside] = 0
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"{name}.bmp")
    examples = read(tmp_path / "fold_0", tmp_path / "fold_1")
    first, second, third = examples.groups
    assert first == second != third
    assert examples.dataset.subjects
    assert examples.dataset.labels == ("healthy", "blast")
    assert examples.pixels[:, 0, 0].min() > 200  # on an empty background, not on black
