"""Image loading: every kind of file becomes the same upright RGB square, or one clear error."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from alledge.errors import BundleError, ImageError
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.imaging import (
    IMAGE_FORMATS,
    Header,
    load_field,
    load_image,
    load_rgb,
    open_image,
    read_header,
)
from alledge.runtime.types import RGB

Maker = Callable[..., Image.Image]
# What Pillow says of damaged tags; that a device stays silent is tested in test_hostile.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")


@pytest.fixture
def picture(make_picture: Maker) -> Image.Image:
    return make_picture(320, 240)


@pytest.fixture
def wanted(picture: Image.Image) -> RGB:
    return load_rgb(picture)


@pytest.mark.parametrize("form", IMAGE_FORMATS)
def test_every_format_is_read(tmp_path: Path, picture: Image.Image, wanted: RGB, form: str) -> None:
    file = tmp_path / "no suffix at all"
    picture.save(file, form)
    pixels = load_rgb(file)
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    bound = 0 if form in LOSSLESS else 12 if form != "GIF" else 80
    assert np.abs(pixels.astype(int) - wanted).mean() <= bound


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_all_eight_orientations_become_upright(
    tmp_path: Path, picture: Image.Image, wanted: RGB, form: str, orientation: int
) -> None:
    stored = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }.get(orientation, [])
    turned = picture
    for step in stored:
        turned = turned.transpose(step)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = tmp_path / f"{orientation}.img"
    turned.save(file, form, exif=exif, **({"quality": 95} if form in ("JPEG", "WEBP") else {}))
    assert np.abs(load_rgb(file).astype(int) - wanted).mean() < 4
    header = read_header(file)
    assert (header.width, header.height) == (320, 240)
    field, _, scale = load_field(file, 240)
    assert scale == 1
    assert np.abs(field.astype(int) - np.asarray(picture)).mean() < 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_pixel_mode_becomes_rgb(tmp_path: Path, picture: Image.Image, mode: str) -> None:
    if mode == "I;16":
        grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        image = Image.fromarray(grey)
    else:
        image = picture.convert("RGBA" if mode == "PA" else "RGB").convert(mode)
    pixels = load_rgb(image)
    assert pixels.shape == (224, 224, 3)
    reference = load_rgb(picture if mode in ("CMYK", "YCbCr", "RGBA") else picture.convert("L"))
    bound = {"1": 128, "P": 90, "PA": 90, "I;16": 1}.get(mode, 3)
    assert np.abs(pixels.astype(int).mean(2) - reference.astype(int).mean(2)).mean() <= bound


def test_sixteen_bits_are_divided_by_257(tmp_path: Path) -> None:
    wide = np.full((50, 50), 32896, np.uint16)  # 128 * 257
    for suffix in (".png", ".tif"):
        Image.fromarray(wide).save(tmp_path / f"x{suffix}")
        assert (load_rgb(tmp_path / f"x{suffix}") == 128).all()


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (load_rgb(tmp_path / "clear.png") == 255).all()
    Image.new("RGBA", (40, 40), (0, 0, 0, 255)).save(tmp_path / "solid.png")
    assert (load_rgb(tmp_path / "solid.png") == 0).all()


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PNG", "WEBP"])
def test_of_many_frames_the_first_is_loaded(tmp_path: Path, form: str) -> None:
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue", "green")]
    file = tmp_path / "many"
    extra = {"lossless": True} if form == "WEBP" else {}
    frames[0].save(file, form, save_all=True, append_images=frames[1:], **extra)
    assert (load_rgb(file) == (255, 0, 0)).all()


def test_a_progressive_jpeg_is_read(tmp_path: Path, picture: Image.Image) -> None:
    for progressive in (False, True):
        picture.save(tmp_path / f"{progressive}.jpg", quality=95, progressive=progressive)
    apart = load_rgb(tmp_path / "True.jpg").astype(int) - load_rgb(tmp_path / "False.jpg")
    assert np.abs(apart).max() <= 2


def test_crop_keeps_the_aspect_ratio_and_squash_does_not(make_picture: Maker) -> None:
    disc = Image.new("L", (400, 200))
    disc.paste(255, (150, 50, 250, 150))
    squashed = load_rgb(disc)[..., 0] > 127
    cropped = load_rgb(disc, ImageSettings(geometry="crop"))[..., 0] > 127
    assert abs(cropped.any(0).sum() - cropped.any(1).sum()) <= 1
    assert abs(2 * squashed.any(0).sum() - squashed.any(1).sum()) <= 2


def test_a_jpeg_decoded_at_reduced_scale_is_close_to_the_full_scale(
    tmp_path: Path, make_picture: Maker
) -> None:
    make_picture(2592, 1944).save(tmp_path / "field.jpg", quality=95)
    reduced = load_rgb(tmp_path / "field.jpg").astype(int)
    full = load_rgb(tmp_path / "field.jpg", ImageSettings(draft=4096))
    assert np.abs(reduced - full).max() <= 8


def test_settings_are_the_same_after_json() -> None:
    chosen = ImageSettings(size=96, geometry="crop", draft=200)
    assert ImageSettings.from_json(chosen.to_json()) == chosen


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "reinhard"}, "image_path.colour .* does not know"),
        ({"geometry": "stretch"}, 'image_path.geometry is "stretch"'),
        ({"size": True}, "image_path.size is true"),
        ({"size": 224.0}, "image_path.size is 224.0"),
        ({"size": 10**9}, "image_path.size is 1000000000"),
        ({"draft": 0}, "image_path.draft is 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        ImageSettings.from_json({**ImageSettings().to_json(), **changes})


def test_a_setting_that_is_missing_has_no_default() -> None:
    for name in ImageSettings().to_json():
        settings = {key: value for key, value in ImageSettings().to_json().items() if key != name}
        with pytest.raises(BundleError, match=f"image_path.{name} is missing"):
            ImageSettings.from_json(settings)


def png_of_declared_size(side: int) -> bytes:
    """Return a small PNG whose header says that it is huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 4096))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_of_declared_size(50_000))
    with pytest.raises(ImageError, match="200 megapixels"):
        load_rgb(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"hello", "not an image"), (b"\xff\xd8\xff\xe0", "is a damaged JPEG")],
)
def test_a_file_that_is_no_image_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=reason):
        load_rgb(tmp_path / "x.jpg")


def test_missing_folder_and_fifo_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no file"):
        load_rgb(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match=r"the folder .* is empty"):
        load_rgb(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(ImageError, match="not a regular file"):
            load_rgb(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        load_rgb("nul\0inside")


def test_an_unreadable_file_says_so(tmp_path: Path, picture: Image.Image) -> None:
    file = tmp_path / "locked.png"
    picture.save(file)
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(ImageError, match="cannot be read"):
        load_rgb(file)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_a_truncated_file_is_refused(tmp_path: Path, picture: Image.Image, form: str) -> None:
    file = tmp_path / "cut"
    picture.save(file, form)
    content = file.read_bytes()
    for share in (0.3, 0.6, 0.9):
        file.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ImageError):
            load_rgb(file)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5,), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_an_array_that_is_no_image_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="is not an image"):
        load_rgb(array)


@pytest.mark.parametrize("pixels", [np.full((9, 9), 0.5, np.float32), np.full((9, 9), 70_000)])
def test_pixels_without_a_known_range_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError, match="no known range"):
        load_rgb(
            Image.fromarray(pixels.astype(np.float32 if pixels.dtype.kind == "f" else np.int32))
        )


def test_the_camera_is_read_from_the_header(tmp_path: Path, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "Canon PowerShot G5\0"
    picture.save(tmp_path / "x.jpg", exif=exif)
    assert read_header(tmp_path / "x.jpg").camera == "Canon PowerShot G5"
    picture.save(tmp_path / "y.jpg")
    assert read_header(tmp_path / "y.jpg").camera == "unknown"


def test_pixels_and_header_come_from_one_opening(tmp_path: Path, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "C2500L"
    exif[ExifTags.Base.Orientation] = 6
    file = tmp_path / "x.jpg"
    picture.save(file, exif=exif)
    rgb, header = load_image(file)
    assert (rgb == load_rgb(file)).all()
    assert header == read_header(file)
    assert header == Header(240, 320, "C2500L")


def test_given_pixels_have_a_size_and_no_camera(picture: Image.Image) -> None:
    for given_pixels in (picture, np.asarray(picture)):
        assert load_image(given_pixels)[1] == Header(320, 240, "unknown")


def test_opening_decodes_nothing(tmp_path: Path, picture: Image.Image) -> None:
    picture.save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:200])
    with open_image(tmp_path / "x.png") as image:
        assert image.size == (320, 240)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"]),
    geometry=st.sampled_from(["squash", "crop"]),
    size=st.sampled_from([32, 224]),
    orientation=st.integers(0, 9),
)
def test_any_image_gives_the_square(
    width: int, height: int, mode: str, geometry: str, size: int, orientation: int
) -> None:
    image = Image.new("RGB", (width, height), (200, 30, 90)).convert(mode)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    pixels = load_rgb(image, ImageSettings(size=size, geometry=geometry))
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std(axis=(0, 1)).max() < 1 or mode in ("1", "P")


@settings(max_examples=300, deadline=None)
@given(data=st.data(), form=st.sampled_from(IMAGE_FORMATS))
def test_any_damage_gives_pixels_or_our_error(
    data: st.DataObject, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "damaged"
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(file, form)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(ImageError):
        assert load_rgb(file).shape == (224, 224, 3)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(min_size=1, max_size=400), form=st.sampled_from(IMAGE_FORMATS))
def test_any_bytes_behind_a_signature_give_pixels_or_our_error(
    content: bytes, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "random"
    Image.new("RGB", (8, 8)).save(file, form)
    file.write_bytes(file.read_bytes()[:12] + content)
    with contextlib.suppress(ImageError):
        assert load_rgb(file).shape == (224, 224, 3)


def test_a_jpeg_of_very_many_scans_is_refused_and_an_ordinary_one_is_not(
    tmp_path: Path, picture: Image.Image
) -> None:
    file = tmp_path / "scans.jpg"
    picture.save(file, progressive=True)
    whole = load_rgb(file)
    content = file.read_bytes()
    last = content.rindex(b"\xff\xda")
    scan, end = content[last:-2], content[-2:]
    file.write_bytes(content[:-2] + scan * 5 + end)
    assert load_rgb(file).shape == whole.shape
    file.write_bytes(content[:-2] + scan * 200 + end)
    with pytest.raises(ImageError, match="scans"):
        load_rgb(file)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_damaged_details_of_exif_leave_camera_and_orientation(is_damaged: bool) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model], exif[ExifTags.Base.Orientation] = "Canon X", 6
    exif[ExifTags.Base.DateTime] = "2020:01:02 03:04:05"
    details = exif.get_ifd(ExifTags.Base.ExifOffset)
    details[ExifTags.Base.DateTimeOriginal] = "2019:12:31 23:00:00"
    data = bytearray(exif.tobytes())
    if is_damaged:  # the offset of the details lies behind the end
        order: Literal["little", "big"] = "little" if data[6:8] == b"II" else "big"
        at = data.find(int(ExifTags.Base.ExifOffset).to_bytes(2, order)) + 8
        data[at : at + 4] = (0xFFFFFF).to_bytes(4, order)
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "pink").save(file, "JPEG", exif=bytes(data))
    header = read_header(io.BytesIO(file.getvalue()))
    assert (header.width, header.height, header.camera) == (30, 40, "Canon X")
    assert header.taken == ("2020:01:02 03:04:05" if is_damaged else "2019:12:31 23:00:00")
