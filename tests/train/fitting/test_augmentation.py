"""Augmentation: a pure function of seed, epoch and sample, within the limits of each change."""

from dataclasses import replace

import numpy as np
import pytest

from alledge.train.fitting.augmentation import (
    CELL_AUGMENTATION,
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


@pytest.mark.parametrize(
    "change",
    ["rotation", "scale", "shift", "stain", "blur", "white_point", "brightness", "noise", "jpeg"],
)
def test_each_change_of_cells_is_a_function_of_seed_epoch_and_sample(change: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    wide = Augmentation(
        rotation=180, scale=0.15, shift=0.04, stain=0.2, blur=0.008, white_point=0.05, noise=0.03,
        jpeg=60,
    )  # fmt: skip
    limits = replace(NO_AUGMENTATION, **{change: getattr(wide, change)})
    first = augment(pixels, limits, seed=1, epoch=2, sample=3)
    assert not np.array_equal(first, pixels)
    assert np.array_equal(first, augment(pixels, limits, seed=1, epoch=2, sample=3))
    assert not np.array_equal(first, augment(pixels, limits, seed=1, epoch=3, sample=3))


def test_the_copies_for_fields_do_not_depend_on_the_changes_for_cells(pixels: np.ndarray) -> None:
    """A change draws its own random numbers, after those of the changes before it."""
    moved = replace(PAPER_AUGMENTATION, brightness=0, white_point=0.2)
    plain = replace(PAPER_AUGMENTATION, brightness=0)
    copies = [augment(pixels, limits, seed=0, epoch=4, sample=0) for limits in (plain, moved)]
    gains = copies[1].mean(axis=(0, 1)) / copies[0].mean(axis=(0, 1))
    assert (np.abs(np.log(gains)) <= np.log(1.21)).all()
    for channel, gain in enumerate(gains):
        expected = np.clip(copies[0][..., channel] * gain, 0, 255)
        assert np.abs(copies[1][..., channel] - expected).max() < 3


def test_the_white_point_is_a_gain_of_each_channel(pixels: np.ndarray) -> None:
    limits = replace(NO_AUGMENTATION, white_point=0.1)
    gains = np.array(
        [
            augment(pixels, limits, seed=0, epoch=epoch, sample=0).mean(axis=(0, 1))
            for epoch in range(60)
        ]
    ) / pixels.mean(axis=(0, 1))
    assert 1 / 1.11 < gains.min() < 0.93
    assert 1.07 < gains.max() < 1.11
    assert np.abs(gains[:, 0] - gains[:, 1]).max() > 0.05


def test_stain_jitter_keeps_white_and_scales_optical_density() -> None:
    white = np.full((16, 16, 3), 255, dtype=np.uint8)
    purple = np.full((16, 16, 3), (120, 60, 150), dtype=np.uint8)
    limits = replace(NO_AUGMENTATION, stain=0.3)
    densities = []
    for epoch in range(40):
        assert augment(white, limits, seed=0, epoch=epoch, sample=0).min() >= 254
        copy = augment(purple, limits, seed=0, epoch=epoch, sample=0)
        densities.append(-np.log((copy[0, 0] + 1.0) / 256).sum())
    ratio = np.array(densities) / -np.log((purple[0, 0] + 1.0) / 256).sum()
    assert 1 / 1.32 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.32


def test_blur_keeps_the_mean_and_lowers_the_contrast() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    limits = replace(NO_AUGMENTATION, blur=0.02)
    copies = [augment(noise, limits, seed=0, epoch=epoch, sample=0) for epoch in range(20)]
    assert min(copy.std() for copy in copies) < 0.5 * noise.std()
    assert max(abs(copy.mean() - noise.mean()) for copy in copies) < 1.5


def test_a_cell_stays_near_the_centre(pixels: np.ndarray) -> None:
    cell = np.full((64, 64, 3), 230, dtype=np.uint8)
    cell[28:36, 28:36] = 60
    for epoch in range(40):
        copy = augment(cell, CELL_AUGMENTATION, seed=0, epoch=epoch, sample=0)
        dark = np.argwhere(copy[..., 1] < 140)
        assert len(dark)
        shift = np.abs(dark.mean(axis=0) - 31.5).max()
        assert shift < 0.04 * 64 * 1.15 * 2**0.5 + 1
