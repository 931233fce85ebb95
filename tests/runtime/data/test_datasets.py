"""The layout, labels and groups of a data set are read from its folders and file names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from alledge.errors import DataError, UsageError
from alledge.runtime.data.datasets import GENERATED_MARK, LAYOUTS, read_dataset
from alledge.runtime.data.layout_types import ReadOptions

Maker = Callable[..., Image.Image]


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Path]:
    def write(*names: str, camera: str | None = None) -> Path:
        exif = Image.Exif()
        if camera:
            exif[ExifTags.Base.Model] = camera
        for number, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (number, 90, 90)).save(path, exif=exif)
        return tmp_path

    return write


def test_all_idb1_with_its_centroids(lay: Callable[..., Path]) -> None:
    root = lay("im/Im001_1.jpg", "im/Im034_0.jpg", camera="C2500L")
    (root / "xyc").mkdir()
    (root / "xyc" / "Im001_1.xyc").write_text("10\t20\n30 12\n\n", encoding="ascii")
    (root / "xyc" / "Im034_0.xyc").touch()
    dataset = read_dataset(root)
    assert (dataset.layout, dataset.labels, dataset.positive) == (
        "all-idb1", ("healthy", "blast"), ("blast",),
    )  # fmt: skip
    blast, healthy = dataset.samples
    assert (blast.label, blast.group, blast.camera) == ("blast", "Im001_1", "C2500L")
    assert blast.centroids == ((10, 20), (30, 12))
    assert (healthy.label, healthy.centroids) == ("healthy", ())
    assert (blast.width, blast.height) == (40, 30)
    assert dataset.relative(blast) == "im/Im001_1.jpg"


@pytest.mark.parametrize("text", [b"1", b"x y", b"nan 2", b"\xff\xfe1\x00 \x002\x00"])
def test_a_damaged_file_of_centroids_is_named(lay: Callable[..., Path], text: bytes) -> None:
    root = lay("im/Im001_1.jpg", "im/Im002_0.jpg")
    (root / "xyc").mkdir()
    (root / "xyc" / "Im001_1.xyc").write_bytes(b"\n" + text)
    with pytest.raises(DataError, match=r"line 2 of .*Im001_1\.xyc is no centroid"):
        read_dataset(root)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ("41 5", "outside its 40 × 30 pixels"),
        ("-2 5", "outside"),
        ("10 20", "twice"),
        ("11 20", "twice"),
    ],
)
def test_centroids_outside_their_image_and_repeated_ones_are_refused(
    lay: Callable[..., Path], position: str, message: str
) -> None:
    root = lay("im/Im001_1.jpg", "im/Im002_0.jpg")
    (root / "xyc").mkdir()
    (root / "xyc" / "Im001_1.xyc").write_text(f"10 20\n{position}\n", encoding="ascii")
    with pytest.raises(DataError, match=rf"Im001_1\.xyc names .*Im001_1\.jpg.*{message}"):
        read_dataset(root)


def test_all_idb1_one_folder_deeper(lay: Callable[..., Path]) -> None:
    assert len(read_dataset(lay("ALL_IDB1/im/Im1_1.jpg", "ALL_IDB1/im/Im2_0.jpg")).samples) == 2


def test_two_data_sets_side_by_side_are_not_mixed(lay: Callable[..., Path]) -> None:
    root = lay("a/im/Im1_1.jpg", "a/im/Im2_0.jpg", "b/im/Im1_1.jpg", "b/im/Im2_0.jpg")
    with pytest.raises(DataError, match="several sets"):
        read_dataset(root)


def test_all_idb2(lay: Callable[..., Path]) -> None:
    assert read_dataset(lay("img/Im001_1.tif", "img/Im131_0.tif")).layout == "all-idb2"


def test_c_nmc_groups_by_subject(lay: Callable[..., Path]) -> None:
    dataset = read_dataset(
        lay(
            "fold_0/all/UID_12_1_1_all.bmp",
            "fold_0/all/UID_12_2_1_all.bmp",
            "fold_0/hem/UID_H12_1_1_hem.bmp",
        )
    )
    assert (dataset.layout, dataset.subjects) == ("c-nmc", True)
    assert sorted(sample.group for sample in dataset.samples) == ["12", "12", "H12"]


def test_a_folder_per_class_with_brackets_and_equal_stems(lay: Callable[..., Path]) -> None:
    root = lay(
        "Blood cell Cancer [ALL]/Benign/Sap_013 (1).jpg",
        "Blood cell Cancer [ALL]/[Malignant] Pre-B/Sap_013 (1).jpg",
        "Blood cell Cancer [ALL]/[Malignant] Pro-B/Sap_013 (1).jpg",
    )
    dataset = read_dataset(root)
    assert dataset.labels == ("Benign", "[Malignant] Pre-B", "[Malignant] Pro-B")
    assert dataset.positive == dataset.labels[1:]
    assert len({sample.group for sample in dataset.samples}) == 3


def test_a_layout_can_be_named(lay: Callable[..., Path]) -> None:
    root = lay("healthy/UID_1_1_1_all.bmp", "blast/UID_H2_1_1_hem.bmp")
    assert read_dataset(root).layout == "c-nmc"
    assert read_dataset(root, ReadOptions("folders")).layout == "folders"


def test_a_generated_set_is_called_generated(lay: Callable[..., Path]) -> None:
    root = lay("im/Im1_1.jpg", "im/Im2_0.jpg")
    (root / GENERATED_MARK).write_text("{}", encoding="utf-8")
    assert read_dataset(root).generated
    assert "generated" in read_dataset(root).name


def test_the_fingerprint_follows_content_label_and_name(lay: Callable[..., Path]) -> None:
    root = lay("healthy/a.png", "blast/b.png")
    first = read_dataset(root).fingerprint()
    assert first == read_dataset(root).fingerprint()
    (root / "blast" / "b.png").rename(root / "blast" / "c.png")
    assert read_dataset(root).fingerprint() != first


def test_no_folder_no_layout_and_unknown_layout_are_errors(lay: Callable[..., Path]) -> None:
    root = lay("loose.png")
    with pytest.raises(DataError, match="no images in a layout"):
        read_dataset(root)
    with pytest.raises(DataError, match="there is no folder"):
        read_dataset(root / "nowhere")
    with pytest.raises(UsageError, match="did you mean 'folders'"):
        read_dataset(root, ReadOptions("folder"))
    assert len(LAYOUTS) == 6


def test_a_missing_class_is_an_error(lay: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="no image of the class"):
        read_dataset(lay("im/Im001_1.jpg"))


def test_a_class_folder_without_images_is_named(lay: Callable[..., Path]) -> None:
    root = lay("Benign/1.png", "Early/1.png")
    (root / "Pre").mkdir()
    with pytest.raises(DataError, match=r"no image of the class Pre\n(.|\n)*fix: put its images"):
        read_dataset(root)
    (root / "Pre").rmdir()
    (root / ".thumbnails").mkdir()
    assert read_dataset(root).labels == ("Benign", "Early")


def test_the_one_class_there_is_and_the_empty_one_are_named(lay: Callable[..., Path]) -> None:
    root = lay("set/healthy/1.png", "set/healthy/2.png")
    with pytest.raises(DataError, match=r"set has only one class, healthy\n"):
        read_dataset(root)
    (root / "set" / "blast").mkdir()
    (root / "set" / "blast" / "notes.txt").touch()
    for folder in (root, root / "set"):
        with pytest.raises(DataError, match=r"set has no image of the class blast\n"):
            read_dataset(folder)


@pytest.mark.parametrize("classes", [("a", "b"), ("healthy", "normal")])
def test_classes_that_are_all_positive_or_all_healthy_are_refused(
    lay: Callable[..., Path], classes: tuple[str, str]
) -> None:
    with pytest.raises(DataError, match="mean healthy"):
        read_dataset(lay(*(f"{name}/1.png" for name in classes)))


def test_images_that_cannot_be_opened_are_counted_and_named(lay: Callable[..., Path]) -> None:
    root = lay("healthy/a.png", "blast/b.png")
    (root / "blast" / "c.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 of 3 .*c\.png"):
        read_dataset(root)
    dataset = read_dataset(root, skip_unreadable=True)
    assert (len(dataset.samples), list(dataset.unreadable)) == (2, [root / "blast" / "c.png"])


def test_a_data_set_of_which_no_image_can_be_opened_says_so(lay: Callable[..., Path]) -> None:
    root = lay("healthy/a.png", "blast/b.png")
    for path in root.rglob("*.png"):
        path.write_bytes(b"no image")
    for skip in (False, True):
        with pytest.raises(DataError, match=r"^2 of 2 images cannot be opened: .*b\.png"):
            read_dataset(root, skip_unreadable=skip)
