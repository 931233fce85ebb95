"""The search for images that show the same content: it finds them, and no others."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alledge.runtime import caches
from alledge.train.data.overlaps.alignment import Alignment, verify_overlap
from alledge.train.data.overlaps.candidates import Candidate
from alledge.train.data.overlaps.search import Overlap, find_overlaps
from alledge.train.phantom.smears import draw_field


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(caches.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def fields() -> list[Image.Image]:
    return [draw_field(5, index, bool(index % 2), size=640)[0] for index in range(4)]


def save(folder: Path, images: dict[str, Image.Image]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        image.save(folder / name)
    return [folder / name for name in images]


def cut(image: Image.Image, x: int, y: int, width: int = 380, height: int = 330) -> Image.Image:
    return image.crop((x, y, x + width, y + height))


def test_the_shift_of_overlapping_fields_is_found(
    tmp_path: Path, fields: list[Image.Image]
) -> None:
    images = {"a.jpg": cut(fields[0], 0, 0), "b.jpg": cut(fields[0], 150, 90)}
    images |= {f"other{i}.jpg": cut(field, 0, 0) for i, field in enumerate(fields[1:])}
    (overlap,) = find_overlaps(save(tmp_path, images))
    assert (overlap.a, overlap.b, overlap.kind) == (0, 1, "overlap")
    assert abs(overlap.dx - 150) <= 1
    assert abs(overlap.dy - 90) <= 1
    assert overlap.shares[0] == pytest.approx((380 - 150) * (330 - 90) / (380 * 330), abs=0.01)
    assert overlap.score > 0.9


def test_crop_is_found_inside_its_field(tmp_path: Path, fields: list[Image.Image]) -> None:
    crop = cut(fields[1], 203, 101, 160, 160)
    images = {"a.png": fields[0], "b.png": fields[1], "crop.png": crop}
    (overlap,) = find_overlaps(save(tmp_path, images))
    assert (overlap.a, overlap.b, overlap.kind) == (1, 2, "inside")
    assert abs(overlap.dx - 203) <= 1
    assert abs(overlap.dy - 101) <= 1


def test_identical_files_are_distinguished_from_the_same_picture_saved_again(
    tmp_path: Path, fields: list[Image.Image]
) -> None:
    small = fields[2].resize((fields[2].width * 2 // 3, fields[2].height * 2 // 3))
    images = {"a.png": fields[0], "b.png": fields[0], "c.jpg": fields[0], "d.png": fields[2]}
    overlaps = find_overlaps(save(tmp_path, {**images, "e.png": small}))
    kinds = {(one.a, one.b): one.kind for one in overlaps}
    assert kinds == {
        (0, 1): "identical",
        (0, 2): "duplicate",
        (1, 2): "duplicate",
        (3, 4): "duplicate",
    }


def test_different_cells_cut_out_on_black_do_not_overlap(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    y, x = np.mgrid[:160, :160]
    images = {}
    for index in range(6):
        inside = np.hypot(x - 80, y - 80) < 50 + index
        texture = np.asarray(
            Image.fromarray(random.integers(60, 180, (20, 20), np.uint8)).resize((160, 160))
        )
        images[f"{index}.png"] = Image.fromarray(np.where(inside, texture, 0).astype(np.uint8))
    assert find_overlaps(save(tmp_path, images)) == []


def test_flat_tiny_and_damaged_images_do_not_overlap(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    flat = [Image.new("RGB", (64, 48), colour) for colour in ("white", "black")]
    noise = [Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(3)]
    names = {f"{i}.png": image for i, image in enumerate([*flat, *noise])}
    paths = save(tmp_path, names)
    (tmp_path / "damaged.png").write_bytes(paths[2].read_bytes()[:90])
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    assert find_overlaps([*paths, tmp_path / "damaged.png", tmp_path / "text.png"]) == []
    assert find_overlaps([]) == []


def test_the_result_is_cached_until_an_image_changes(
    tmp_path: Path, fields: list[Image.Image]
) -> None:
    paths = save(tmp_path, {"a.png": cut(fields[0], 0, 0), "b.png": cut(fields[0], 60, 40)})
    stages: set[str] = set()

    def search() -> tuple[list[Overlap], set[str]]:
        stages.clear()
        overlaps = find_overlaps(paths, lambda stage, done, total: stages.add(stage))
        return overlaps, set(stages)

    first, compared = search()
    assert compared == {"reading", "hashing", "aligning", "verifying"}
    assert [(one.a, one.b) for one in first] == [(0, 1)]
    assert search() == (first, {"reading"})
    cut(fields[1], 0, 0).save(paths[1])
    changed, compared = search()
    assert changed == []
    assert {"reading", "hashing"} <= compared


def test_a_common_corner_with_a_single_nucleus_is_no_overlap() -> None:
    y, x = np.mgrid[:480, :640]

    def field(across: int, down: int) -> np.ndarray:
        nucleus = 120 * np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * 12.0**2))
        return (220 - nucleus).astype(np.uint8)

    images = [field(600, 440), field(40, 40)]  # the corners agree in every pixel
    alignment = Alignment(Candidate(0, 1, 280, 200, 9), score=1.0, dx=280, dy=200)
    assert verify_overlap(alignment, 2, lambda index: images[index]) is None
