"""Makes a folder of more than 500 damaged, unusual and oddly named files.

Each has to be read upright or reported as an error; none may crash or hang the device.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

SUFFIX = {
    "JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "GIF": ".gif", "PPM": ".ppm", "TIFF": ".tif",
    "WEBP": ".webp", "JPEG2000": ".jp2",
}  # fmt: skip
DAMAGED_PER_FORMAT = 26
TURNS = {
    1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}  # fmt: skip
ODD_NAMES = (
    "with space.jpg", "quote'.jpg", 'double".jpg', "[brackets].jpg", "{braces}.jpg", "star*.jpg",
    "question?.jpg", "-dash.jpg", "--json.jpg", "ümlaut.jpg", "血液.jpg", "emoji😀.jpg",
    "new\nline.jpg", "tab\t.jpg", "back\\slash.jpg", "$HOME.jpg", "semi;colon.jpg",
    "percent%s.jpg", "~tilde.jpg",
    "escape\x1b[31m.jpg", ".hidden.jpg", "no_suffix", "dot.", "x" * 246 + ".jpg",
)  # fmt: skip


def picture() -> Image.Image:
    """Return a picture whose eight orientations all differ: it is red in one corner only."""
    y, x = np.mgrid[:240, :320].astype(np.float64)
    red = 60 + 170 * np.exp(-((x / 90) ** 2 + (y / 70) ** 2))
    pixels = np.stack([red, 70 + 0.2 * x, 90 + 0.3 * y], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def make(folder: Path) -> dict[str, str]:
    """Fill a folder; return what each file must become: ``upright``, ``error`` or ``either``."""
    folder.mkdir(parents=True)
    outcomes: dict[str, str] = {}
    for part in (_damaged, _whole, _named, _turned, _declared_huge, _not_files):
        outcomes |= {str(path): outcome for path, outcome in part(folder)}
    return outcomes


def _saved(folder: Path, name: str, format_name: str, image: Image.Image, **extra: object) -> Path:
    path = folder / name
    if format_name in ("JPEG", "WEBP"):
        extra.setdefault("quality", 95)
    image.save(path, format_name, **extra)
    return path


def _damaged(folder: Path) -> Iterator[tuple[Path, str]]:
    rng = np.random.default_rng(5)
    for format_name, suffix in SUFFIX.items():
        whole = _saved(folder, f"whole{suffix}", format_name, picture()).read_bytes()
        for number in range(DAMAGED_PER_FORMAT):
            path = folder / f"cut {number}{suffix}"
            path.write_bytes(whole[: 1 + len(whole) * number // DAMAGED_PER_FORMAT])
            yield path, "either"
            flipped = bytearray(whole)
            for place in rng.integers(0, len(whole), 1 + number):
                flipped[place] ^= 1 << int(rng.integers(8))
            path = folder / f"flipped {number}{suffix}"
            path.write_bytes(flipped)
            yield path, "either"
        # most formats have their headers in the first 600 bytes
        for number in range(6):
            flipped = bytearray(whole)
            for place in rng.integers(2, min(len(whole), 600), 12):
                flipped[place] = int(rng.integers(256))
            path = folder / f"header {number}{suffix}"
            path.write_bytes(flipped)
            yield path, "either"
        (folder / f"empty{suffix}").touch()
        yield folder / f"empty{suffix}", "error"
        path = folder / f"text{suffix}"
        path.write_text("this is not an image\n" * 50, encoding="utf-8")
        yield path, "error"
        path = folder / f"noise{suffix}"
        path.write_bytes(rng.bytes(5000))
        yield path, "either"


def _whole(folder: Path) -> Iterator[tuple[Path, str]]:
    image = picture()
    for format_name, suffix in SUFFIX.items():
        yield folder / f"whole{suffix}", "either" if format_name == "GIF" else "upright"
        other_suffix = next(other for other in SUFFIX.values() if other != suffix)
        yield (
            _saved(folder, f"{format_name} called{other_suffix}", format_name, image),
            ("either" if format_name == "GIF" else "upright"),
        )
    yield _saved(folder, "progressive.jpg", "JPEG", image, progressive=True), "upright"
    yield _saved(folder, "cmyk.jpg", "JPEG", image.convert("CMYK")), "upright"
    yield _saved(folder, "cmyk.tif", "TIFF", image.convert("CMYK")), "upright"
    yield _saved(folder, "opaque.png", "PNG", image.convert("RGBA")), "upright"
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield (
            _saved(folder, f"{compression}.tif", "TIFF", image, compression=compression),
            "upright",
        )
    others = [Image.new("RGB", image.size, colour) for colour in ("blue", "green")]
    more = {"save_all": True, "append_images": others}
    yield _saved(folder, "pages.tif", "TIFF", image, **more), "upright"
    yield _saved(folder, "animated.png", "PNG", image, **more), "upright"
    yield _saved(folder, "animated.webp", "WEBP", image, lossless=True, **more), "upright"
    yield _saved(folder, "animated.gif", "GIF", image, **more), "either"
    for mode, format_name, suffix in (
        ("L", "PNG", ".png"), ("L", "JPEG", ".jpg"), ("1", "PNG", ".png"), ("1", "TIFF", ".tif"),
        ("P", "PNG", ".png"), ("LA", "PNG", ".png"), ("RGBA", "WEBP", ".webp"),
        ("1", "PPM", ".ppm"), ("P", "BMP", ".bmp"), ("L", "PPM", ".ppm"), ("L", "JPEG2000", ".jp2"),
    ):  # fmt: skip
        name = f"mode {mode} {format_name}{suffix}"
        yield _saved(folder, name, format_name, image.convert(mode)), "either"
    wide = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    for suffix, format_name in ((".png", "PNG"), (".tif", "TIFF"), (".ppm", "PPM")):
        yield _saved(folder, f"16 bit{suffix}", format_name, wide), "either"
    floating = Image.fromarray(np.linspace(0, 1, 4800, dtype=np.float32).reshape(60, 80))
    yield _saved(folder, "float.tif", "TIFF", floating), "error"
    for width, height in ((1, 1), (1, 4000), (4000, 1), (3, 2)):
        yield (
            _saved(folder, f"{width}x{height}.png", "PNG", Image.new("RGB", (width, height))),
            ("either"),
        )


def _named(folder: Path) -> Iterator[tuple[Path, str]]:
    names: list[str] = [*ODD_NAMES]
    if sys.platform.startswith("linux"):
        names.append(os.fsdecode(b"not utf-8 \xff\xfe.jpg"))
    for name in names:
        with contextlib.suppress(OSError, ValueError):  # not every file system has every name
            yield _saved(folder, name, "JPEG", picture()), "upright"


def _turned(folder: Path) -> Iterator[tuple[Path, str]]:
    for format_name in ("JPEG", "PNG", "TIFF", "WEBP"):
        for orientation, steps in TURNS.items():
            image = picture()
            for step in steps:
                image = image.transpose(step)
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = orientation
            name = f"turned {orientation}{SUFFIX[format_name]}"
            yield _saved(folder, name, format_name, image, exif=exif), "upright"
    for orientation in (0, 9, 65535):  # no orientation at all
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        yield _saved(folder, f"turned {orientation}.jpg", "JPEG", picture(), exif=exif), "upright"


def _declared_huge(folder: Path) -> Iterator[tuple[Path, str]]:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    for side in (20_000, 50_000, 2**31 - 1):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        content = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", b"")
            + chunk(b"IEND", b"")
        )
        (folder / f"huge {side}.png").write_bytes(content)
        yield folder / f"huge {side}.png", "error"
        (folder / f"huge {side}.ppm").write_bytes(b"P6 %d %d 255\n" % (side, side))
        yield folder / f"huge {side}.ppm", "error"
        bitmap = struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54)
        bitmap += struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
        (folder / f"huge {side}.bmp").write_bytes(bitmap)
        yield folder / f"huge {side}.bmp", "error"
    whole = bytearray((folder / "whole.jpg").read_bytes())
    start = whole.index(b"\xff\xc0")
    whole[start + 5 : start + 9] = struct.pack(">HH", 65_500, 65_500)
    (folder / "huge.jpg").write_bytes(whole)
    yield folder / "huge.jpg", "error"
    gif = bytearray((folder / "whole.gif").read_bytes())
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    (folder / "huge.gif").write_bytes(gif)
    yield folder / "huge.gif", "error"
    bomb = zlib.compress(b"\0" * 30_000_000, 9)  # 30 MB of a declared 4 x 4
    small = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
    (folder / "too much data.png").write_bytes(small + chunk(b"IDAT", bomb) + chunk(b"IEND", b""))
    yield folder / "too much data.png", "either"
    text = chunk(b"zTXt", b"x\0\0" + zlib.compress(b"\0" * 100_000_000, 9))
    (folder / "text bomb.png").write_bytes(small + text + chunk(b"IEND", b""))
    yield folder / "text bomb.png", "error"


def _not_files(folder: Path) -> Iterator[tuple[Path, str]]:
    (folder / "folder.jpg").mkdir()
    yield folder / "folder.jpg", "error"
    yield folder / "missing.jpg", "error"
    with contextlib.suppress(OSError):
        (folder / "link.jpg").symlink_to("whole.jpg")
        yield folder / "link.jpg", "upright"
        (folder / "dangling.jpg").symlink_to("nowhere.jpg")
        yield folder / "dangling.jpg", "error"
        (folder / "round.jpg").symlink_to("round.jpg")
        yield folder / "round.jpg", "error"
        (folder / "a.jpg").symlink_to("b.jpg")
        (folder / "b.jpg").symlink_to("a.jpg")
        yield folder / "a.jpg", "error"
        (folder / "deeper").mkdir()
        (folder / "deeper" / "up").symlink_to(folder, target_is_directory=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        yield folder / "pipe.jpg", "error"
    if Path("/dev/zero").exists():
        with contextlib.suppress(OSError):
            (folder / "endless.jpg").symlink_to("/dev/zero")
            yield folder / "endless.jpg", "error"
