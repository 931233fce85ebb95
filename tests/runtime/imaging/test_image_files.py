"""Every kind of file is read right or refused with the reason, and three readers agree."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from alledge.errors import ImageError
from alledge.runtime.imaging import (
    load_image,
    load_picture,
    load_rgb,
    read_header,
    striped_png,
)
from support import image_files
from support.image_files import ImageCase

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CASES = image_files.all_cases()
COLOURED = {case.name for case in image_files.colour_cases()}
READABLE = [case for case in CASES if case.truth is not None]
REFUSED = [case for case in CASES if case.truth is None]


def name_of(case: ImageCase) -> str:
    return case.name


@pytest.mark.parametrize("case", READABLE, ids=name_of)
def test_a_file_gives_its_true_pixels(tmp_path: Path, case: ImageCase) -> None:
    file = case.write(tmp_path)
    shown = np.asarray(load_picture(file, 10_000)).astype(int)
    assert shown.shape == case.truth.shape
    assert np.abs(shown - case.truth).max() <= case.tolerance
    seen, header = load_image(file)
    assert header.flags == case.flags
    assert (header.width, header.height) == (image_files.WIDTH, image_files.HEIGHT)
    # the colours of the small square are converted, not those of the file
    rounding = 8 if case.name in COLOURED or "gamma" in case.name else 1
    assert np.abs(seen.astype(int) - load_rgb(case.truth)).max() <= case.tolerance + rounding
    found = read_header(file)
    assert (found.width, found.height, found.camera) == (header.width, header.height, header.camera)


@pytest.mark.parametrize("case", list(image_files.png_cases()), ids=name_of)
def test_a_large_png_gives_the_same_pixels_in_strips(
    tmp_path: Path, case: ImageCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = case.write(tmp_path)
    seen, header = load_image(file)
    shown = load_picture(file, 10_000)
    monkeypatch.setattr(striped_png, "LARGE", 100)
    monkeypatch.setattr(striped_png, "PIXELS_OF_STRIP", 700)
    striped, striped_header = load_image(file)
    assert (striped == seen).all()
    assert striped_header == header
    assert (np.asarray(load_picture(file, 10_000)) == np.asarray(shown)).all()
    assert load_picture(file, 32).size == (32, 21)


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_file_without_known_pixels_is_refused_by_name(tmp_path: Path, case: ImageCase) -> None:
    file = case.write(tmp_path)
    with pytest.raises(ImageError, match=case.refusal) as caught:
        load_image(file)
    assert str(file) in caught.value.what
    assert caught.value.fix


def decoded_by_others(path: Path, depth: int) -> list[np.ndarray]:
    """Return the samples of a file as other readers give them."""
    if path.suffix == ".tif":
        samples = tifffile.imread(path)
        readers = [np.moveaxis(samples, 0, -1) if samples.shape[0] == 3 else samples]
    elif path.suffix == ".png":
        readers = [imagecodecs.png_decode(path.read_bytes())]
    else:
        readers = [imagecodecs.jpeg8_decode(path.read_bytes())]
    if depth == 8 and "be-big" not in path.name and "be-tiles-big" not in path.name:  # Pillow fails
        with Image.open(path) as image:
            readers.append(np.asarray(image.convert("RGB") if image.mode == "P" else image))
    return readers


AGREEING = [
    (case, bits)
    for case in READABLE
    for bits in (8, 12, 16)
    if case.name.startswith((f"rgb{bits}-", f"rgb{bits}in16", f"rgb{bits}.", "restarts", "optim"))
    and case.name.endswith((".tif", ".png", ".jpg"))
    and not any(word in case.name for word in ("alpha", "webp", "jpeg", "unspecified"))
    and (bits == 8 or not case.name.endswith(".jpg"))
    and "without-end" not in case.name
]


@pytest.mark.parametrize(("case", "bits"), AGREEING, ids=lambda value: getattr(value, "name", ""))
def test_three_readers_agree(tmp_path: Path, case: ImageCase, bits: int) -> None:
    file = case.write(tmp_path)
    ours = np.asarray(load_picture(file, 10_000)).astype(int)
    for samples in decoded_by_others(file, bits):
        scaled = (samples.astype(float) * 255 / (2**bits - 1)).round()
        assert np.abs(ours - scaled).max() <= (3 if file.suffix == ".jpg" else 0)


LOAD = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
from alledge.errors import ImageError
from alledge.runtime.imaging import load_image
try:
    print(load_image(sys.argv[1])[1].flags)
except ImageError as error:
    print(error)
print(sorted({watched!r} & sys.modules.keys()))
"""


def load_elsewhere(file: Path, missing: tuple[str, ...] = (), watched: tuple[str, ...] = ()) -> str:
    """Return what another process prints of a file, without some packages."""
    code = LOAD.format(missing=missing, watched={*watched, "nothing"})
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    return done.stdout


BY_NAME = {case.name: case for case in CASES}
READERS = ("tifffile", "imagecodecs", "PIL.ImageCms", "alledge.runtime.imaging.tiff")


@pytest.mark.parametrize("name", ["rgb.jpg", "srgb.png", "rgb8.ppm", "rgb16in16.png"])
def test_ordinary_files_import_no_further_reader(tmp_path: Path, name: str) -> None:
    assert load_elsewhere(BY_NAME[name].write(tmp_path), watched=READERS) == "()\n[]\n"


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("rgb16-raw-separate-le.tif", "tifffile"),
        ("ome-Red-8.ome.tif", "tifffile"),
        ("signed16-be.tif", "tifffile"),
        ("rgb16-lzw-separate-le.tif", "imagecodecs"),
        ("rgb16-jpeg2000.tif", "imagecodecs"),
    ],
)
def test_without_its_reader_a_file_is_refused_with_the_extra(
    tmp_path: Path, name: str, package: str
) -> None:
    file = BY_NAME[name].write(tmp_path)
    answer = load_elsewhere(file, missing=(package,))
    assert answer.startswith(f"{file} cannot be read: a TIFF of ")
    assert f"needs the package {package}" in answer
    assert 'pip install "alledge[formats]"' in answer


@pytest.mark.parametrize(
    "name", ["rgb8-lzw-separate-be.tif", "rgb16-zstd-contig-le.tif", "grey12in16-be.tif"]
)
def test_what_pillow_reads_right_needs_no_other_reader(tmp_path: Path, name: str) -> None:
    case = BY_NAME[name]
    answer = load_elsewhere(case.write(tmp_path), missing=("tifffile", "imagecodecs"))
    assert answer.splitlines()[0] == str(case.flags)


def test_without_littlecms_a_profile_is_flagged(tmp_path: Path) -> None:
    file = BY_NAME["adobe-rgb.png"].write(tmp_path)
    answer = load_elsewhere(file, missing=("PIL._imagingcms",))
    assert answer.splitlines()[0] == "('assumed_colour',)"
    file = BY_NAME["srgb.png"].write(tmp_path)
    assert load_elsewhere(file, missing=("PIL._imagingcms",)).startswith("()")


@pytest.mark.parametrize(
    "name",
    ["rgb16-raw-separate-le.tif", "thumbnail-first.tif", "grey12in16-le.tif", "rgb12in16.ppm",
     "rgb12in16.png", "cmyk-ink-no-marker.jpg", "adobe-rgb.png", "without-end.jpg"],
)  # fmt: skip
def test_an_opened_image_is_read_as_its_file(tmp_path: Path, name: str) -> None:
    case = BY_NAME[name]
    file = case.write(tmp_path)
    with Image.open(file) as image:
        rgb, header = load_image(image)
    wanted, wanted_header = load_image(file)
    assert (rgb == wanted).all()
    assert header == wanted_header


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_an_array_is_read_as_a_file_of_its_samples(tmp_path: Path, bits: int) -> None:
    for pixels, name in ((image_files.GREY, f"grey{bits}in16.png"),
                         (image_files.RGB, f"rgb{bits}in16.png")):  # fmt: skip
        samples = pixels if bits == 8 else image_files.deep(pixels, bits)
        rgb, header = load_image(samples)
        name = name.replace("8in16", "8")
        wanted, wanted_header = load_image(BY_NAME[name].write(tmp_path))
        assert (rgb == wanted).all()
        assert header == wanted_header


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_flagged(tmp_path: Path, form: str) -> None:
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]
    file = tmp_path / "x.img"
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    assert load_image(file)[1].flags == ("several_images",)
    frames[0].save(file, form)
    assert load_image(file)[1].flags == ()


def test_there_are_files_of_every_kind() -> None:
    assert len(READABLE) >= 350
    assert len(REFUSED) >= 12
    assert len(AGREEING) >= 150


def test_a_deep_tiff_of_very_many_pixels_is_refused_before_decoding(tmp_path: Path) -> None:
    file = tmp_path / "deep.tif"
    pixels = np.zeros((8, 8, 3), np.uint16)
    tifffile.imwrite(file, pixels, photometric="rgb", metadata=None)
    content = bytearray(file.read_bytes())
    for tag in (256, 257):
        entry = content.index(struct.pack("<H", tag) + b"\4\0\1\0\0\0\10\0\0\0")
        struct.pack_into("<I", content, entry + 8, 9000)
    file.write_bytes(content)
    with pytest.raises(ImageError, match="81 megapixels of 16 bits"):
        load_image(file)
    for tag in (256, 257):
        entry = content.index(struct.pack("<H", tag) + b"\4\0\1\0\0\0\x28\x23\0\0")
        struct.pack_into("<I", content, entry + 8, 30_000)
    file.write_bytes(content)
    with pytest.raises(ImageError, match="more than 200 megapixels"):
        load_image(file)
