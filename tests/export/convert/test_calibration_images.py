"""The choice of calibration images, for the exported network and for each fold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alledge.errors import DataError, ExportError
from alledge.export.convert.calibration_images import (
    MAX_IMAGES,
    CalibrationImages,
    choose_balanced,
    load_folder,
)
from alledge.export.convert.jobs import JobRunner
from alledge.export.gate.fold_artifacts import FoldArtifacts
from alledge.export.source_run import read_run_images
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.imaging import load_rgb


@given(st.permutations([(f"{kind}{number}", kind) for kind in "abc" for number in range(40)]))
def test_the_choice_depends_on_names_not_on_their_order(items):
    chosen = choose_balanced(items, lambda item: item[0], lambda item: item[1])
    again = choose_balanced(sorted(items), lambda item: item[0], lambda item: item[1])
    assert chosen == again


def test_a_rare_kind_is_chosen_whole():
    items = [("rare", number) for number in range(5)] + [("common", n) for n in range(500)]
    chosen = choose_balanced(items, lambda item: f"{item}", lambda item: item[0])
    assert len(chosen) == MAX_IMAGES
    assert sum(kind == "rare" for kind, _ in chosen) == 5


def test_a_folder_of_any_layout_is_read_by_the_image_loader_of_the_device(tmp_path):
    for number in range(3):
        path = tmp_path / f"deep[{number}]" / "field.png"
        path.parent.mkdir()
        Image.new("RGB", (90, 60), (number * 80, 10, 200)).save(path)
    images = load_folder(tmp_path, ImageSettings(size=32)).images
    assert images.shape == (3, 32, 32, 3)
    expected = [load_rgb(path, ImageSettings(size=32)) for path in tmp_path.rglob("*.png")]
    assert sorted(i.tobytes() for i in images) == sorted(i.tobytes() for i in expected)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("none", encoding="utf-8")
    with pytest.raises(DataError, match="no images to calibrate on"):
        load_folder(tmp_path, ImageSettings())


def test_a_fold_is_not_calibrated_on_images_that_test_it(tiny_run):
    run_images = read_run_images(tiny_run)
    for fold in tiny_run.fold_numbers:
        calibration = {image.tobytes() for image in run_images.calibration_images(fold).images}
        tested = {run_images.images[i].tobytes() for i in run_images.tested_images(fold)}
        assert calibration
        assert not calibration & tested
    unique = np.unique(run_images.images, axis=0)
    assert len(run_images.calibration_images().images) == len(unique)


def test_a_fold_is_not_calibrated_on_images_that_it_neither_trained_on_nor_tested(tiny_run):
    run_images = read_run_images(tiny_run)
    first = run_images.tested_images(2)[0]  # fold 1 trained on it
    trained_by = list(run_images.trained_by)
    trained_by[first] = frozenset()
    changed = replace(run_images, trained_by=tuple(trained_by))
    before, after = (images.calibration_images(1).images for images in (run_images, changed))
    assert len(after) == len(before) - 1
    assert run_images.images[first].tobytes() not in {image.tobytes() for image in after}


def test_a_fold_is_not_calibrated_on_images_in_a_group_that_tests_it(tiny_run):
    """The paper's split is blind to groups: it trains on images that show what it tests."""
    run_images = read_run_images(tiny_run)
    first, tested = run_images.tested_images(2)[0], run_images.tested_images(1)[0]
    groups = list(run_images.groups)
    groups[first] = groups[tested]
    after = replace(run_images, groups=tuple(groups)).calibration_images(1).images
    assert run_images.images[first].tobytes() not in {image.tobytes() for image in after}


def test_named_calibration_images_that_test_a_fold_are_left_out_for_it(tiny_run, tmp_path):
    run_images, messages = read_run_images(tiny_run), []
    first, second = (
        run_images.images[run_images.tested_images(fold)] for fold in tiny_run.fold_numbers
    )
    named = np.concatenate([first[:3], second])

    def folds(images):
        return FoldArtifacts(
            tiny_run, run_images, JobRunner(tmp_path), tmp_path, "int8", images, messages.append
        )

    assert np.array_equal(folds(named).calibration_images(tiny_run.fold_numbers[0]), second)
    assert np.array_equal(folds(named).calibration_images(tiny_run.fold_numbers[1]), first[:3])
    assert "3 calibration images left out" in messages[0]
    with pytest.raises(ExportError, match="every calibration image tests fold"):
        folds(second).calibration_images(tiny_run.fold_numbers[1])


def calibration(distinct: int, count: int, labels=("a", "b"), cameras=("x", "y")):
    """Return calibration images of which so many are distinct."""
    images = np.stack([np.full((4, 4, 3), number % distinct, np.uint8) for number in range(count)])
    return CalibrationImages(
        images,
        tuple(labels[number % len(labels)] for number in range(count)),
        tuple(cameras[number % len(cameras)] for number in range(count)),
    )


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (calibration(20, 20), []),
        (calibration(20, 20, cameras=("unknown",)), []),
        (calibration(1, 20), ["the 20 calibration images are copies of one image"]),
        (calibration(16, 32), ["16 of 32 calibration images are copies"]),
        (calibration(20, 20, labels=("a",)), ["all calibration images have the label 'a'"]),
        (calibration(20, 20, cameras=("x",)), ["all calibration images have the camera 'x'"]),
    ],
)
def test_calibration_images_that_say_little_are_named(images, expected):
    assert images.warnings() == expected


def test_few_calibration_images_are_named():
    (warning,) = calibration(15, 15).warnings()
    assert warning.startswith("only 15 distinct calibration images")
