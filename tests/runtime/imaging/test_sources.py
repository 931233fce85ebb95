"""One image may be a path, the content of a file, a file object, an image, or its pixels."""

from __future__ import annotations

import io
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alledge.errors import ImageError
from alledge.runtime.imaging import (
    IMAGE_FORMATS,
    is_one_image,
    load_image,
    load_picture,
    load_rgb,
    opening,
    resolve_source,
    sources,
)
from support.laboratory_files import encoded

Maker = Callable[..., Image.Image]


class Named(os.PathLike[str]):
    """A path that is no pathlib.Path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


class Pipe(io.RawIOBase):
    """A stream that can only be read once, a few bytes at a time; `total` bytes in all."""

    def __init__(self, content: bytes, total: int | None = None) -> None:
        self.stream, self.left = io.BytesIO(content), len(content) if total is None else total

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "the whole stream is read at once"
        part = self.stream.read(min(size, 1000)) or bytes(min(size, self.left))
        self.left -= len(part)
        return part

    def seekable(self) -> bool:
        return False


class Upload:
    """An upload as of Starlette: its `file` is the file object, `read` is a coroutine."""

    def __init__(self, content: bytes) -> None:
        self.file = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - as Starlette does
        self.file.write(content)

    async def read(self, size: int = -1) -> bytes:
        return b""


@pytest.fixture
def content(make_picture: Maker) -> bytes:
    return encoded(make_picture(320, 240), "JPEG")


@pytest.fixture
def every_source(content: bytes, tmp_path: Path) -> Iterator[dict[str, Any]]:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    spooled = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - closed below
    spooled.write(content)  # its position is at the end
    with path.open("rb") as file, spooled:
        yield {
            "str": str(path), "path": path, "os.PathLike": Named(path), "bytes": content,
            "bytearray": bytearray(content), "memoryview": memoryview(content),
            "BytesIO": io.BytesIO(content), "file": file, "spooled": spooled,
            "upload": Upload(content).file, "pipe": Pipe(content),
        }  # fmt: skip


def test_every_source_gives_the_same_pixels(every_source: dict[str, Any], content: bytes) -> None:
    wanted = load_rgb(io.BytesIO(content))
    for name, source in every_source.items():
        assert is_one_image(source)
        assert np.array_equal(load_rgb(source), wanted), name
    for name in ("bytes", "BytesIO", "file", "spooled"):  # a second time
        assert np.array_equal(load_rgb(every_source[name]), wanted), name
        assert load_picture(every_source[name], 100).size == (100, 75)
    assert not every_source["file"].closed


@pytest.mark.parametrize("form", IMAGE_FORMATS)
def test_every_format_is_read_from_its_content(make_picture: Maker, form: str) -> None:
    stream = io.BytesIO(encoded(make_picture(320, 240), form))
    (pixels, header), again = load_image(stream), load_rgb(stream.getvalue())
    assert np.array_equal(pixels, again)
    assert (header.width, header.height) == (320, 240)
    assert not stream.closed


@pytest.mark.parametrize("source", [None, 5, 2.5, {}, {"image": "x.jpg"}, object(), True])
def test_what_is_no_image_is_one_error(source: Any) -> None:
    name = type(source).__name__
    for refuse in (load_rgb, is_one_image, resolve_source):
        with pytest.raises(ImageError, match=rf"the type {name} is not an image\nallowed: a path"):
            refuse(source)


@pytest.mark.parametrize("source", [[], (), iter([]), np.zeros((2, 8, 8, 3), np.uint8), {"x.jpg"}])
def test_an_iterable_is_not_one_image(source: Any) -> None:
    assert not is_one_image(source)


def test_a_file_object_of_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("text", encoding="utf-8")
    wanted = pytest.raises(ImageError, match=r'of text\nfix: .*open\(…, "rb"\)')
    with (tmp_path / "x.txt").open(encoding="utf-8") as file, wanted:
        load_rgb(file)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="of text"):
        load_rgb(io.StringIO("x"))  # type: ignore[arg-type]


def test_a_closed_file_object_is_refused(content: bytes) -> None:
    stream = io.BytesIO(content)
    stream.close()
    with pytest.raises(ImageError, match="the given image cannot be read"):
        load_rgb(stream)


def test_an_upload_that_is_read_asynchronously_says_what_to_pass(content: bytes) -> None:
    with pytest.raises(ImageError, match=r"fix: pass its attribute `file`"):
        load_rgb(Upload(content))  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [b"", io.BytesIO(), Pipe(b"")])
def test_no_content_is_called_empty(given: Any) -> None:
    with pytest.raises(ImageError, match="the given image is empty"):
        load_rgb(given)


def test_a_picture_without_pixels_and_a_closed_one_are_refused(content: bytes) -> None:
    with pytest.raises(ImageError, match="has no pixels"):
        load_rgb(Image.new("RGB", (0, 5)))
    picture = Image.open(io.BytesIO(content))
    picture.close()
    with pytest.raises(ImageError, match="was closed before it was decoded"):
        load_rgb(picture)


def test_a_memoryview_with_steps_is_read_as_its_bytes(content: bytes) -> None:
    doubled = bytes(byte for value in content for byte in (value, 0))
    assert (load_rgb(memoryview(doubled)[::2]) == load_rgb(content)).all()


@pytest.mark.parametrize("given", [b"hello", io.BytesIO(b"%PDF-1.7"), Pipe(b"PK\x03\x04")])
def test_content_that_is_no_image_is_named_by_its_kind(given: Any) -> None:
    with pytest.raises(ImageError, match="the given image is not an image in a known format"):
        load_rgb(given)


@pytest.mark.parametrize("start", [b"\xff\xd8\xff", b"RIFF1234WEBP", b"hello", b"II*\0"])
def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path, start: bytes) -> None:
    file = tmp_path / "large.jpg"
    with file.open("wb") as stream:
        stream.write(start)
        stream.truncate(10 << 30)  # a hole, which takes no disk
    with file.open("rb") as opened:
        for source in (file, opened):
            with pytest.raises(ImageError, match="10240 MiB, refused before decoding"):
                load_rgb(source)


def test_an_endless_stream_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (opening, sources):
        monkeypatch.setattr(module, "MAX_FILE_MIB", 2)
    pipe = Pipe(b"\xff\xd8\xff", 1 << 40)
    with pytest.raises(ImageError, match="more than 2 MiB, refused before decoding"):
        load_rgb(pipe)  # type: ignore[arg-type]
    assert pipe.left >= (1 << 40) - (4 << 20)


def test_a_folder_a_device_and_an_empty_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImageError, match=r"a folder, not an image; it holds 1 file and 1 folder"):
        load_rgb(tmp_path)
    with pytest.raises(ImageError, match="inside is empty"):
        load_rgb(tmp_path / "inside")
    with pytest.raises(ImageError, match="an empty name is no file"):
        load_rgb("")
    for device in ("/dev/zero", "/dev/null"):
        if Path(device).exists():
            (tmp_path / "link.jpg").unlink(missing_ok=True)
            (tmp_path / "link.jpg").symlink_to(device)
            with pytest.raises(ImageError, match="is a device, not a regular file"):
                load_rgb(tmp_path / "link.jpg")


def test_the_slide_of_a_scanner_is_refused_from_its_header(tmp_path: Path) -> None:
    entries = [(256, 100_000), (257, 60_000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    header = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    header += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    (tmp_path / "x.svs").write_bytes(header + bytes(4))
    with pytest.raises(ImageError, match=r"slide .* 200 megapixels(.|\n)*fix: export the field"):
        load_rgb(tmp_path / "x.svs")
