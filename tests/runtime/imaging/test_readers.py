"""HEIC, AVIF and DICOM: read as the same picture, or refused with the reason."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, features

from alledge.errors import ImageError
from alledge.runtime.imaging import load_image, load_picture, load_rgb, open_image, read_header
from alledge.runtime.imaging.readers import READERS
from alledge.runtime.types import RGB
from support import laboratory_files
from support.laboratory_files import dicom, ycbcr

Maker = Callable[..., Image.Image]
# What pydicom says of damaged values; that a device stays silent is tested below.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
JPEG_BASELINE, JPEG_2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.91"
RLE, JPEG_LOSSLESS, MPEG2 = (
    "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.100",
)  # fmt: skip


@pytest.fixture
def picture(make_picture: Maker) -> Image.Image:
    return make_picture(320, 240)


@pytest.fixture
def pixels(picture: Image.Image) -> RGB:
    return np.asarray(picture.convert("RGB"))


def far(file: Path, wanted: Image.Image) -> float:
    """Return how far the pixels of a file are from a picture, on average."""
    return float(np.abs(load_rgb(file).astype(int) - load_rgb(wanted)).mean())


def whole(file: Path) -> RGB:
    with open_image(file) as image:
        image.load()
        return np.asarray(image)


def save_heic(path: Path, *pictures: Image.Image, primary: int = 0, **options: Any) -> Path:
    heif = pytest.importorskip("pillow_heif")
    file = heif.HeifFile()
    for one in pictures:
        file.add_from_pillow(one)
    file.save(path, quality=95, primary_index=primary, **options)
    return path


# HEIC


def test_a_heic_picture_is_read(tmp_path: Path, picture: Image.Image) -> None:
    file = save_heic(tmp_path / "x.heic", picture)
    assert far(file, picture) < 3
    assert load_picture(file, 100).size == (100, 75)
    assert (read_header(file).width, read_header(file).height) == (320, 240)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_picture_is_upright(tmp_path: Path, picture: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Model] = "iPhone 20"
    pytest.importorskip("pillow_heif").register_heif_opener()
    file = tmp_path / "x.heic"
    picture.save(file, "HEIF", quality=95, exif=exif.tobytes())
    assert (b"irot" in file.read_bytes()) == (orientation in (3, 5, 6, 7, 8))
    picture.save(tmp_path / "x.png", exif=exif)
    assert np.abs(load_rgb(file).astype(int) - load_rgb(tmp_path / "x.png")).mean() < 3
    header, png = read_header(file), read_header(tmp_path / "x.png")
    assert header == png
    assert header.camera == "iPhone 20"


@pytest.mark.parametrize("primary", [0, 1])
def test_the_largest_picture_of_a_heic_file_is_read(
    tmp_path: Path, picture: Image.Image, primary: int
) -> None:
    small = Image.new("RGB", (64, 48), "red")
    file = save_heic(tmp_path / "x.heic", small, picture, primary=primary)
    assert far(file, picture) < 3
    assert read_header(file).width == 320
    assert load_image(file)[1].flags == ()


def test_of_equal_heic_pictures_the_primary_one_is_read(
    tmp_path: Path, picture: Image.Image
) -> None:
    other = Image.new("RGB", picture.size, "red")
    file = save_heic(tmp_path / "x.heic", other, picture, primary=1)
    assert far(file, picture) < 3
    assert load_image(file)[1].flags == ("several_images",)


def test_the_icc_profile_of_a_heic_picture_is_kept(tmp_path: Path, picture: Image.Image) -> None:
    picture.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with open_image(save_heic(tmp_path / "x.heic", picture)) as image:
        assert image.info["icc_profile"] == picture.info["icc_profile"]


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 16), (9, 18), (1, 16)])
def test_heic_colours_beyond_srgb_without_a_profile_are_refused(
    tmp_path: Path, picture: Image.Image, primaries: int, transfer: int
) -> None:
    file = save_heic(tmp_path / "x.heic", picture)
    content = file.read_bytes()
    place = content.index(b"colrnclx") + 8
    changed = content[:place] + struct.pack(">HH", primaries, transfer) + content[place + 4 :]
    file.write_bytes(changed)
    with pytest.raises(ImageError, match="not sRGB"):
        load_rgb(file)


def test_a_cut_heic_file_is_refused(tmp_path: Path, picture: Image.Image) -> None:
    file = save_heic(tmp_path / "x.heic", picture)
    content = file.read_bytes()
    for share in (0.05, 0.3, 0.6, 0.9):
        file.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ImageError, match=r"x\.heic"):
            load_rgb(file)


# AVIF


@needs_avif
def test_an_avif_picture_is_read(tmp_path: Path, picture: Image.Image) -> None:
    picture.save(tmp_path / "x.avif", quality=95)
    assert far(tmp_path / "x.avif", picture) < 3


@needs_avif
def test_an_avif_file_whose_first_picture_is_a_thumbnail_is_refused(
    tmp_path: Path, picture: Image.Image
) -> None:
    file = tmp_path / "x.avif"
    picture.save(file, quality=95)
    content = file.read_bytes()
    more = b"\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 3000, 2000)
    file.write_bytes(content + b"\0\0\0\x1cfree" + more)  # as of another picture of the file
    with pytest.raises(ImageError, match=r"thumbnail of 320 x 240 .*3000 x 2000"):
        load_rgb(file)


@needs_avif
def test_avif_colours_beyond_srgb_without_a_profile_are_refused(
    tmp_path: Path, picture: Image.Image
) -> None:
    file = tmp_path / "x.avif"
    picture.save(file, quality=95)
    content = file.read_bytes()
    place = content.index(b"colrnclx") + 8
    file.write_bytes(content[:place] + struct.pack(">HH", 9, 16) + content[place + 4 :])
    with pytest.raises(ImageError, match="not sRGB"):
        load_rgb(file)


# DICOM


def test_dicom_rgb_is_read_exactly(tmp_path: Path, pixels: RGB) -> None:
    file = dicom(tmp_path / "x.dcm", pixels)
    assert np.array_equal(whole(file), pixels)
    header = read_header(file)
    assert (header.width, header.height, header.camera) == (320, 240, "Scope 5")
    assert np.array_equal(load_rgb(file.read_bytes()), load_rgb(file))


def test_dicom_rgb_by_planes_is_read_exactly(tmp_path: Path, pixels: RGB) -> None:
    planes = np.moveaxis(pixels, 2, 0).tobytes()
    file = dicom(tmp_path / "x.dcm", pixels, PlanarConfiguration=1, PixelData=planes)
    assert np.array_equal(whole(file), pixels)


def test_dicom_ybr_full_is_read(tmp_path: Path, pixels: RGB) -> None:
    file = dicom(tmp_path / "x.dcm", ycbcr(pixels), "YBR_FULL")
    assert np.abs(whole(file).astype(int) - pixels).max() <= 3


def test_dicom_ybr_full_422_is_read(tmp_path: Path, pixels: RGB) -> None:
    values = ycbcr(pixels)
    pairs = np.stack([values[:, ::2, 0], values[:, 1::2, 0], values[:, ::2, 1], values[:, ::2, 2]])
    data = np.moveaxis(pairs, 0, -1).tobytes()
    file = dicom(tmp_path / "x.dcm", pixels, "YBR_FULL_422", PixelData=data)
    assert np.abs(whole(file).astype(int) - pixels).mean() <= 3


@pytest.mark.parametrize("bits", [8, 16])
def test_dicom_palette_is_read(tmp_path: Path, picture: Image.Image, bits: int) -> None:
    index = picture.convert("RGB").quantize(200)
    table = np.zeros((256, 3), np.uint8)
    colours = np.reshape(index.getpalette(), (-1, 3))
    table[: len(colours)] = colours
    entries = table.astype("<u2") * 257 if bits == 16 else table
    tags: dict[str, Any] = {}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        tags[f"{name}PaletteColorLookupTableData"] = entries[:, channel].tobytes()
    file = dicom(tmp_path / "x.dcm", np.asarray(index), "PALETTE COLOR", **tags)
    assert np.array_equal(whole(file), np.asarray(index.convert("RGB")))


@pytest.mark.parametrize(("photometric", "white"), [("MONOCHROME2", 255), ("MONOCHROME1", 0)])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_dicom_grey_has_the_range_of_its_bits(
    tmp_path: Path, photometric: str, white: int, bits: int
) -> None:
    grey = np.linspace(0, 2**bits - 1, 64 * 48).reshape(48, 64)
    values = np.rint(grey).astype(np.uint8 if bits == 8 else np.uint16)
    shown = whole(dicom(tmp_path / "x.dcm", values, photometric, bits=bits))[..., 1]
    wanted = np.linspace(255 - white, white, 64 * 48).reshape(48, 64)
    assert np.abs(shown - wanted).max() <= 1


def test_dicom_grey_has_the_range_of_its_window(tmp_path: Path) -> None:
    values = np.linspace(0, 4095, 4096).astype(np.uint16).reshape(64, 64)
    window = {"WindowCenter": 1000, "WindowWidth": 400}
    shown = whole(dicom(tmp_path / "x.dcm", values, "MONOCHROME2", bits=12, **window))[..., 1]
    assert shown[values < 800].max() == 0
    assert shown[values > 1200].min() == 255
    assert abs(int(shown[values == 1000][0]) - 128) <= 1


@pytest.mark.parametrize("subsampling", [0, 2])
def test_dicom_jpeg_is_read(tmp_path: Path, picture: Image.Image, subsampling: int) -> None:
    jpeg = laboratory_files.encoded(picture, "JPEG", quality=95, subsampling=subsampling)
    rgb = np.asarray(picture.convert("RGB"))
    file = dicom(tmp_path / "x.dcm", rgb, "YBR_FULL_422", syntax=JPEG_BASELINE, frames=[jpeg])
    assert np.abs(whole(file).astype(int) - rgb).mean() <= 3


def test_dicom_jpeg_2000_is_read(tmp_path: Path, picture: Image.Image) -> None:
    content = laboratory_files.encoded(picture, "JPEG2000", no_jp2=True, mct=0)
    rgb = np.asarray(picture.convert("RGB"))
    file = dicom(tmp_path / "x.dcm", rgb, syntax=JPEG_2000, frames=[content])
    assert np.abs(whole(file).astype(int) - rgb).mean() <= 3


def test_dicom_rle_is_read_exactly(tmp_path: Path, pixels: RGB) -> None:
    pydicom = pytest.importorskip("pydicom")
    record = pydicom.dcmread(dicom(tmp_path / "x.dcm", pixels))
    record.compress(RLE)
    record.save_as(tmp_path / "rle.dcm")
    assert np.array_equal(whole(tmp_path / "rle.dcm"), pixels)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"NumberOfFrames": 12}, "12 pictures .multi-frame"),
        ({"PhotometricInterpretation": "HSV"}, "'HSV'"),
        ({"PixelRepresentation": 1}, "signed"),
        ({"BitsStored": 1}, "1 bits"),
        ({"Rows": 0}, "without a picture"),
        ({"PixelData": None}, "without a picture"),
    ],
)
def test_dicom_that_cannot_be_read_rightly_is_refused(
    tmp_path: Path, pixels: RGB, tags: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "x.dcm"
    pydicom = pytest.importorskip("pydicom")
    record = pydicom.dcmread(dicom(file, pixels))
    for name, value in tags.items():
        if value is None:
            delattr(record, name)
        else:
            setattr(record, name, value)
    record.save_as(file)
    for read in (load_rgb, read_header):
        with pytest.raises(ImageError, match=reason):
            read(file)


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, MPEG2, "1.2.3.4"])
def test_a_compression_of_dicom_that_is_not_read_is_refused(
    tmp_path: Path, pixels: RGB, syntax: str
) -> None:
    file = dicom(tmp_path / "x.dcm", pixels, syntax=syntax, frames=[b"\xff\xd8\xff\xd9"])
    with pytest.raises(ImageError, match=r"compress(ed as|ion)") as caught:
        load_rgb(file)
    assert "TIFF" in str(caught.value.fix)


def test_dicom_that_declares_too_many_pixels_is_refused(tmp_path: Path, pixels: RGB) -> None:
    file = dicom(tmp_path / "x.dcm", pixels, Rows=60_000, Columns=60_000)
    with pytest.raises(ImageError, match="200 megapixels"):
        load_rgb(file)


READ_ALL = """
import logging, sys
from pathlib import Path
from alledge.errors import ImageError
from alledge.runtime.imaging import open_image
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
for file in sorted(Path(sys.argv[1]).iterdir()):
    try:
        with open_image(file) as image:
            print({**image.info, **vars(image)})
            image.load()
            print(len(image.tobytes()))
    except (ImageError, OSError) as error:
        print(repr(error), error)
"""


def test_no_patient_data_is_shown_or_logged(tmp_path: Path, picture: Image.Image) -> None:
    """Damaged lengths of elements move the patient's name into the values of others."""
    content = dicom(tmp_path / "x.dcm", np.asarray(picture.resize((32, 24)))).read_bytes()
    for size in range(1, len(content), len(content) // 40):
        (tmp_path / f"cut {size}.dcm").write_bytes(content[:size])
    for place in range(128, 800, 4):
        changed = content[:place] + b"\x90" + content[place + 1 :]
        (tmp_path / f"changed {place}.dcm").write_bytes(changed)
    command = [sys.executable, "-c", READ_ALL, str(tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert "SECRET" not in shown.stdout
    assert "2304" in shown.stdout  # the pixels of those that were read


# readers that are missing


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.format)
def test_without_its_reader_a_file_is_refused_with_what_to_install(
    tmp_path: Path, pixels: RGB, monkeypatch: pytest.MonkeyPatch, reader: Any
) -> None:
    file = tmp_path / "x"
    if reader.format == "DICOM":
        dicom(file, pixels)
    else:
        brand = {"HEIC": b"heic", "AVIF": b"avif"}[reader.format]
        file.write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1" + brand + bytes(90))
    monkeypatch.setitem(sys.modules, reader.module, None)
    monkeypatch.setattr(type(reader), "installed", False)
    with pytest.raises(ImageError, match=reader.format) as caught:
        load_rgb(file)
    assert 'pip install "alledge[formats]"' in str(caught.value.fix)


# agreement with another decoder


@pytest.mark.parametrize(("form", "codec"), [("HEIC", "heif"), ("AVIF", "avif")])
def test_imagecodecs_decodes_the_same_pixels(
    tmp_path: Path, picture: Image.Image, form: str, codec: str
) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    if not getattr(imagecodecs, codec.upper()).available:
        pytest.skip(f"imagecodecs has no {codec} here")
    if form == "HEIC":
        file = save_heic(tmp_path / "x.heic", picture)
    elif features.check("avif"):
        file = tmp_path / "x.avif"
        picture.save(file, quality=95)
    else:
        pytest.skip("this Pillow has no AVIF")
    other = getattr(imagecodecs, f"{codec}_decode")(file.read_bytes())
    assert np.abs(whole(file).astype(int) - other[..., :3]).max() <= 2
