"""Images that show the same: found with their shift, and nothing else taken for it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alledge.runtime import caches
from alledge.train.data.overlaps import search
from alledge.train.data.overlaps.alignment import closely
from alledge.train.data.overlaps.candidates import Candidate
from alledge.train.data.overlaps.search import Overlap, find_overlaps, join
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


def test_overlapping_fields_are_found_with_their_shift(
    tmp_path: Path, fields: list[Image.Image]
) -> None:
    images = {"a.jpg": cut(fields[0], 0, 0), "b.jpg": cut(fields[0], 150, 90)}
    images |= {f"other{i}.jpg": cut(field, 0, 0) for i, field in enumerate(fields[1:])}
    (found,) = find_overlaps(save(tmp_path, images))
    assert (found.a, found.b, found.kind) == (0, 1, "overlap")
    assert abs(found.dx - 150) <= 1
    assert abs(found.dy - 90) <= 1
    assert found.shares[0] == pytest.approx((380 - 150) * (330 - 90) / (380 * 330), abs=0.01)
    assert found.score > 0.9


def test_crop_is_found_inside_its_field(tmp_path: Path, fields: list[Image.Image]) -> None:
    crop = cut(fields[1], 203, 101, 160, 160)
    images = {"a.png": fields[0], "b.png": fields[1], "crop.png": crop}
    (found,) = find_overlaps(save(tmp_path, images))
    assert (found.a, found.b, found.kind) == (1, 2, "inside")
    assert abs(found.dx - 203) <= 1
    assert abs(found.dy - 101) <= 1


def test_copies_are_told_from_pictures_saved_again(
    tmp_path: Path, fields: list[Image.Image]
) -> None:
    small = fields[2].resize((fields[2].width * 2 // 3, fields[2].height * 2 // 3))
    images = {"a.png": fields[0], "b.png": fields[0], "c.jpg": fields[0], "d.png": fields[2]}
    found = find_overlaps(save(tmp_path, {**images, "e.png": small}))
    kinds = {(one.a, one.b): one.kind for one in found}
    assert kinds == {
        (0, 1): "identical",
        (0, 2): "duplicate",
        (1, 2): "duplicate",
        (3, 4): "duplicate",
    }


def test_cells_cut_out_on_black_are_not_taken_for_one(tmp_path: Path) -> None:
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


def test_flat_tiny_and_damaged_images_overlap_with_none(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    flat = [Image.new("RGB", (64, 48), colour) for colour in ("white", "black")]
    noise = [Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(3)]
    names = {f"{i}.png": image for i, image in enumerate([*flat, *noise])}
    paths = save(tmp_path, names)
    (tmp_path / "damaged.png").write_bytes(paths[2].read_bytes()[:90])
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    assert find_overlaps([*paths, tmp_path / "damaged.png", tmp_path / "text.png"]) == []
    assert find_overlaps([]) == []


def test_same_images_are_compared_once_and_changed_ones_again(
    tmp_path: Path, fields: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = save(tmp_path, {"a.png": cut(fields[0], 0, 0), "b.png": cut(fields[0], 60, 40)})
    stages: list[str] = []
    first = find_overlaps(paths, lambda what, done, total: stages.append(what))
    assert {"hashing", "aligning", "verifying"} <= set(stages)

    def refuse(*_: object) -> list[Overlap]:
        raise AssertionError("compared again")

    find: Callable[..., list[Overlap]] = search._find
    monkeypatch.setattr(search, "_find", refuse)
    assert find_overlaps(paths) == first
    cut(fields[1], 0, 0).save(paths[1])
    with pytest.raises(AssertionError, match="compared again"):
        find_overlaps(paths)
    monkeypatch.setattr(search, "_find", find)
    assert find_overlaps(paths) == []


def test_pairs_join_into_sets() -> None:
    assert join(6, [(0, 3), (3, 5), (1, 2)]) == [[0, 3, 5], [1, 2]]
    assert join(3, []) == []


def test_a_small_corner_with_one_nucleus_is_no_overlap() -> None:
    y, x = np.mgrid[:480, :640]

    def field(across: int, down: int) -> np.ndarray:
        nucleus = 120 * np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * 12.0**2))
        return (220 - nucleus).astype(np.uint8)

    images = [field(600, 440), field(40, 40)]  # the corners agree to the last pixel
    assert closely(Candidate(0, 1, 280, 200, 9), 280, 200, 2, lambda index: images[index]) is None
