"""Each layout that people have is read right, or refused with the fix."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alledge.errors import DataError, UsageError
from alledge.runtime.data.class_folders import smear_images
from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.runtime.data.inputs import find_images
from alledge.runtime.data.layout_types import ReadOptions
from alledge.runtime.imaging.readers import Reader
from support import laboratory_files

Lay = Callable[..., Path]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Write images, texts (``name=text``) and empty folders (``name/``) below a folder."""

    def write(*names: str) -> Path:
        root = tmp_path / "DATA"
        for number, name in enumerate(names):
            name, _, text = name.partition("=")
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir()
            elif text or path.suffix not in SUFFIXES or path.name.startswith("."):
                path.write_text(text.replace("|", "\n"), encoding="utf-8")
            else:
                Image.new("RGB", (12, 9), (number, 90, 90)).save(path)
        return root

    return write


SUFFIXES = {".jpg", ".png", ".tif", ".tiff", ".bmp", ".JPG", ".PNG", ".jpeg"}


def counts(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(sample.label for sample in dataset.samples))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "JPG", "PNG", "jpeg"])
@pytest.mark.parametrize("above", ["", "above/", "above/set/"])
@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (("im/Im001_1", "im/Im002_0"), "all-idb1"),
        (("img/Im001_1", "img/Im131_0"), "all-idb2"),
        (("fold_0/all/UID_1_1_1_all", "fold_1/hem/UID_H2_1_1_hem"), "c-nmc"),
    ],
)
def test_a_known_set_is_known_in_every_format_and_depth(
    lay: Lay, names: tuple[str, str], layout: str, above: str, suffix: str
) -> None:
    dataset = read_dataset(lay(*(f"{above}{name}.{suffix}" for name in names)))
    assert (dataset.layout, dataset.positive) == (layout, ("blast",))
    assert counts(dataset) == {"blast": 1, "healthy": 1}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("im/Im1_1.jpg", "im/Im1_1.png", "im/Im2_0.jpg"), "more than once"),
        (("a/im/Im1_1.jpg", "a/im/Im2_0.jpg", "b/img/Im1_1.tif", "b/img/Im2_0.tif"), "several"),
        (("hem/UID_1_1_1_all.bmp", "hem/UID_H1_1_1_hem.bmp"), "contradicts the name"),
        (("healthy/a.png", "blast/b.png", "masks/a.png"), "masks is no class"),
        (("healthy/a.png", "blast/b.png", "thumbnails/a.png"), "thumbnails is no class"),
        (("healthy/a.png", "blast/b.png", "annotations/a.png"), "annotations is no class"),
        (("healthy/a.png", "blast/b.png", "labels/a.png"), "labels is no class"),
        (("healthy/a.png", "blast/b.png", "overlays/a.png"), "overlays is no class"),
        (("healthy/a.png", "blast/b.png", "ground truth/a.png"), "ground truth is no class"),
        (("healthy/a.png", "blast/b.png", "healthy_masks/a.png"), "healthy_masks is no class"),
        (("healthy/a.png", "blast/b.png", "blast/masks/b.png"), "masks is no class"),
        (("healthy/a.png", "train/b.png", "test/c.png"), "folders of a split"),
        (("train/healthy/a.png", "train/blast/b.png", "test/c.png"), "in no class folder"),
        (("fold_0/a.png", "fold_1/b.png"), "fold_0 is no class"),
        (("s1/healthy/a.png", "s1/blast/b.png", "s2/healthy/c.png", "s2/blast/d.png"), "inside"),
        (("a.png", "b.png", "labels.csv=image,label|a,healthy"), r"--labels .*labels\.csv"),
    ],
)
def test_what_is_no_class_is_refused_with_the_fix(
    lay: Lay, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=rf"{message}(.|\n)*") as caught:
        read_dataset(lay(*names))
    assert caught.value.fix


def test_files_of_the_system_and_half_files_are_left_out_and_counted(lay: Lay) -> None:
    dataset = read_dataset(
        lay(
            *("healthy/a.png", "blast/b.png", "__MACOSX/healthy/._a.png", "healthy/._a.png"),
            *("healthy/.DS_Store", "healthy/Thumbs.db", "blast/desktop.ini", "blast/c.jpg.part"),
            "__MACOSX/x.jpg",
        )
    )
    assert counts(dataset) == {"healthy": 1, "blast": 1}
    text = "\n".join(dataset.description())
    for kind in (
        *("1 × AppleDouble file", "3 × file of the operating", "1 × half-transferred file"),
        "1 × folder of copies or of the system (__MACOSX)",
    ):
        assert kind in text


def test_a_data_set_takes_the_same_files_of_a_folder_as_classify(lay: Lay) -> None:
    root = lay("healthy/a.png", "blast/b.png")
    healthy = root / "healthy"
    for name in ("a.overlay.jpg", ".hidden.png", "x.png.part", ".y.jpg.Xa3dQ1", "._z.png"):
        (healthy / name).write_bytes((healthy / "a.png").read_bytes())
    for name in ("no suffix", "wrong.suffix", "portable.pbm"):
        (healthy / name).write_bytes((root / "blast" / "b.png").read_bytes())
    (healthy / "notes.pdf").write_bytes(b"%PDF-1.4")
    images = {sample.path for sample in read_dataset(root).samples}
    search = find_images([root], recursive=True)
    judged = {Path(path) for path in search}
    half_files = {healthy / "x.png.part", healthy / ".y.jpg.Xa3dQ1"}  # classify reports an error
    assert images == judged - half_files
    assert {path.name for path in images} == {
        *("a.png", "b.png", "no suffix", "wrong.suffix", "portable.pbm")
    }
    (note,) = read_dataset(root).notes
    assert note == f"left out: {search.left_out.listing()}"
    for kind in ("1 × overlay of alledge (a.overlay.jpg)", "2 × hidden file", "1 × PDF document"):
        assert kind in note


def test_formats_of_the_readers_are_images_of_a_data_set(
    lay: Lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pydicom")
    root = lay("healthy/a.png", "blast/b.png")
    laboratory_files.dicom(root / "blast" / "c.dcm", np.zeros((9, 12, 3), np.uint8))
    assert counts(read_dataset(root)) == {"healthy": 1, "blast": 2}
    monkeypatch.setattr(Reader, "installed", False)
    with pytest.raises(DataError, match=r"1 of 3 images cannot be opened(.|\n)*c\.dcm"):
        read_dataset(root)


def test_a_picture_of_another_program_is_an_error_and_no_silence(lay: Lay) -> None:
    root = lay("healthy/a.png", "blast/b.png")
    (root / "blast" / "c.czi").write_bytes(b"ZISRAWFILE" + bytes(100))
    with pytest.raises(DataError, match="Zeiss CZI"):
        read_dataset(root)


def test_a_list_of_classes_that_begins_like_a_program_is_text(lay: Lay) -> None:
    root = lay("images/a.png", "images/b.png", "labels/a.txt=0 .5 .5 .1 .1", "labels/b.txt=")
    (root / "classes.txt").write_text("MZ blast\n", encoding="utf-8")
    assert counts(read_dataset(root)) == {"healthy": 1, "blast": 1}


def test_a_folder_without_images_that_is_no_class_is_said(lay: Lay) -> None:
    dataset = read_dataset(lay("healthy/a.png", "blast/b.png", "annotations/a.xml=<x/>"))
    assert dataset.labels == ("healthy", "blast")
    assert any("annotations: no images" in note for note in dataset.notes)


def test_loose_images_beside_classes_are_counted(lay: Lay) -> None:
    dataset = read_dataset(lay("healthy/a.png", "blast/b.png", "c.png"))
    assert any("1 images left out, in no class folder: c.png" in note for note in dataset.notes)


@pytest.mark.parametrize("above", ["", "Blood [ALL]/"])
def test_original_images_are_used_and_segmented_ones_are_not(lay: Lay, above: str) -> None:
    names = [f"{above}{k}/{c}/1.png" for k in ("Original", "Segmented") for c in ("Benign", "Pre")]
    dataset = read_dataset(lay(*names))
    assert {dataset.relative(s).split("/")[-3] for s in dataset.samples} == {"Original"}
    assert dataset.positive == ("Pre",)
    assert any("Original/ is used; " in note for note in dataset.notes)


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
@pytest.mark.parametrize("outside", [True, False])
def test_the_parts_of_a_given_split_are_known(lay: Lay, validation: str, outside: bool) -> None:
    pairs = [(part, c) for part in ("Train", "test", validation) for c in ("healthy", "blast")]
    names = [f"{p}/{c}/{p}.png" if outside else f"{c}/{p}/{p}.png" for p, c in pairs]
    dataset = read_dataset(lay(*names))
    assert dataset.labels == ("healthy", "blast")
    assert dataset.has_given_split
    assert Counter(s.part for s in dataset.samples) == {"train": 2, "test": 2, "validation": 2}


TABLES = {
    "comma": "image,label|a.png,healthy|b.png,blast|c.png,blast",
    "semicolon": "file;diagnosis|flat/a.png;healthy|flat/b.png;blast|flat/c.png;blast",
    "tab": "filename\tclass|a\thealthy|b\tblast|c\tblast",
    "bom": "\ufeffimage,label|a,healthy|b,blast|c,blast",
    "backslash": "image,label|x\\flat\\a.png,healthy|D:\\flat\\b.png,blast|c.png,blast",
    "no header": "a.png,healthy|b.png,blast|c.png,blast",
    "other suffix": "image,label|a.jpg,healthy|b.tif,blast|c,blast",
    "zero and one as decimals": "image,is_leukemia|a,0.0|b,1.0|c,1.0",
    "commas in a header with semicolons": "image;label;a, b, c|a;healthy;x|b;blast;|c;blast;",
    "blanks before quotes": 'image, label|"a.png", "healthy"|"b.png", "blast"|"c.png", "blast"',
    "a comment inside quotes": 'image,label,note|a,healthy,"x|# y"|b,blast,|# c,healthy|c,blast,',
    "several spellings": "image,label|a,healthy|b,Blast|c,blast ",
    "spellings of yes": "image,is_leukemia|a,false|b,True|c,TRUE",
    "zero and one": "image,is_leukemia|a,0|b,1|c,1",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_labels_is_read(lay: Lay, name: str) -> None:
    root = lay("flat/a.png", "flat/b.png", "flat/c.png", f"t.csv={TABLES[name]}")
    dataset = read_dataset(root, ReadOptions(labels_file=root / "t.csv"))
    ill = dataset.positive[0]
    assert [s.label == ill for s in dataset.samples] == [False, True, True]
    assert dataset.labels_digest is not None
    assert any("columns of t.csv" in note for note in dataset.notes)


def test_a_table_finds_names_in_any_unicode_form_and_names_like_comments(lay: Lay) -> None:
    composed, decomposed = (unicodedata.normalize(form, "ä.png") for form in ("NFC", "NFD"))
    for name, row in ((composed, decomposed), (decomposed, composed), ("#1.png", "#1.png")):
        root = lay(f"{name[0]}/{name}", "b.png", f"t.csv=image,label|{row},blast|b,healthy")
        dataset = read_dataset(root, ReadOptions(labels_file=root / "t.csv"))
        assert counts(dataset) == {"blast": 1, "healthy": 1}
        shutil.rmtree(root)


def test_a_table_says_which_rows_name_another_folder(lay: Lay) -> None:
    root = lay("x/a.png", "x/b.png", "t.csv=image,label|y/a.png,blast|C:\\x\\b.png,healthy")
    notes = read_dataset(root, ReadOptions(labels_file=root / "t.csv")).notes
    assert any(
        "1 rows of t.csv name another folder" in note and "y/a.png" in note for note in notes
    )


def test_a_table_reports_missing_and_unlabelled_images_and_groups_by_patient(lay: Lay) -> None:
    table = "image,patient_id,label|a,p1,healthy|b,p2,blast|c,p2,blast|gone.png,p3,blast"
    root = lay("a.png", "b.png", "c.png", "d.png", f"t.csv={table}")
    dataset = read_dataset(root, ReadOptions(labels_file=root / "t.csv"))
    assert [s.group for s in dataset.samples] == ["p1", "p2", "p2"]
    assert dataset.subjects
    text = "\n".join(dataset.notes)
    assert "1 rows of t.csv name no image of the data set: gone.png" in text
    assert "1 images left out, without a label in t.csv: d.png" in text


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,label|a,healthy|a,blast", "two labels"),
        ("image,label|p/a,healthy|q/a,healthy|b,blast", "rows of several folders"),
        ("image,label,patient|a,healthy,1|a,healthy,2|b,blast,3", "two groups"),
        ('image,label|a,healthy|b,"blast', "unexpected end"),
        ("image,label|x,healthy|y,blast", "names images"),
        ("image,label|a,0|b,1", "not clear"),
        ("image,class,category|a,healthy,1|b,blast,2", None),
        ("image,kind,sort|a,healthy,u|b,blast,v", "which column"),
        ("image", "one column|no row"),
    ],
)
def test_a_table_that_is_not_clear_is_refused(lay: Lay, table: str, message: str | None) -> None:
    root = lay("a.png", "b.png", f"t.csv={table}")
    options = ReadOptions(labels_file=root / "t.csv")
    if message is None:
        assert read_dataset(root, options).positive == ("blast",)
        return
    with pytest.raises(DataError, match=message):
        read_dataset(root, options)


NAMES = ["names: [normal, blast]", "names:|- normal|- blast", "names:|  0: normal|  1: 'blast'"]


@pytest.mark.parametrize("yaml", [*NAMES, "names: {0: normal, 1: blast}  # two"])
def test_fields_with_yolo_boxes(lay: Lay, yaml: str) -> None:
    dataset = read_dataset(
        lay(
            *("train/images/a.png", "train/images/b.png", "test/images/c.png", "test/images/d.png"),
            *("train/labels/a.txt=1 .5 .5 .1 .1|0 .2 .2 .1 .1", "train/labels/b.txt=0 .5 .5 .1 .1"),
            *("test/labels/c.txt=", f"data.yaml=nc: 2|{yaml}"),
        )
    )
    assert (dataset.layout, dataset.positive) == ("yolo", ("blast",))
    assert [s.label for s in dataset.samples] == ["healthy", "blast", "healthy"]
    assert {s.part for s in dataset.samples} == {"train", "test"}
    assert any("1 images without a file of boxes" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("box", "classes", "message"),
    [
        ("7 .5 .5 .1 .1", "normal|blast", "is no box"),
        ("0 120 80 .1 .1", "normal|blast", "is no box"),
        ("0 .5 .5 .1 .1", "neutrophil|lymphocyte", "not clear"),
    ],
)
def test_yolo_boxes_that_cannot_be_read_are_refused(
    lay: Lay, box: str, classes: str, message: str
) -> None:
    root = lay("images/a.png", f"labels/a.txt={box}", f"labels/classes.txt={classes}")
    with pytest.raises(DataError, match=message):
        read_dataset(root)


def voc(*names: str) -> str:
    boxes = "".join(
        f"<object><name>{name}</name><part><name>x</name></part></object>" for name in names
    )
    return f"<annotation>{boxes}</annotation>"


def test_fields_with_voc_boxes_and_named_classes(lay: Lay) -> None:
    root = lay(
        *("JPEGImages/a.jpg", "JPEGImages/b.jpg", f"Annotations/a.xml={voc('L1', 'RBC')}"),
        f"Annotations/b.xml={voc('RBC')}",
    )
    with pytest.raises(DataError, match=r"--positive L1|not clear"):
        read_dataset(root)
    dataset = read_dataset(root, ReadOptions(positive=("L1",)))
    assert [s.label for s in dataset.samples] == ["blast", "healthy"]


def test_an_unknown_encoding_of_an_xml_file_is_an_error(lay: Lay) -> None:
    text = f"<?xml version='1.0' encoding='nonsense'?>{voc('blast')}"
    with pytest.raises(DataError, match="unknown encoding"):
        read_dataset(lay("i/a.png", f"i/a.xml={text}"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_in_an_xml_file_are_refused(lay: Lay, encoding: str) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha">]>' + voc("blast")
    root = lay("a.jpg", "a.xml=x", "b.jpg", f"b.xml={voc('normal')}")
    (root / "a.xml").write_text(bomb.replace('1.0"', f'1.0" encoding="{encoding}"'), encoding)
    with pytest.raises(DataError, match="document type"):
        read_dataset(root)


def test_positive_must_be_a_label_of_the_set(lay: Lay) -> None:
    root = lay("im/Im1_1.jpg", "im/Im2_0.jpg")
    for wrong in ("healthy", "blas"):
        with pytest.raises(UsageError):
            read_dataset(root, ReadOptions(positive=(wrong,)))
    assert read_dataset(root, ReadOptions(positive=("blast",))).positive == ("blast",)


def test_calibration_images_are_no_masks_and_no_junk(lay: Lay) -> None:
    root = lay("x/a.png", "x/._a.png")
    assert [path.name for path in smear_images(root)] == ["a.png"]
    lay("masks/a.png")
    with pytest.raises(DataError, match="masks is no class"):
        smear_images(root)


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Leukämie") for form in ("NFC", "NFD"))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="one folder has all spellings")
@pytest.mark.parametrize("other", ["Blast", "blast ", "blast.", " BLAST"])
@pytest.mark.parametrize("parts", [("train/", "test/"), ("", "")])
def test_spellings_of_a_class_are_one_class(lay: Lay, other: str, parts: tuple[str, str]) -> None:
    one, two = parts
    names = [f"{one}blast/a.png", f"{one}healthy/b.png", f"{two}{other}/c.png"]
    dataset = read_dataset(lay(*names, f"{two}healthy/d.png"))
    assert Counter(label.casefold() for label in counts(dataset)) == {"blast": 1, "healthy": 1}
    assert (len(dataset.labels), len(dataset.positive)) == (2, 1)
    assert any("one class in several spellings" in note for note in dataset.notes)


def test_unicode_forms_of_a_class_are_one_class(lay: Lay) -> None:
    names = (f"train/{COMPOSED}/a.png", f"test/{DECOMPOSED}/b.png")
    dataset = read_dataset(lay(*names, "train/gesund/c.png", "test/gesund/d.png"))
    assert dataset.positive == (COMPOSED,)
    assert read_dataset(dataset.root, ReadOptions(positive=(DECOMPOSED,))).positive == (COMPOSED,)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("data.yaml=names:|  blast: 0|  normal: 1", "'blast: 0' is no class"),
        ("data.yaml=names:|  0: blast|  0: normal", "the class 0 has two names"),
        ("data.yaml=names: [blast, normal", "is not closed"),
        ("classes.txt=blast||normal", "line 2 of"),
        ("labels/classes.txt=normal|blast|", "different names or numbers"),
    ],
)
def test_names_of_yolo_classes_that_are_not_clear_are_refused(
    lay: Lay, source: str, message: str
) -> None:
    names = ["images/a.png", "images/b.png", "labels/a.txt=0 .5 .5 .1 .1", "labels/b.txt=", source]
    if source.startswith("labels/"):
        names.append("data.yaml=names: [blast, normal]")
    with pytest.raises(DataError, match=message):
        read_dataset(lay(*names))


@pytest.mark.parametrize(
    "yaml",
    [
        "names:|  '1': blast|  '0': normal",
        "names: {'1': 'blast', '0': 'normal'}",
        "names: ['normal, [x]', \"blast\"]  # two",
        '{"names": ["normal", "blast"], "nc": 2}',
    ],
)
def test_the_numbers_of_yolo_classes_are_those_of_the_file(lay: Lay, yaml: str) -> None:
    boxes = ("Labels/a.TXT=1 .5 .5 .1 .1", "Labels/b.TXT=0 .1 .1 .2 .2 .3 .1 .2 .05")
    dataset = read_dataset(lay("Images/a.png", "Images/b.png", *boxes, f"data.yaml={yaml}"))
    assert [sample.label for sample in dataset.samples] == ["blast", "healthy"]


def test_fields_without_a_box_are_counted(lay: Lay) -> None:
    boxes = ("labels/a.txt=0 .5 .5 .1 .1", "labels/b.txt=", "classes.txt=blast")
    dataset = read_dataset(lay("images/a.png", "images/b.png", *boxes))
    note = "1 fields without any box count as 'healthy': images/b.png"
    assert note in dataset.notes


def test_folders_of_patients_are_no_classes(lay: Lay) -> None:
    with pytest.raises(DataError, match="several folders with classes inside: p1, p2"):
        read_dataset(lay("p1/blast/a.png", "p2/healthy/b.png"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("labels.csv=image,label|a,blast", "--labels"), ("instances_coco.json={}", "COCO")],
)
def test_labels_beside_a_folder_of_images_are_named(lay: Lay, name: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        read_dataset(lay("images/a.png", "images/b.png", name))
    assert hint in (caught.value.fix or "")


@pytest.mark.skipif(sys.platform != "linux", reason="no such names here")
def test_a_class_whose_name_is_not_utf8_is_refused(lay: Lay) -> None:
    root = lay("healthy/a.png", "blast/b.png")
    (root / "blast").rename(root / os.fsdecode(b"blast \xff"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_dataset(root)
