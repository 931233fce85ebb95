"""The feature cache: what an entry depends on, damaged entries, and the limit of its size."""

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alledge.train.fitting.augmentation import NO_AUGMENTATION, PAPER_AUGMENTATION
from alledge.train.fitting.feature_cache import (
    MAX_BYTES,
    AugmentationPass,
    Base,
    FeatureCache,
    Floats,
)

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
LESS_ROTATION = replace(PAPER_AUGMENTATION, rotation=1.0)
FIRST = AugmentationPass(PAPER_AUGMENTATION, seed=3, number=1)


class Counting:
    """A base that counts how often it is run; its features are the pixels."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> Base:
        def base(pixels: Floats) -> Floats:
            self.runs += 1
            return pixels / 255

        return base


def test_a_pass_is_computed_once_and_read_from_the_disk_afterwards(tmp_path: Path) -> None:
    base = Counting()
    first, seconds = FeatureCache(tmp_path).get(IMAGES, "w", FIRST, base)
    again, stored_seconds = FeatureCache(tmp_path).get(IMAGES, "w", FIRST, base)
    assert base.runs == 1
    assert first.shape == (5, 3)
    assert np.array_equal(first, again)
    assert seconds == stored_seconds > 0
    maps, _ = FeatureCache(tmp_path).get(IMAGES, "w", FIRST, base, maps=True)
    assert maps.shape == IMAGES.shape
    assert np.allclose(maps.mean(axis=(1, 2)), first, atol=1e-6)


@pytest.mark.parametrize(
    "changed",
    [
        (IMAGES[::-1], "w", FIRST),
        (IMAGES, "other weights", FIRST),
        (IMAGES, "w", replace(FIRST, number=2)),
        (IMAGES, "w", replace(FIRST, seed=4)),
        (IMAGES, "w", replace(FIRST, augmentation=LESS_ROTATION)),
    ],
)
def test_everything_that_the_features_depend_on_makes_another_entry(
    changed: tuple[np.ndarray, str, AugmentationPass], tmp_path: Path
) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    cache.get(IMAGES, "w", FIRST, base)
    cache.get(*changed, base)
    assert base.runs == 2


def test_images_without_augmentation_have_one_entry_for_all_augmentations(tmp_path: Path) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    plain, _ = cache.get(IMAGES, "w", AugmentationPass(PAPER_AUGMENTATION, 3, 0), base)
    cache.get(IMAGES, "w", AugmentationPass(NO_AUGMENTATION, 8, 0), base)
    assert base.runs == 1
    assert np.allclose(plain, (IMAGES / 255).mean(axis=(1, 2)), atol=1e-6)


def test_a_damaged_entry_is_computed_again(tmp_path: Path) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    whole, _ = cache.get(IMAGES, "w", FIRST, base)
    (entry,) = tmp_path.rglob("*.npz")
    entry.write_bytes(entry.read_bytes()[:50])
    again, _ = cache.get(IMAGES, "w", FIRST, base)
    assert base.runs == 2
    assert np.array_equal(whole, again)


def petabytes() -> bytes:
    """Return an entry whose features claim 10^15 values."""
    header = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (5, 2 * 10**14)}
    np.lib.format.write_array_header_1_0(header, shape)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("features.npy", header.getvalue())
        archive.writestr("seconds.npy", npy(np.float64(1)))
    return content.getvalue()


def npy(array: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def npz(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **{"seconds": np.float64(1), **arrays})
    return content.getvalue()


GOOD = np.zeros((5, 3), np.float32)
DAMAGED_ENTRIES = {
    "empty": b"",
    "no zip": b"x" * 500,
    "a single array": npy(GOOD),
    "petabytes": petabytes(),
    "no features": npz(),
    "other images": npz(features=GOOD[:4]),
    "another type": npz(features=GOOD.astype(np.float64)),
    "text": npz(features=np.array(["x"] * 5)),
    "other dimensions": npz(features=GOOD[..., None]),
    "not finite": npz(features=GOOD + np.float32("nan")),
    "objects": npz(features=np.array([None] * 5)),
    "seconds of another shape": npz(features=GOOD, seconds=np.zeros(3)),
}


@pytest.mark.parametrize("name", DAMAGED_ENTRIES)
def test_an_entry_that_is_not_of_its_images_is_computed_again(tmp_path: Path, name: str) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    whole, _ = cache.get(IMAGES, "w", FIRST, base)
    (entry,) = tmp_path.rglob("*.npz")
    entry.write_bytes(DAMAGED_ENTRIES[name])
    again, _ = cache.get(IMAGES, "w", FIRST, base)
    assert base.runs == 2
    assert np.array_equal(whole, again)


def test_no_changed_bytes_of_an_entry_change_the_features(tmp_path: Path) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    whole, _ = cache.get(IMAGES, "w", FIRST, base)
    (entry,) = tmp_path.rglob("*.npz")
    content, random = entry.read_bytes(), np.random.default_rng(1)
    for _ in range(100):
        damaged = bytearray(content)
        start = int(random.integers(len(content)))
        damaged[start : start + int(random.integers(1, 40))] = random.bytes(8)
        entry.write_bytes(damaged)
        assert np.array_equal(cache.get(IMAGES, "w", FIRST, base)[0], whole), start


@pytest.mark.skipif(os.name != "posix", reason="POSIX special files")
@pytest.mark.timeout(20)
def test_a_fifo_or_a_folder_in_place_of_an_entry_is_not_read(tmp_path: Path) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    whole, _ = cache.get(IMAGES, "w", FIRST, base)
    (entry,) = tmp_path.rglob("*.npz")
    for place in (os.mkfifo, os.mkdir):
        entry.unlink()
        place(entry)
        assert np.array_equal(cache.get(IMAGES, "w", FIRST, base)[0], whole)


def entry_bytes(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*.npz"))


def test_the_least_recently_used_entry_is_deleted_when_the_cache_is_full(tmp_path: Path) -> None:
    base = Counting()
    passes = [replace(FIRST, number=number) for number in (1, 2, 3)]
    FeatureCache(tmp_path).get(IMAGES, "w", passes[0], base)
    cache = FeatureCache(tmp_path, max_bytes=2 * entry_bytes(tmp_path))
    cache.get(IMAGES, "w", passes[1], base)
    cache.get(IMAGES, "w", passes[0], base)  # read from the cache: now the second pass is older
    assert base.runs == 2
    cache.get(IMAGES, "w", passes[2], base)
    assert base.runs == 3
    assert entry_bytes(tmp_path) <= cache.max_bytes
    for recent in (passes[0], passes[2]):
        cache.get(IMAGES, "w", recent, base)
    assert base.runs == 3
    cache.get(IMAGES, "w", passes[1], base)
    assert base.runs == 4


def test_an_entry_larger_than_the_limit_is_not_cached_and_deletes_no_other(tmp_path: Path) -> None:
    base = Counting()
    FeatureCache(tmp_path).get(IMAGES, "w", FIRST, base)
    small = entry_bytes(tmp_path)
    maps, _ = FeatureCache(tmp_path, max_bytes=small).get(IMAGES, "w", FIRST, base, maps=True)
    assert maps.nbytes > small
    assert entry_bytes(tmp_path) == small
    FeatureCache(tmp_path).get(IMAGES, "w", FIRST, base)
    assert base.runs == 2


def test_the_cache_has_a_limit_by_default(tmp_path: Path) -> None:
    assert FeatureCache(tmp_path).max_bytes == MAX_BYTES == 10 * 2**30


def test_a_cache_folder_that_cannot_be_written_does_not_stop_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    base = Counting()
    features, _ = FeatureCache(tmp_path / "file").get(IMAGES, "w", FIRST, base)
    assert features.shape == (5, 3)


def test_the_deletion_of_old_engine_caches_keeps_the_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alledge.runtime import caches

    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path))
    base = Counting()
    FeatureCache().get(IMAGES, "w", FIRST, base)
    for number in range(caches.KEPT_ENTRIES + 2):
        caches.with_cache(f"entry-{number}", _fill)
    FeatureCache().get(IMAGES, "w", FIRST, base)
    assert base.runs == 1


def _fill(folder: Path | None) -> None:
    if folder is not None:
        (folder / "file").write_text("x", encoding="utf-8")
