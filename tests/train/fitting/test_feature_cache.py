"""Features of a frozen base: computed once a pass, known again by their content."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.train.fitting.augmentation import NO_AUGMENTATION, PAPER_AUGMENTATION
from alledge.train.fitting.feature_cache import AugmentationPass, Base, FeatureCache, Floats

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
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


def test_a_pass_goes_through_the_base_once_and_comes_from_the_disk_after(tmp_path: Path) -> None:
    base = Counting()
    first, took = FeatureCache(tmp_path).get(IMAGES, "w", FIRST, base)
    again, kept = FeatureCache(tmp_path).get(IMAGES, "w", FIRST, base)
    assert base.runs == 1
    assert first.shape == (5, 3)
    assert np.array_equal(first, again)
    assert took == kept > 0
    maps, _ = FeatureCache(tmp_path).get(IMAGES, "w", FIRST, base, maps=True)
    assert maps.shape == IMAGES.shape
    assert np.allclose(maps.mean(axis=(1, 2)), first, atol=1e-6)


@pytest.mark.parametrize(
    "changed",
    [
        lambda: (IMAGES[::-1], "w", FIRST),
        lambda: (IMAGES, "other weights", FIRST),
        lambda: (IMAGES, "w", replace(FIRST, number=2)),
        lambda: (IMAGES, "w", replace(FIRST, seed=4)),
        lambda: (IMAGES, "w", replace(FIRST, how=replace(PAPER_AUGMENTATION, rotation=1.0))),
    ],
)
def test_whatever_the_features_depend_on_makes_another_entry(
    changed: Callable[[], tuple[np.ndarray, str, AugmentationPass]], tmp_path: Path
) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    cache.get(IMAGES, "w", FIRST, base)
    cache.get(*changed(), base)
    assert base.runs == 2


def test_the_images_as_they_are_do_not_depend_on_an_augmentation(tmp_path: Path) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    plain, _ = cache.get(IMAGES, "w", AugmentationPass(PAPER_AUGMENTATION, 3, 0), base)
    cache.get(IMAGES, "w", AugmentationPass(NO_AUGMENTATION, 8, 0), base)
    assert base.runs == 1
    assert np.allclose(plain, (IMAGES / 255).mean(axis=(1, 2)), atol=1e-6)


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    base, cache = Counting(), FeatureCache(tmp_path)
    whole, _ = cache.get(IMAGES, "w", FIRST, base)
    (entry,) = tmp_path.rglob("*.npz")
    entry.write_bytes(entry.read_bytes()[:50])
    again, _ = cache.get(IMAGES, "w", FIRST, base)
    assert base.runs == 2
    assert np.array_equal(whole, again)


def test_an_engine_that_forgets_its_oldest_entries_leaves_the_features_alone(
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
