"""Names become image files: an existing file first, then folders by content, then globs."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alledge.errors import UsageError
from alledge.runtime.data.inputs import (
    EXAMPLES_KEPT,
    find_images,
    has_image_signature,
)
from alledge.runtime.imaging import IMAGE_FORMATS
from alledge.runtime.imaging.readers import Reader
from support import laboratory_files

Maker = Callable[..., Image.Image]


@pytest.fixture
def folder(tmp_path: Path, make_picture: Maker) -> Path:
    for name in ("b.jpg", "a.png", "no suffix", "deep/c.bmp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        form = {".png": "PNG", ".bmp": "BMP"}.get(path.suffix, "JPEG")
        make_picture(32, 24).save(path, form)
    (tmp_path / "notes.txt").write_text("not an image", encoding="utf-8")
    (tmp_path / "empty").touch()
    return tmp_path


def names(paths: list[str]) -> list[str]:
    return [Path(one).name for one in paths]


@pytest.mark.parametrize("form", IMAGE_FORMATS)
def test_every_image_format_is_recognised_by_its_content(
    tmp_path: Path, make_picture: Maker, form: str
) -> None:
    make_picture(32, 24).save(tmp_path / "x", form)
    assert has_image_signature((tmp_path / "x").read_bytes()[:32])


@pytest.mark.parametrize("head", [b"", b"P", b"BM", b"BMW is a car", b"Paris", b"RIFF1234WAVE"])
def test_what_is_no_image_is_not_taken_for_one(head: bytes) -> None:
    assert not has_image_signature(head)


def test_a_folder_gives_its_images_by_content_in_order(folder: Path) -> None:
    assert names(list(find_images([folder]))) == ["a.png", "b.jpg", "no suffix"]


def test_recursive_reads_the_folders_inside_a_folder(folder: Path) -> None:
    paths = list(find_images([folder], recursive=True))
    assert names(paths) == ["a.png", "b.jpg", "no suffix", "c.bmp"]


def test_named_files_are_yielded_whatever_they_are(folder: Path) -> None:
    named = [str(folder / "notes.txt"), str(folder / "nothing")]
    assert list(find_images(named)) == named


def test_a_folder_without_images_is_yielded(tmp_path: Path) -> None:
    assert list(find_images([tmp_path])) == [str(tmp_path)]


def test_a_glob_is_tried_where_no_file_has_that_name(folder: Path) -> None:
    assert names(list(find_images([str(folder / "*.p?g")]))) == ["a.png"]
    assert names(list(find_images([str(folder / "**" / "*.bmp")]))) == ["c.bmp"]


def test_a_name_that_exists_is_never_a_glob(tmp_path: Path, make_picture: Maker) -> None:
    for name in ("[ab].jpg", "a.jpg"):
        make_picture(32, 24).save(tmp_path / name)
    assert names(list(find_images([str(tmp_path / "[ab].jpg")]))) == ["[ab].jpg"]


def test_order_and_spelling_of_names_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    spelled = [os.path.join(".", "b.jpg"), "a.png", "b.jpg"]  # noqa: PTH118
    assert list(find_images(spelled)) == spelled


def test_a_loop_of_links_ends(folder: Path) -> None:
    try:
        (folder / "deep" / "up").symlink_to(folder, target_is_directory=True)
        (folder / "round").symlink_to(folder / "round")
    except OSError:
        pytest.skip("no right to make links here")
    paths = names(list(find_images([folder], recursive=True)))
    assert paths == ["a.png", "b.jpg", "no suffix", "c.bmp"]


@pytest.mark.parametrize("recursive", [True, False])
def test_folders_that_link_to_each_other_are_entered_once(
    tmp_path: Path, make_picture: Maker, recursive: bool
) -> None:
    folders = [tmp_path / f"f{number}" for number in range(8)]
    for number, one in enumerate(folders):
        one.mkdir()
        make_picture(32, 24).save(one / f"{number}.png")
    try:
        for one, other in itertools.permutations(folders, 2):
            (one / f"to-{other.name}").symlink_to(other, target_is_directory=True)
    except OSError:
        pytest.skip("no right to make links here")
    wanted = [f"{number}.png" for number in range(8)]
    asked = tmp_path if recursive else tmp_path / "**"
    assert sorted(names(list(find_images([str(asked)], recursive=recursive)))) == wanted


def test_a_recursive_glob_yields_each_image_once(folder: Path) -> None:
    paths = names(list(find_images([str(folder / "**")])))
    assert paths == ["a.png", "b.jpg", "no suffix", "c.bmp"]


def test_an_image_that_cannot_be_opened_is_yielded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Path.open

    def locked(self: Path, *arguments: Any, **named: Any) -> Any:
        if self.name == "b.jpg":
            raise PermissionError(13, "The process cannot access the file")
        return usual(self, *arguments, **named)

    monkeypatch.setattr(Path, "open", locked)
    assert "b.jpg" in names(list(find_images([folder])))


def test_a_fifo_and_a_device_in_a_folder_are_counted_and_not_yielded(folder: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs here")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "endless.jpg").symlink_to("/dev/zero")
    search = find_images([folder])
    assert not {"pipe.jpg", "endless.jpg"} & set(names(list(search)))
    assert search.left_out.counts["special file (pipe, socket or device)"] == 2


def test_a_name_with_a_nul_is_yielded() -> None:
    assert list(find_images(["a\0*b"])) == ["a\0*b"]


PICTURE = Image.linear_gradient("L").convert("RGB").resize((64, 48))


def test_every_file_of_a_folder_is_yielded_or_counted(tmp_path: Path, make_picture: Maker) -> None:
    pictures, clutter = laboratory_files.unread_files(PICTURE), laboratory_files.clutter()
    for name, (content, _) in {**pictures, **clutter}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "empty.jpg").touch()
    make_picture(32, 24).save(tmp_path / "image.png")
    search = find_images([tmp_path])
    assert set(names(list(search))) == {*pictures, "empty.jpg", "image.png"}
    assert sum(search.left_out.counts.values()) == len(pictures) + len(clutter) + 1
    shown = str(search.left_out)
    for kind in ("Zeiss CZI file (", "half-transferred file (", "office document (", "1 × video"):
        assert kind in shown
    assert "empty file (0 bytes) named as a picture (empty.jpg)" in shown


def test_a_picture_whose_reader_is_installed_is_not_counted(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    laboratory_files.dicom(tmp_path / "x.dcm", np.asarray(PICTURE))
    search = find_images([tmp_path])
    assert (names(list(search)), search.left_out.counts) == (["x.dcm"], {})


def test_a_picture_whose_reader_is_missing_is_yielded_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "installed", False)
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    search = find_images([tmp_path])
    assert names(list(search)) == ["x.heic"]
    assert search.left_out.counts == {"HEIC picture": 1}


def test_only_the_first_names_of_each_kind_are_kept(tmp_path: Path) -> None:
    for number in range(EXAMPLES_KEPT + 2):
        (tmp_path / f"{number}.txt").write_text("text", encoding="utf-8")
    search = find_images([tmp_path], recursive=True)
    list(search)
    assert search.left_out.counts == {"text file": 5}
    assert str(search.left_out).endswith("5 × text file (0.txt, 1.txt, 2.txt, …)")


def test_folders_are_counted_unless_recursive_reads_them(folder: Path) -> None:
    for name in ("__MACOSX", "@eaDir", ".thumbnails"):
        (folder / name).mkdir()
        Image.new("RGB", (20, 20)).save(folder / name / "thumbnail.jpg")
    flat, deep = find_images([folder]), find_images([folder], recursive=True)
    assert "thumbnail.jpg" not in names([*flat, *deep])
    system = "folder of copies or of the system"
    assert flat.left_out.counts[system] == deep.left_out.counts[system] == 3
    assert flat.left_out.counts["folder inside (--recursive reads it)"] == 1
    assert "folder inside (--recursive reads it)" not in deep.left_out.counts
    assert names(list(find_images([folder / ".thumbnails"]))) == ["thumbnail.jpg"]


def test_a_recursive_glob_leaves_folders_of_copies_out(folder: Path) -> None:
    for name in ("__MACOSX", "deep/@eaDir"):
        (folder / name).mkdir()
        Image.new("RGB", (20, 20)).save(folder / name / "b.jpg")
    for pattern, wanted in (
        ("**", ["a.png", "b.jpg", "no suffix", "c.bmp"]),
        ("**/*.jpg", ["b.jpg"]),
        ("__MACOSX/**", ["b.jpg"]),
    ):
        search = find_images([str(folder / pattern)])
        assert names(list(search)) == wanted
        assert "folder inside (--recursive reads it)" not in search.left_out.counts


def test_a_folder_that_cannot_be_read_is_yielded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = os.scandir

    def locked(path: Any) -> Any:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied")
        return usual(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert names(list(find_images([folder], recursive=True)))[-1] == "deep"


def test_a_broken_link_with_the_name_of_a_picture_is_yielded(folder: Path) -> None:
    try:
        (folder / "z.jpg").symlink_to(folder / "nowhere.jpg")
        (folder / "z.txt").symlink_to(folder / "nowhere.txt")
    except OSError:
        pytest.skip("no right to make links here")
    search = find_images([folder])
    assert names(list(search))[-1] == "z.jpg"
    assert search.left_out.counts["link to a file that does not exist"] == 2


def test_an_empty_name_is_an_error() -> None:
    with pytest.raises(UsageError, match="empty name"):
        list(find_images([""]))
