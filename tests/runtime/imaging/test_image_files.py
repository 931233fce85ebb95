"""Every kind of file is read right or refused with the reason, and three readers agree."""

from __future__ import annotations

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
    rounding = 8 if "adobe" in case.name or "gamma" in case.name else 1
    assert np.abs(seen.astype(int) - load_rgb(case.truth)).max() <= case.tolerance + rounding
    found = read_header(file)
    assert (found.width, found.height, found.camera) == (header.width, header.height, header.camera)


@pytest.mark.parametrize("case", image_files.png_cases(), ids=name_of)
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


def test_there_are_files_of_every_kind() -> None:
    assert len(READABLE) >= 350
    assert len(REFUSED) >= 12
    assert len(AGREEING) >= 150
