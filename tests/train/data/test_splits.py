"""Splits: no group is separated, every part has every class, and errors come before training."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alledge.errors import DataError, UsageError
from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.runtime.image_settings import ImageSettings
from alledge.train.data.examples import Examples, read_examples, read_rows
from alledge.train.data.group_folds import split_off_validation
from alledge.train.data.splits import make_split

SMALL = ImageSettings(size=32)


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images a class; the last two of a class are pixel-identical."""
    for label, first in (("healthy", 0), ("blast", 100)):
        for index in range(12):
            picture(tmp_path / label / f"{index:02}.png", first + min(index, 10))
    return tmp_path


@pytest.fixture
def examples(folder: Path) -> Examples:
    return read_examples(read_dataset(folder), SMALL)


def group_by_name(examples: Examples) -> dict[str, str]:
    return dict(zip(examples.names, examples.groups, strict=True))


def write_table(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_pixel_identical_images_are_one_group(examples: Examples) -> None:
    groups = group_by_name(examples)
    assert groups["blast/10.png"] == groups["blast/11.png"]
    assert len(set(examples.groups)) == 22


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_grouped_folds_test_every_image_once_and_separate_no_group(
    examples: Examples, folds: int
) -> None:
    split = make_split(examples, "grouped", folds, seed=0)
    tested = np.concatenate([fold.test for fold in split.folds])
    assert sorted(tested.tolist()) == list(range(24))
    for fold in split.folds:
        assert not {split.groups[i] for i in fold.train} & {split.groups[i] for i in fold.test}
        assert set(examples.truth[fold.train]) == set(examples.truth[fold.test]) == {0, 1}
        assert set(fold.train) | set(fold.test) == set(range(24))


def test_one_fold_holds_one_fifth_out(examples: Examples) -> None:
    split = make_split(examples, "grouped", 1, seed=0)
    (fold,) = split.folds
    assert 3 <= len(fold.test) <= 7
    assert len(fold.train) + len(fold.test) == 24
    assert set(examples.truth[fold.test]) == {0, 1}


def test_the_seed_decides_the_split(examples: Examples) -> None:
    first, same, other = (make_split(examples, "grouped", 3, seed).test_fold for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_groups_that_share_an_image_in_the_groups_file_are_merged(
    folder: Path, tmp_path: Path
) -> None:
    rows = ["# why: overlapping fields", "image,group", "healthy/00.png,a", "healthy/01.png,a"]
    rows += ["healthy\\01.png,b", "healthy/02.png,b"]
    table = write_table(tmp_path / "groups.csv", rows)
    groups = group_by_name(read_examples(read_dataset(folder), SMALL, table))
    assert groups["healthy/00.png"] == groups["healthy/01.png"] == groups["healthy/02.png"]
    assert groups["healthy/03.png"] != groups["healthy/00.png"]


def test_the_overlap_list_of_all_idb1_has_its_known_sets_and_file_names() -> None:
    path = Path(__file__).parents[3] / "docs" / "all-idb1-overlaps.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines if line.startswith("im/")]
    sets: dict[str, set[int]] = {}
    for image, group in rows:
        sets.setdefault(group, set()).add(int(image[5:8]))
        assert image.endswith("_1.jpg") == group.startswith("blast")
    healthy = [{36, 102, 103}, {38, 39, 44}, {78, 89}, {94, 95}, {93, 108}]
    blast = [{9, 10, 11}, {13, 14, 15}, {18, 19}, {20, 21, 22}]
    assert sorted(map(sorted, sets.values())) == sorted(map(sorted, healthy + blast))


@pytest.mark.parametrize(
    ("name", "reason"), [("healthy/99.png", "not in the data set"), ("00.png", "several images")]
)
def test_a_name_in_the_groups_file_that_fits_no_or_several_images_is_refused(
    folder: Path, tmp_path: Path, name: str, reason: str
) -> None:
    path = write_table(tmp_path / "groups.csv", ["image,group", f"{name},a"])
    with pytest.raises(DataError, match=rf"{name} \({reason}"):
        read_examples(read_dataset(folder), SMALL, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"image;group\n", "has no column image, group"), (b"\xff\xfe\x00", "not UTF-8")],
)
def test_groups_file_without_the_columns_or_not_text_is_refused(
    folder: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "groups.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_examples(read_dataset(folder), SMALL, tmp_path / "groups.csv")
    with pytest.raises(DataError, match="there is no file"):
        read_examples(read_dataset(folder), SMALL, tmp_path / "none.csv")


def test_corrupt_image_in_the_middle_is_named_before_training(folder: Path) -> None:
    path = folder / "blast" / "05.png"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"1 of 24 images are damaged(.|\n)*05\.png(.|\n)*nothing"):
        read_examples(read_dataset(folder), SMALL)


def test_fewer_groups_than_folds_is_refused_with_what_to_type(examples: Examples) -> None:
    with pytest.raises(DataError, match=r"11 groups of images, fewer than the 12(.|\n)*--folds 11"):
        make_split(examples, "grouped", 12, seed=0)


def test_a_class_of_one_group_cannot_be_split(tmp_path: Path) -> None:
    for index in range(4):
        picture(tmp_path / "healthy" / f"{index}.png", index)
        picture(tmp_path / "blast" / f"{index}.png", 77)
    examples = read_examples(read_dataset(tmp_path), SMALL)
    with pytest.raises(DataError, match=r"'blast' has 1 groups(.|\n)*add images"):
        make_split(examples, "grouped", 1, seed=0)


def test_zero_folds_are_refused(examples: Examples) -> None:
    with pytest.raises(UsageError, match="0 folds"):
        make_split(examples, "grouped", 0, seed=0)


def test_unknown_split_names_the_existing_ones(examples: Examples) -> None:
    allowed = r"no split 'groupd'(.|\n)*grouped, paper, subject, camera, source, given, FILE\.csv"
    with pytest.raises(UsageError, match=allowed):
        make_split(examples, "groupd", 5, seed=0)


@pytest.fixture
def rows(examples: Examples) -> list[str]:
    """A valid split file with three folds. The first image of each class is never tested."""
    parts = {name: index % 12 for index, name in enumerate(examples.names)}
    parts |= {name: 10 for name in examples.names if name.endswith("11.png")}
    folds = {name: part % 3 + 1 if part else 0 for name, part in parts.items()}
    return ["image,fold", *(f"{name},{fold}" for name, fold in folds.items())]


def test_split_file_is_followed(examples: Examples, rows: list[str], tmp_path: Path) -> None:
    split = make_split(examples, str(write_table(tmp_path / "own.csv", rows)), 5, seed=0)
    assert split.kind == "own.csv"
    assert [fold.number for fold in split.folds] == [1, 2, 3]
    never_tested = sorted(examples.names[i] for i in np.flatnonzero(split.test_fold == 0))
    assert never_tested == ["blast/00.png", "healthy/00.png"]
    assert all(0 in split.test_fold[fold.train] for fold in split.folds)


def change(rows: list[str], old: str, new: str) -> list[str]:
    assert any(old in row for row in rows)
    return [row.replace(old, new) for row in rows]


def test_split_file_that_disagrees_is_refused(
    examples: Examples, rows: list[str], tmp_path: Path
) -> None:
    one_group_each = [name for name in examples.names if name[-6:] not in ("10.png", "11.png")]
    one_group_each += ["healthy/10.png", "healthy/11.png"]
    wrong = {
        "lacks 1 images": rows[:-1],
        "names 1 more than once": [*rows[:-1], rows[1]],
        "not in the data set": change(rows, "blast/03.png", "blast/33.png"),
        "has the fold 'x'": change(rows, "blast/03.png,1", "blast/03.png,x"),
        "separates the group": change(rows, "blast/11.png,2", "blast/11.png,3"),
        "tests no image": ["image,fold", *(f"{name},0" for name in examples.names)],
        "leaves no image of the class healthy to test in any fold": [
            "image,fold",
            *(f"{n},{0 if 'healthy' in n else i % 2 + 1}" for i, n in enumerate(one_group_each)),
            "blast/11.png,1",
            "blast/10.png,1",
        ],
        "leaves no image of the class healthy to train on for fold 1": [
            "image,fold",
            *(f"{name},{1 if 'healthy' in name else 2}" for name in examples.names),
        ],
    }
    for message, lines in wrong.items():
        with pytest.raises(DataError, match=message):
            make_split(examples, str(write_table(tmp_path / "own.csv", lines)), 5, seed=0)


def test_a_split_file_may_not_separate_its_groups(
    examples: Examples, rows: list[str], tmp_path: Path
) -> None:
    lines = ["image,fold,group"] + [f"{row}," for row in rows[1:]]
    good = make_split(examples, str(write_table(tmp_path / "own.csv", lines)), 5, seed=0)
    assert good.groups == examples.groups
    lines = [f"{row}slide" if "/01.png" in row or "/02.png" in row else row for row in lines]
    with pytest.raises(DataError, match="separates the group 'slide'"):
        make_split(examples, str(write_table(tmp_path / "own.csv", lines)), 5, seed=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 30), st.integers(2, 30), st.integers(1, 4))
def test_validation_shares_no_group_with_the_rest_which_has_every_class(
    seed: int, healthy: int, blast: int, copies: int
) -> None:
    truth = np.array([0] * healthy * copies + [1] * blast * copies)
    groups = [f"g{index // copies}" for index in range(len(truth))]
    train = np.arange(len(truth))
    fitted, validation = split_off_validation(truth, groups, train, seed)
    assert sorted([*fitted, *validation]) == list(train)
    assert not {groups[i] for i in fitted} & {groups[i] for i in validation}
    assert set(truth[fitted]) == {0, 1}
    assert len(validation) > 0


def test_there_is_no_validation_part_if_a_class_has_one_group() -> None:
    truth = np.array([0, 0, 1])
    fitted, validation = split_off_validation(truth, ["a", "b", "c"], np.arange(3), seed=0)
    assert (fitted.tolist(), validation.tolist()) == ([0, 1, 2], [])


def test_images_of_a_generated_set_are_groups_of_their_own(smears: Dataset) -> None:
    examples = read_examples(smears, SMALL)
    assert len(set(examples.groups)) == len(examples.names)


def labelled(truth: np.ndarray, groups: list[str]) -> Examples:
    """Examples with labels and groups only, for splits that ignore cameras."""
    dataset = Dataset(Path("set"), "folders", ("healthy", "blast"), ("blast",), ())
    pixels = np.zeros((len(truth), 1, 1, 3), np.uint8)
    return Examples(dataset, pixels, truth, tuple(groups), tuple(groups), ())


@pytest.mark.parametrize("seed", range(5))
def test_papers_split_tests_12_healthy_images_and_10_with_blasts(seed: int) -> None:
    truth = np.array([0] * 59 + [1] * 49)
    split = make_split(labelled(truth, [str(index) for index in range(108)]), "paper", 5, seed)
    (fold,) = split.folds
    assert np.bincount(truth[fold.test]).tolist() == [12, 10]
    assert sorted([*fold.train, *fold.test]) == list(range(108))
    assert split.notes[0].endswith("no test image is known to show the same as a training image")


@pytest.mark.parametrize("seed", range(5))
def test_papers_split_counts_the_test_images_that_leak(seed: int) -> None:
    truth, groups = np.array([0] * 20 + [1] * 20), [str(index // 2) for index in range(40)]
    split = make_split(labelled(truth, groups), "paper", 5, seed)
    (fold,) = split.folds
    trained = {groups[index] for index in fold.train}
    leaked = sum(groups[index] in trained for index in fold.test)
    assert leaked > 0
    assert f"leaks: {leaked} of the 8 test images" in split.notes[0]


def test_subject_split_needs_a_layout_with_subjects(examples: Examples) -> None:
    with pytest.raises(DataError, match=r"does not say which images(.|\n)*--groups"):
        make_split(examples, "subject", 5, seed=0)


def test_subject_split_keeps_a_subjects_images_together(tmp_path: Path) -> None:
    for subject in range(12, 18):
        for index in range(1, 4):
            seed = 10 * subject + index
            picture(tmp_path / "all" / f"UID_{subject}_{index}_1_all.bmp", seed)
            picture(tmp_path / "hem" / f"UID_H{subject}_{index}_1_hem.bmp", 1000 + seed)
    examples = read_examples(read_dataset(tmp_path), SMALL)
    split = make_split(examples, "subject", 3, seed=0)
    assert split.kind == "subject"
    assert len(set(split.groups)) == 12
    tested = np.concatenate([fold.test for fold in split.folds])
    assert sorted(tested.tolist()) == list(range(36))
    subject_of = np.array([name.split("_")[1] for name in examples.names])
    for fold in split.folds:
        assert not set(subject_of[fold.train]) & set(subject_of[fold.test])
        assert set(examples.truth[fold.test]) == {0, 1}


def test_images_with_flags_of_their_files_are_counted(tmp_path: Path) -> None:
    for label in ("healthy", "blast"):
        for seed in range(3):
            picture(tmp_path / label / f"{seed}.png", seed + 10 * (label == "blast"))
    assert read_examples(read_dataset(tmp_path), SMALL).flag_notes() == ()
    dark = np.full((64, 64), 3000, np.uint16)
    dark[:32] = 100
    Image.fromarray(dark).save(tmp_path / "healthy" / "dark.png")
    (note,) = read_examples(read_dataset(tmp_path), SMALL).flag_notes()
    assert note.startswith("1 images have flags of their files (1 assumed_range)")


def test_camera_split_needs_two_cameras_with_positive_images(examples: Examples) -> None:
    with pytest.raises(DataError, match="come from one camera"):
        make_split(examples, "camera", 5, seed=0)


def test_camera_split_tests_a_blast_once_and_a_healthy_field_once_a_direction(
    smears: Dataset,
) -> None:
    examples = read_examples(smears, SMALL)
    split = make_split(examples, "camera", 2, seed=0)
    positive, cameras = examples.truth == 1, np.asarray(examples.cameras)
    tested_cameras = set(cameras[positive])
    assert {fold.camera for fold in split.folds} == tested_cameras
    assert len(tested_cameras) > 1
    for camera in tested_cameras:
        own = [fold for fold in split.folds if fold.camera == camera]
        tested = np.concatenate([fold.test for fold in own])
        expected = np.flatnonzero(~positive | (cameras == camera))
        assert sorted(tested.tolist()) == expected.tolist()
        for fold in own:
            others = set(np.flatnonzero(positive & (cameras != camera)).tolist())
            assert set(fold.train[positive[fold.train]].tolist()) == others
    tested = np.concatenate([fold.test for fold in split.folds])
    counts = np.bincount(tested, minlength=len(positive))
    assert counts.tolist() == np.where(positive, 1, len(tested_cameras)).tolist()


def test_camera_split_never_trains_on_a_blast_of_the_camera_it_tests(smears: Dataset) -> None:
    examples = read_examples(smears, SMALL)
    split = make_split(examples, "camera", 2, seed=0)
    positive = examples.truth == 1
    cameras = np.asarray(examples.cameras)
    for fold in split.folds:
        assert set(cameras[fold.test][positive[fold.test]]) == {fold.camera}
        assert fold.camera not in set(cameras[fold.train][positive[fold.train]])
        assert not {split.groups[i] for i in fold.train} & {split.groups[i] for i in fold.test}


@pytest.mark.skipif(os.name != "posix", reason="POSIX special files")
@pytest.mark.timeout(20)
def test_a_table_that_is_a_fifo_or_no_csv_is_refused_by_its_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.csv")
    (tmp_path / "long.csv").write_bytes(b"image,group\n" + b"x" * 200_000 + b",1\n")
    for name in ("fifo.csv", "long.csv", "none.csv"):
        with pytest.raises(DataError, match=re.escape(name)):
            read_rows(tmp_path / name, ("image", "group"))
