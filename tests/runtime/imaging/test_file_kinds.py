"""Every file is named by its kind: what is no image, and what another program has to export."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alledge.errors import ImageError
from alledge.runtime.imaging import IMAGE_FORMATS, load_rgb, read_header
from alledge.runtime.imaging.file_kinds import HEAD_BYTES, identify, is_partial
from support import laboratory_files
from support.laboratory_files import encoded

Maker = Callable[..., Image.Image]
PICTURE = Image.linear_gradient("L").convert("RGB").resize((64, 48))
UNREAD, CLUTTER = laboratory_files.unread_files(PICTURE), laboratory_files.clutter()


@pytest.mark.parametrize("name", UNREAD)
def test_a_picture_that_is_not_read_is_refused_by_its_kind(tmp_path: Path, name: str) -> None:
    content, kind = UNREAD[name]
    (tmp_path / name).write_bytes(content)
    for read in (load_rgb, read_header):
        with pytest.raises(ImageError, match=kind if content else "is empty") as caught:
            read(tmp_path / name)
        assert name in caught.value.what
        assert caught.value.fix


@pytest.mark.parametrize("name", CLUTTER)
def test_a_file_that_is_no_picture_is_refused_by_its_kind(tmp_path: Path, name: str) -> None:
    content, kind = CLUTTER[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=kind if content else "is empty"):
        load_rgb(tmp_path / name)


@pytest.mark.parametrize("name", {**UNREAD, **CLUTTER})
def test_the_kind_of_a_file_has_its_role(name: str) -> None:
    content, _ = {**UNREAD, **CLUTTER}[name]
    role = identify(name, content[:HEAD_BYTES]).role
    assert role == "other" if name in CLUTTER else role in ("picture", "broken", "partial")


@pytest.mark.parametrize("form", IMAGE_FORMATS)
def test_every_format_of_pillow_is_an_image_whatever_its_name(form: str) -> None:
    head = encoded(PICTURE, form)[:HEAD_BYTES]
    for name in ("", "x", "x.czi", "x.pdf", "thumb.db.jpg"):
        assert identify(name, head).role == "image"


def test_an_image_that_has_the_suffix_of_another_format_is_read(tmp_path: Path) -> None:
    for name, form in (("x.czi", "JPEG"), ("x.vsi", "PNG"), ("x.nd2", "TIFF"), ("x.dcm", "PNG")):
        (tmp_path / name).write_bytes(encoded(PICTURE, form))
        assert load_rgb(tmp_path / name).shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"II*\0\xff\xff", "is damaged: its directory of TIFF tags"),
        (b"MM\0*\0\0\0\x08\0\0", "is a TIFF that cannot be read: "),
        (b"II+\0\x08\0\0\0", "is damaged: its directory of TIFF tags"),
        (b"\x89PNG\r\n\x1a\n12", "is a damaged PNG: "),
        (b"\xff\xd8\xff\xe0", "is a damaged JPEG: "),
    ],
)
def test_a_file_that_begins_as_an_image_is_named_as_one(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(ImageError) as caught:
        load_rgb(tmp_path / "x.tif")
    assert reason in caught.value.what
    assert caught.value.allowed is None


def test_a_named_file_with_a_picture_of_a_microscope_says_which_export(tmp_path: Path) -> None:
    (tmp_path / "x.czi").write_bytes(UNREAD["x.czi"][0])
    with pytest.raises(ImageError, match=r"fix: ZEN: .*TIFF, 8 bit"):
        load_rgb(tmp_path / "x.czi")


def test_usual_names_are_not_those_of_half_transferred_files() -> None:
    for name in ("x.jpg", "part.jpg", "x.tmp.jpg", ".hidden.jpg", "x.part.tif", "download", ".jpg"):
        assert not is_partial(name)


@given(head=st.binary(max_size=300), name=st.text(max_size=12))
def test_any_content_and_any_name_have_a_kind(head: bytes, name: str) -> None:
    kind = identify(name, head)
    assert kind.name
    assert kind.role in ("image", "reader", "picture", "broken", "partial", "other")


def test_the_readers_are_not_imported_for_a_jpeg(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(encoded(PICTURE, "JPEG"))
    script = (
        "import sys; from alledge.runtime.imaging import load_rgb; load_rgb(sys.argv[1]);"
        "print([name for name in ('pi_heif', 'pydicom', 'tifffile', 'imagecodecs',"
        "'alledge.runtime.imaging.readers', 'alledge.runtime.imaging.file_kinds',"
        "'alledge.runtime.imaging.refusals') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "x.jpg")]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == "[]"
