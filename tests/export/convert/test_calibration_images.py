import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alledge.errors import DataError, ExportError
from alledge.export.convert.calibration_images import MAX_IMAGES, choose, load_folder
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.imaging import load_rgb


@given(st.permutations([(f"{kind}{number}", kind) for kind in "abc" for number in range(40)]))
def test_the_choice_hangs_on_names_not_on_their_order(items):
    chosen = choose(items, lambda item: item[0], lambda item: item[1])
    again = choose(sorted(items), lambda item: item[0], lambda item: item[1])
    assert chosen == again


def test_every_kind_is_there_as_often_as_it_can_be():
    items = [("rare", number) for number in range(5)] + [("common", n) for n in range(500)]
    chosen = choose(items, lambda item: f"{item}", lambda item: item[0])
    assert len(chosen) == MAX_IMAGES
    assert sum(kind == "rare" for kind, _ in chosen) == 5


def test_a_folder_of_any_layout_is_read_through_the_one_image_path(tmp_path):
    for number in range(3):
        path = tmp_path / f"deep[{number}]" / "field.png"
        path.parent.mkdir()
        Image.new("RGB", (90, 60), (number * 80, 10, 200)).save(path)
    images = load_folder(tmp_path, ImageSettings(size=32))
    assert images.shape == (3, 32, 32, 3)
    wanted = [load_rgb(path, ImageSettings(size=32)) for path in tmp_path.rglob("*.png")]
    assert sorted(i.tobytes() for i in images) == sorted(i.tobytes() for i in wanted)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("none", encoding="utf-8")
    with pytest.raises(DataError, match="no images to calibrate on"):
        load_folder(tmp_path, ImageSettings())


def test_calibration_takes_no_held_out_image(tiny_run):
    from alledge.export.source_run import read_run_images

    material = read_run_images(tiny_run)
    for fold in tiny_run.fold_numbers:
        part = {image.tobytes() for image in material.training_part(fold)}
        tested = {material.images[index].tobytes() for index in material.held_out(fold)}
        assert part
        assert not part & tested
    assert len(material.training_part()) == len(np.unique(material.images, axis=0))


def test_images_named_for_calibration_that_test_a_fold_are_left_out_for_it(tiny_run, tmp_path):
    from alledge.export.convert.jobs import Jobs
    from alledge.export.gate.fold_artifacts import FoldArtifacts
    from alledge.export.source_run import read_run_images

    material, said = read_run_images(tiny_run), []
    first, second = (material.images[material.held_out(fold)] for fold in tiny_run.fold_numbers)
    named = np.concatenate([first[:3], second])

    def folds(images):
        return FoldArtifacts(
            tiny_run, material, Jobs(tmp_path), tmp_path, "int8", images, said.append
        )

    assert np.array_equal(folds(named).calibration(tiny_run.fold_numbers[0]), second)
    assert np.array_equal(folds(named).calibration(tiny_run.fold_numbers[1]), first[:3])
    assert "3 calibration images left out" in said[0]
    with pytest.raises(ExportError, match="every calibration image tests fold"):
        folds(second).calibration(tiny_run.fold_numbers[1])
