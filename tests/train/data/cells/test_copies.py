"""Turned, mirrored, brightened and resized copies of images are found, other images are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from alledge.train.data.cells.copies import find_copies, thumbnail
from alledge.train.phantom.smears import draw_field

COUNT = 6


def changed(image: Image.Image, way: int) -> Image.Image:
    """Return a copy in one of eight orientations, of another size, brightness and contrast."""
    pixels = np.rot90(np.asarray(image), way % 4)
    pixels = pixels[:, ::-1] if way >= 4 else pixels
    copy = Image.fromarray(np.ascontiguousarray(pixels))
    copy = copy.resize((round(copy.width * 0.8), round(copy.height * 0.8)))
    copy = ImageEnhance.Brightness(copy).enhance(1.25 if way % 2 else 0.75)
    copy = ImageEnhance.Contrast(copy).enhance(0.85)
    file = io.BytesIO()
    copy.save(file, "JPEG", quality=85)
    return Image.open(file).convert("RGB")


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    """Crops of one generated field each."""
    fields = [draw_field(3, index, index % 2 == 0, size=320)[0] for index in range(COUNT)]
    return [field.crop((40, 40, 168, 168)) for field in fields]


def thumbnails(images: list[Image.Image]) -> np.ndarray:
    return np.array([thumbnail(np.asarray(image)) for image in images])


@pytest.mark.parametrize("way", range(8))
def test_a_copy_is_found_in_every_orientation(images: list[Image.Image], way: int) -> None:
    pairs = find_copies(thumbnails([*images, changed(images[2], way)]))
    assert pairs == [(2, COUNT)]


def test_different_images_are_no_copies(images: list[Image.Image]) -> None:
    assert find_copies(thumbnails(images)) == []
    assert find_copies(thumbnails(images[:1])) == []


def test_flat_images_are_no_copies() -> None:
    flat = np.full((3, 64, 64), 200, np.uint8)
    assert find_copies(flat) == []


def test_cells_on_black_do_not_agree_in_the_edge_of_the_black(images: list[Image.Image]) -> None:
    y, x = np.mgrid[:128, :128]
    outside = np.hypot(x - 64, y - 64) > 50
    cells = []
    for image in images[:3]:
        pixels = np.asarray(image).copy()
        pixels[outside] = 0
        cells.append(Image.fromarray(pixels))
    copy = ImageEnhance.Brightness(cells[1].transpose(Image.Transpose.ROTATE_90)).enhance(1.2)
    assert find_copies(thumbnails([*cells, copy])) == [(1, 3)]
