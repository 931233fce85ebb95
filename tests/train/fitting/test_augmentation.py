"""Augmentation: a pure function of seed, epoch and sample, within the limits of each change."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.train.fitting.augmentation import (
    NO_AUGMENTATION,
    PAPER_AUGMENTATION,
    Augmentation,
    augment,
)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    ramp = np.linspace(40, 200, 64)
    return np.stack([ramp[None] + 0 * ramp[:, None], ramp[:, None] + 0 * ramp[None]] * 2, -1)[
        ..., :3
    ].astype(np.uint8)


def test_the_same_seed_epoch_and_sample_give_the_same_copy(pixels: np.ndarray) -> None:
    first = augment(pixels, PAPER_AUGMENTATION, seed=1, epoch=2, sample=3)
    augment(pixels, PAPER_AUGMENTATION, seed=9, epoch=9, sample=9)
    again = augment(pixels, PAPER_AUGMENTATION, seed=1, epoch=2, sample=3)
    assert np.array_equal(first, again)
    assert (first.shape, first.dtype) == (pixels.shape, np.uint8)


@pytest.mark.parametrize("other", [(2, 2, 3), (1, 3, 3), (1, 2, 4)])
def test_another_seed_epoch_or_sample_gives_another_copy(
    pixels: np.ndarray, other: tuple[int, int, int]
) -> None:
    seed, epoch, sample = other
    copy = augment(pixels, PAPER_AUGMENTATION, seed=seed, epoch=epoch, sample=sample)
    assert not np.array_equal(copy, augment(pixels, PAPER_AUGMENTATION, seed=1, epoch=2, sample=3))


def test_without_augmentation_the_image_is_unchanged(pixels: np.ndarray) -> None:
    copy = augment(pixels, NO_AUGMENTATION, seed=1, epoch=2, sample=3)
    assert np.array_equal(copy, pixels)


def test_quarter_turns_and_flips_only_move_pixels(pixels: np.ndarray) -> None:
    limits = Augmentation(rotation=0, scale=0, brightness=0)
    copies = [augment(pixels, limits, seed=0, epoch=epoch, sample=0) for epoch in range(40)]
    for copy in copies:
        assert np.array_equal(np.sort(copy, axis=None), np.sort(pixels, axis=None))
    assert len({copy.tobytes() for copy in copies}) == 8  # the symmetries of a square


def test_brightness_stays_within_its_limits(pixels: np.ndarray) -> None:
    limits = replace(NO_AUGMENTATION, brightness=0.25)
    shares = [
        augment(pixels, limits, seed=0, epoch=epoch, sample=0).mean() / pixels.mean()
        for epoch in range(60)
    ]
    assert 1 / 1.26 < min(shares) < 0.85
    assert 1.17 < max(shares) < 1.26


def test_turning_and_scaling_leave_no_empty_corner(pixels: np.ndarray) -> None:
    limits = Augmentation(rotation=45, scale=0.2, brightness=0)
    for epoch in range(30):
        assert augment(pixels, limits, seed=0, epoch=epoch, sample=0).min() >= pixels.min() - 1
