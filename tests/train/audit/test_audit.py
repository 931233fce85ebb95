"""An audit finds a camera that predicts the label, a duplicate, a crop and a damaged file."""

import json
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.cli import main
from alledge.errors import DataError, UsageError
from alledge.runtime.metrics.metrics import Json
from alledge.train.audit.audit import audit
from alledge.train.audit.html_page import write_page
from alledge.train.audit.shortcuts import SHORTCUTS, masks
from alledge.train.audit.verdict import audit_text
from alledge.train.phantom.smears import draw_field
from support.markup import escaped, injected, poison

ROOT = Path(__file__).resolve().parents[3]
MODEL = 0x0110  # EXIF: the camera's name
IMAGES = 24


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fields of two cameras, one with blasts only; one field is there twice, one is truncated."""
    root = tmp_path_factory.mktemp("planted") / "set"
    for index in range(IMAGES):
        is_blast = index % 2 == 1
        image, _ = draw_field(5, index, is_blast, size=320)
        exif = Image.Exif()
        exif[MODEL] = "Olympus" if is_blast and index % 4 == 1 else "Canon"
        folder = root / ("blast" if is_blast else "healthy")
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{index:02d}.jpg", exif=exif, quality=95)
    shutil.copy(root / "healthy" / "00.jpg", root / "healthy" / "again.jpg")
    content = (root / "blast" / "01.jpg").read_bytes()
    (root / "blast" / "broken.jpg").write_bytes(content[: len(content) // 2])
    return root


@pytest.fixture(scope="module")
def document(planted: Path) -> Json:
    return audit([planted])


def test_the_document_is_valid_by_its_schema(document: Json) -> None:
    text = (ROOT / "runtime" / "schemas" / "audit.json").read_text(encoding="utf-8")
    jsonschema.validate(document, json.loads(text))


def test_cameras_duplicates_and_unreadable_files_are_reported(document: Json) -> None:
    (dataset,) = document["datasets"]
    assert dataset["labels"] == {"healthy": IMAGES // 2 + 1, "blast": IMAGES // 2}
    assert {row["camera"]: row["labels"]["healthy"] for row in dataset["cameras"]} == {
        "Canon": IMAGES // 2 + 1,
        "Olympus": 0,
    }
    assert [row["image"] for row in dataset["unreadable"]] == ["blast/broken.jpg"]
    assert dataset["same"] == [["healthy/00.jpg", "healthy/again.jpg"]]
    assert dataset["groups"] == dataset["images"] - 1


def test_files_that_leave_open_what_their_pixels_mean_are_named(tmp_path: Path) -> None:
    for index in range(4):
        folder = tmp_path / ("blast" if index % 2 else "healthy")
        folder.mkdir(exist_ok=True)
        field = draw_field(5, index, bool(index % 2), size=320)[0]
        if index == 3:  # 12 bits of a camera in 16 bits
            field = Image.fromarray(np.asarray(field.convert("L")).astype(np.uint16) * 16)
        field.save(folder / f"{index}.png")
    document = audit([tmp_path])
    (dataset,) = document["datasets"]
    assert dataset["flagged"] == [{"image": "blast/3.png", "flags": ["assumed_range"]}]
    text = audit_text(document)
    assert "flagged: blast/3.png: assumed_range" in text
    assert "1 images have flags of their files, such as assumed_range" in text
    html = write_page(tmp_path / "audit.html", document).read_text(encoding="utf-8")
    assert "<li>blast/3.png: assumed_range</li>" in html


def test_the_accuracy_of_the_camera_is_the_one_that_counting_gives(document: Json) -> None:
    (dataset,) = document["datasets"]
    rows = {row["name"]: row for row in dataset["shortcuts"]}
    assert set(rows) == set(SHORTCUTS)
    # every Olympus field has blasts, and most Canon fields are healthy
    assert rows["camera"]["right"] == IMAGES // 2 + 1 + IMAGES // 4
    assert rows["camera"]["accuracy"]["value"] > rows["majority class"]["accuracy"]["value"]
    assert any("no image of the class healthy" in line for line in document["verdict"])


def test_the_text_names_every_shortcut_and_the_duplicate(document: Json) -> None:
    text = audit_text(document)
    for word in (*SHORTCUTS, "healthy/again.jpg", "broken.jpg", "Olympus"):
        assert word in text


def test_crops_of_another_data_set_are_found(planted: Path, tmp_path: Path) -> None:
    for index in (2, 3, 4, 5):
        folder = tmp_path / "crops" / ("blast" if index % 2 else "healthy")
        folder.mkdir(parents=True, exist_ok=True)
        source = planted / folder.name / f"{index:02d}.jpg"
        with Image.open(source) as image:
            image.crop((40, 30, 240, 230)).save(folder / f"{index}.png")
    document = audit([planted, tmp_path / "crops"])
    (row,) = document["between"]
    assert row["images_of_b"] == 4
    assert any("never train on one" in line for line in document["verdict"])


def test_the_page_needs_no_network_and_says_that_it_contains_images(
    document: Json, tmp_path: Path
) -> None:
    html = write_page(tmp_path / "audit.html", document).read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", html)
    assert "holds images of the data set" in html
    assert html.count("data:image/jpeg") >= 2
    assert "prefers-color-scheme" in html
    (dataset,), code = document["datasets"], document["code"]
    assert dataset["fingerprint"] in html
    for words in (f"alledge {code['version']}", f"numpy {np.__version__}", "Seed 0"):
        assert words in html
    assert code["commit"] is None or f"commit {code['commit'][:12]}" in html


def test_markup_in_every_text_of_an_audit_stays_text(document: Json, tmp_path: Path) -> None:
    paths = ("root", "layout", "image", "same")  # the page opens these files
    poisoned = poison(document, (*paths, "schema", "camera"), keyed=("labels", "versions"))
    html = write_page(tmp_path / "audit.html", poisoned).read_text(encoding="utf-8")
    assert escaped(html)
    assert not injected(html)
    assert "script-src 'none'" in html


def test_the_page_shows_the_reading_of_the_labels_and_the_contradictions(
    planted: Path, tmp_path: Path
) -> None:
    shutil.copytree(planted, tmp_path / "set")
    (tmp_path / "set" / "healthy" / "link.jpg").hardlink_to(tmp_path / "set" / "blast" / "01.jpg")
    page = write_page(tmp_path / "audit.html", audit([tmp_path / "set"]))
    text = unescape(page.read_text(encoding="utf-8"))
    assert "positive: blast ('blast')" in text
    assert "Labels that contradict" in text
    assert "blast/01.jpg (blast) and healthy/link.jpg (healthy)</li>" in text


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such file name")
def test_markup_in_the_name_of_a_file_stays_text(planted: Path, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.jpg"
    shutil.copytree(planted, tmp_path / "set")
    for path in (tmp_path / "set" / "healthy").glob("0[024].jpg"):
        path.rename(path.with_name(path.stem + name))
    (tmp_path / "set" / "blast" / "broken.jpg").rename(tmp_path / "set" / "blast" / name)
    page = write_page(tmp_path / "audit.html", audit([tmp_path / "set"]))
    html = page.read_text(encoding="utf-8")
    assert escaped(html)
    assert not injected(html)


def test_the_masks_of_cells_and_background_are_disjoint(planted: Path) -> None:
    with Image.open(planted / "blast" / "01.jpg") as image:
        picture = image.convert("RGB")
    cells, empty = masks(picture)
    green = np.asarray(picture)[..., 1]
    assert 0.05 < cells.mean() < 0.9
    assert not (cells & empty).any()
    assert green[empty].mean() > green[cells].mean() + 10


def test_the_command_continues_after_a_damaged_file_and_exits_with_1(planted: Path) -> None:
    result = CliRunner().invoke(main, ["audit", str(planted), "--json", "--quiet"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["schema"] == "alledge/audit"


def test_a_data_set_named_twice_and_an_empty_one_are_refused(planted: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="twice"):
        audit([planted, planted])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        audit([tmp_path / "empty"])


def test_an_audit_imports_no_tensorflow() -> None:
    code = "import sys, alledge.train.audit.audit, alledge.train.audit.html_page\n"
    code += "assert not {'tensorflow', 'keras'} & {name.split('.')[0] for name in sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
