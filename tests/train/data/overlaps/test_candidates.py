"""Candidates by votes: the shift, the votes, the nearest twenty of an image."""

import numpy as np
import pytest

from alledge.train.data.overlaps.candidates import NEAREST, Candidate, candidates
from alledge.train.data.overlaps.landmarks import Signature

PLACES = 40


def signature(rng: np.random.Generator, hashes=None, places=None) -> Signature:
    return Signature(
        (640, 480),
        np.zeros((240, 320), np.int8),
        np.where(rng.random(64) > 0.5, 1, -1).astype(np.int8),
        rng.integers(12, 300, (PLACES, 2)).astype(np.int16) if places is None else places,
        rng.integers(0, 2**63, PLACES, dtype=np.uint64) if hashes is None else hashes,
    )


def flipped(rng: np.random.Generator, hashes: np.ndarray, bits: int) -> np.ndarray:
    """The hashes with so many bits of their later half changed: the first band stays."""
    masks = [sum(1 << int(bit) for bit in rng.choice(32, bits, replace=False)) for _ in hashes]
    return hashes ^ np.array(masks, dtype=np.uint64)


@pytest.mark.parametrize("bits", [0, 1, 6])
@pytest.mark.parametrize("shift", [(37, -21), (-3, 3), (0, 0), (-250, 11)])
def test_two_images_that_share_patches_are_named_with_shift_and_votes(bits, shift):
    rng = np.random.default_rng(7)
    images = [signature(rng) for _ in range(60)]
    there = images[20].places - np.array(shift, np.int16)
    images[41] = signature(rng, flipped(rng, images[20].hashes, bits), there)
    first = candidates(images)[0]
    assert first == Candidate(20, 41, *shift, PLACES)


def test_no_image_brings_more_than_its_nearest():
    rng = np.random.default_rng(3)
    hashes, places = signature(rng).hashes, signature(rng).places
    images = [
        signature(rng, flipped(rng, hashes, 2), places + np.int16(7 * at)) for at in range(50)
    ]
    found = [one for one in candidates(images) if one.dx is not None]
    assert NEAREST * 50 / 2 <= len(found) <= NEAREST * 50
    votes = [one.votes for one in found]
    assert votes == sorted(votes, reverse=True)


def test_images_that_share_nothing_and_unreadable_ones_give_none():
    rng = np.random.default_rng(5)
    nothing = signature(rng, np.empty(0, np.uint64), np.empty((0, 2), np.int16))
    images = [signature(rng), None, nothing, signature(rng)]
    assert not [one for one in candidates(images) if one.dx is not None]
