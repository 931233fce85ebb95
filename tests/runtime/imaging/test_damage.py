"""Damage of files: found where the format allows it, and never where there is none."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from alledge.errors import ImageError
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.imaging import load_image, load_rgb
from alledge.runtime.imaging.jpeg import check_jpeg_parts
from support import image_files

END = b"\xff\xd9"
HOLE = 16_384  # bytes; the test picture is smaller than a camera's


@pytest.fixture(scope="module")
def field() -> Image.Image:
    """A field with the noise of a camera, so that every part of a file is needed."""
    random_numbers = np.random.default_rng(5)
    y, x = np.mgrid[:480, :640]
    waves = np.stack([190 + 30 * np.sin(x / (31 + 7 * c) + c) * np.cos(y / 23) for c in range(3)])
    noisy = np.moveaxis(waves, 0, -1) + random_numbers.normal(0, 4, (480, 640, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def overwritten(content: bytes, share: float, fill: str, size: int = HOLE) -> bytes:
    """Return content with a part replaced by one byte or by random bytes, its end untouched."""
    start = int(len(content) * share)
    size = min(size, len(content) - start - 32)
    new = random.Random(0).randbytes(size) if fill == "random" else bytes([int(fill)]) * size
    return content[:start] + new + content[start + size :]


def verdict(file: Path) -> str:
    """Return ``refused`` for an error of damage, else the flags."""
    try:
        return " ".join(load_image(file)[1].flags)
    except ImageError as error:
        return "refused" if "is damaged: " in str(error) else str(error)


JPEG_OPTIONS = {
    "baseline": {"quality": 90},
    "full colour": {"quality": 95, "subsampling": 0},
    "optimized": {"quality": 90, "optimize": True},
    "restarts": {"quality": 90, "restart_marker_rows": 1},
    "progressive": {"quality": 90, "progressive": True},
}


@pytest.mark.parametrize("options", JPEG_OPTIONS.values(), ids=JPEG_OPTIONS)
@pytest.mark.parametrize("side", [448, 64])
def test_an_intact_jpeg_and_one_without_its_end_marker_are_read(
    tmp_path: Path, field: Image.Image, options: dict[str, Any], side: int
) -> None:
    content = saved(field, "JPEG", **options)
    file = tmp_path / "x.jpg"
    answers = []
    for variant in (content, content[:-2], content + bytes(70_000), content[:-2] + b"\xff\xff\xd9"):
        file.write_bytes(variant)
        answers.append(load_image(file, ImageSettings(draft=side)))
    assert all(header.flags == () for _, header in answers)
    assert all((rgb == answers[0][0]).all() for rgb, _ in answers)


@pytest.mark.parametrize("options", JPEG_OPTIONS.values(), ids=JPEG_OPTIONS)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("end", [END, b""])
def test_a_jpeg_that_is_cut_is_refused(
    tmp_path: Path, field: Image.Image, options: dict[str, Any], share: float, end: bytes
) -> None:
    content = saved(field, "JPEG", **options)
    file = tmp_path / "x.jpg"
    file.write_bytes(content[: int(len(content) * share)] + end)
    with pytest.raises(ImageError, match="is damaged: "):
        load_rgb(file)


@pytest.mark.parametrize("options", JPEG_OPTIONS.values(), ids=JPEG_OPTIONS)
@pytest.mark.parametrize("fill", ["0", "255", "90", "random"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_jpeg_with_an_overwritten_part_is_refused_or_flagged(
    tmp_path: Path, field: Image.Image, options: dict[str, Any], fill: str, share: float
) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(overwritten(saved(field, "JPEG", **options), share, fill))
    assert verdict(file) in ("refused", "damaged")


def scan_starts(content: bytes) -> list[int]:
    """Return where the scans of a progressive JPEG begin, with their tables."""
    marks = [content.find(b"\xff\xc4")]
    while (scan := content.find(b"\xff\xda", marks[-1])) >= 0:
        tables = content.find(b"\xff\xc4", scan)
        end = content.find(b"\xff\xda", scan + 2)
        marks.append(min(at for at in (tables, end, len(content)) if at > scan))
        if end < 0:
            break
    return marks[1:-1]


@pytest.mark.parametrize("end", [END, b""])
def test_a_progressive_jpeg_cut_between_two_scans_is_refused(
    tmp_path: Path, field: Image.Image, end: bytes
) -> None:
    content = saved(field, "JPEG", quality=90, progressive=True)
    starts = scan_starts(content)
    assert len(starts) > 5
    file = tmp_path / "x.jpg"
    for start in starts:
        file.write_bytes(content[:start] + end)
        with pytest.raises(ImageError, match=r"is damaged: .*not complete"):
            load_rgb(file)


SHIFTS = {
    "line ends rewritten": lambda content: content.replace(b"\n", b"\r\n"),
    "a part twice": lambda content: content[:9000] + content[5000:],
    "a shorter height": lambda content: with_height(content, 120),
}


def with_height(content: bytes, height: int) -> bytes:
    """Return a baseline JPEG that declares another height."""
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">H", height) + content[at + 2 :]


@pytest.mark.parametrize("change", SHIFTS.values(), ids=SHIFTS)
@pytest.mark.parametrize("size", [(320, 240), (640, 480)])
def test_a_jpeg_with_more_data_than_it_needs_is_refused(
    tmp_path: Path, field: Image.Image, change: Callable[[bytes], bytes], size: tuple[int, int]
) -> None:
    file = tmp_path / "x.jpg"
    content = saved(field.crop((0, 0, *size)), "JPEG", quality=90)
    head = content.index(b"\xff\xda")
    changed = (
        change(content)
        if change is SHIFTS["a shorter height"]
        else (content[:head] + change(content[head:]))
    )
    file.write_bytes(changed)
    with pytest.raises(ImageError, match="is damaged: "):
        load_rgb(file)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_without_its_last_rows_is_refused(
    tmp_path: Path, field: Image.Image, interlaced: bool, dtype: type
) -> None:
    pixels = np.asarray(field.resize((64, 48))).astype(dtype)
    pixels = pixels * 257 if dtype == np.uint16 else pixels
    write = image_files.interlaced_png if interlaced else image_files.png
    content = write(pixels)()
    start, end = content.index(b"IDAT"), content.index(b"IEND") - 4
    rows = zlib.decompress(content[start + 4 : end - 4])
    file = tmp_path / "x.png"
    for whole, is_whole in ((rows, True), (rows[: len(rows) // 2], False), (rows[:-400], False)):
        body = image_files.chunk(b"IDAT", zlib.compress(whole))
        file.write_bytes(content[: start - 4] + body + content[end:])
        if is_whole:
            assert load_image(file)[1].width == 64
        else:
            with pytest.raises(ImageError, match="is damaged: "):
                load_rgb(file)
    file.write_bytes(write(np.zeros_like(pixels))())
    assert not load_rgb(file).any()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory in KiB")
def test_a_deflated_part_that_inflates_to_gigabytes_needs_little_memory(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    file = tmp_path / "x.tif"
    pixels = np.zeros((16, 16, 3), np.uint8)
    tifffile.imwrite(file, pixels, photometric="rgb", compression="zlib", metadata=None)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages[0]
        offset, size = page.tags[273].valueoffset, page.tags[279].valueoffset
    content = bytearray(file.read_bytes())
    struct.pack_into("<I", content, offset, len(content))
    struct.pack_into("<I", content, size, len(bomb))
    file.write_bytes(bytes(content) + bomb)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], capture_output=True, text=True, timeout=300
    )
    assert int(done.stdout.split()[-1]) < 100 << 20


@pytest.mark.parametrize("grey", [0, 127, 128, 129, 255])
@pytest.mark.parametrize("options", JPEG_OPTIONS.values(), ids=JPEG_OPTIONS)
def test_a_jpeg_of_one_colour_is_not_damaged(
    tmp_path: Path, options: dict[str, Any], grey: int
) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(saved(Image.new("RGB", (300, 200), (grey, grey, grey)), "JPEG", **options))
    rgb, header = load_image(file)
    assert (rgb == grey).all()
    assert header.flags == ()


def test_a_flipped_bit_anywhere_in_a_png_is_found(tmp_path: Path, field: Image.Image) -> None:
    content = saved(field.resize((64, 48)), "PNG")
    file = tmp_path / "x.png"
    for position in range(8, len(content), 11):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        file.write_bytes(damaged)
        with pytest.raises(ImageError):
            load_rgb(file)


def test_a_png_that_lacks_only_its_last_chunk_is_read(tmp_path: Path, field: Image.Image) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(saved(field, "PNG")[:-12])
    assert (load_rgb(file) == load_rgb(field)).all()


WITHOUT_CHECKSUM = {
    "raw": ("TIFF", {}),
    "lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate": ("TIFF", {"compression": "tiff_deflate"}),
    "bmp": ("BMP", {}),
    "ppm": ("PPM", {}),
    "gif": ("GIF", {}),
}


@pytest.mark.parametrize(("form", "options"), WITHOUT_CHECKSUM.values(), ids=WITHOUT_CHECKSUM)
def test_overwritten_rows_are_refused_or_flagged(
    tmp_path: Path, field: Image.Image, form: str, options: dict[str, Any]
) -> None:
    content = saved(field, form, **options)
    file = tmp_path / "x.img"
    file.write_bytes(content)
    assert load_image(file)[1].flags == ()
    for fill in ("0", "255", "90", "random"):
        for share in (0.2, 0.45, 0.7):
            file.write_bytes(overwritten(content, share, fill))
            assert verdict(file) in ("refused", "damaged"), (fill, share)


@pytest.mark.parametrize(
    "options", [{"planarconfig": "separate"}, {"tile": (128, 128)}, {"dtype": np.uint16}]
)
@pytest.mark.parametrize("fill", ["0", "random"])
def test_overwritten_planes_and_tiles_are_flagged(
    tmp_path: Path, field: Image.Image, options: dict[str, Any], fill: str
) -> None:
    pixels = np.asarray(field)
    options = dict(options)
    if options.pop("dtype", None):
        pixels = pixels.astype(np.uint16) * 257
    if "planarconfig" in options:
        pixels = np.moveaxis(pixels, -1, 0)
    file = tmp_path / "x.tif"
    tifffile.imwrite(file, pixels, photometric="rgb", **options)
    assert load_image(file)[1].flags == ()
    file.write_bytes(overwritten(file.read_bytes(), 0.4, fill, 2 * HOLE))
    assert load_image(file)[1].flags == ("damaged",)


@pytest.mark.parametrize("tile", [None, (128, 128)])
@pytest.mark.parametrize("fill", ["0", "random"])
def test_a_damaged_jpeg_inside_a_tiff_is_refused(
    tmp_path: Path, field: Image.Image, tile: tuple[int, int] | None, fill: str
) -> None:
    file = tmp_path / "x.tif"
    tifffile.imwrite(
        file, np.asarray(field), photometric="rgb", compression="jpeg", tile=tile, rowsperstrip=64
    )
    assert load_image(file)[1].flags == ()
    file.write_bytes(overwritten(file.read_bytes(), 0.4, fill, 2000))
    with pytest.raises(ImageError, match="is damaged: "):
        load_image(file)


def test_a_jpeg_inside_a_tiff_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG")
    part = bytearray(file.getvalue())
    struct.pack_into(">HH", part, part.index(b"\xff\xc0") + 5, 20_000, 20_000)
    with pytest.raises(ImageError, match="200 megapixels"):
        check_jpeg_parts([bytes(part)], b"")


@pytest.mark.parametrize("colour", ["black", "white"])
def test_margins_masks_and_plain_images_are_not_damaged(
    tmp_path: Path, field: Image.Image, colour: str
) -> None:
    margins = Image.new("RGB", (640, 480), colour)
    margins.paste(field.resize((500, 300)), (60, 90))
    mask = Image.new("L", field.size)
    y, x = np.mgrid[:480, :640]
    mask.paste(Image.fromarray((x - 320) ** 2 + (y - 240) ** 2 < 200**2), (0, 0))
    cell = Image.composite(field, Image.new("RGB", field.size, colour), mask)
    letterbox = Image.new("RGB", (640, 480), colour)
    letterbox.paste(field.resize((640, 300)), (0, 90))
    for image in (margins, cell, letterbox, Image.new("RGB", (300, 200), colour)):
        for form in ("BMP", "TIFF"):
            file = tmp_path / "x.img"
            file.write_bytes(saved(image, form))
            assert load_image(file)[1].flags == ()


def test_libtiff_prints_nothing_on_stderr(tmp_path: Path, field: Image.Image) -> None:
    file = tmp_path / "x.tif"
    file.write_bytes(overwritten(saved(field, "TIFF", compression="tiff_lzw"), 0.4, "random"))
    code = "import sys; from alledge.runtime.imaging import load_rgb; load_rgb(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=120
    )
    last = done.stderr.splitlines()
    assert done.returncode == 1
    assert last[0] == "Traceback (most recent call last):"


def grey_alpha_png(width: int, height: int) -> bytes:
    """Return a small PNG, grey with alpha, that decodes to very many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        length, checksum = struct.pack(">I", len(body)), struct.pack(">I", zlib.crc32(kind + body))
        return length + kind + body + checksum

    packer = zlib.compressobj(9)
    row = b"\0" + b"\xc8\x80" * width
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 4, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


MEASURE = """
import resource, sys
from alledge.runtime.imaging import load_rgb
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rgb = load_rgb(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(int(rgb.min()), int(rgb.max()), (after - before) * 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory in KiB")
def test_a_large_png_needs_little_memory(tmp_path: Path) -> None:
    side = 6000
    file = tmp_path / "large.png"
    file.write_bytes(grey_alpha_png(side, side))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], capture_output=True, text=True, timeout=300
    )
    lowest, highest, peak = (int(word) for word in done.stdout.split())
    assert lowest == highest == round(200 * 128 / 255 + 255 * 127 / 255)
    assert peak < 2.5 * side * side  # bytes a pixel, all included


def test_lack_of_memory_is_named(
    tmp_path: Path, field: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.bmp"
    field.save(file)

    def exhausted(self: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", exhausted)
    with pytest.raises(ImageError, match=r"x\.bmp needs more memory than is free") as caught:
        load_rgb(file)
    assert "--threads 1" in str(caught.value)


ROOT = os.environ.get("ALLEDGE_ALL_IDB1")


@pytest.mark.real
@pytest.mark.skipif(ROOT is None, reason="ALLEDGE_ALL_IDB1 names no copy of ALL-IDB1")
def test_damage_of_real_fields_is_found(tmp_path: Path) -> None:
    files = sorted(Path(str(ROOT)).rglob("*.jpg"))[:12]
    assert files
    for source in files:
        content = source.read_bytes()
        file = tmp_path / source.name
        file.write_bytes(content[:-2])
        assert load_image(file)[1].flags == ()
        for damaged in (
            *(overwritten(content, s, "0", 65_536) for s in (0.1, 0.4, 0.7)),
            content[: int(len(content) * 0.9)] + END,
            content[: int(len(content) * 0.9)],
        ):
            file.write_bytes(damaged)
            with pytest.raises(ImageError, match="is damaged: "):
                load_image(file)
