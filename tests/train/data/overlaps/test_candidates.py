"""Selection of candidate pairs: their shift, their votes, and how many an image may have."""

import numpy as np
import pytest

from alledge.train.data.overlaps.candidates import CANDIDATES_PER_IMAGE, Candidate, candidates
from alledge.train.data.overlaps.landmarks import Signature

LANDMARKS = 40


def signature(rng: np.random.Generator, hashes=None, landmarks=None) -> Signature:
    """A signature with random hashes and landmarks where none are given."""
    return Signature(
        size=(640, 480),
        detail=np.zeros((240, 320), np.int8),
        image_hash=np.where(rng.random(64) > 0.5, 1, -1).astype(np.int8),
        landmarks=(
            rng.integers(12, 300, (LANDMARKS, 2)).astype(np.int16)
            if landmarks is None
            else landmarks
        ),
        patch_hashes=(
            rng.integers(0, 2**63, LANDMARKS, dtype=np.uint64) if hashes is None else hashes
        ),
    )


def flip_bits(rng: np.random.Generator, hashes: np.ndarray, bits: int) -> np.ndarray:
    """The hashes with this many bits of their lower half flipped. Their first band stays."""
    masks = [sum(1 << int(bit) for bit in rng.choice(32, bits, replace=False)) for _ in hashes]
    return hashes ^ np.array(masks, dtype=np.uint64)


@pytest.mark.parametrize("bits", [0, 1, 6])
@pytest.mark.parametrize("shift", [(37, -21), (-3, 3), (0, 0), (-250, 11)])
def test_images_with_common_patches_are_a_candidate_with_shift_and_votes(bits, shift):
    rng = np.random.default_rng(7)
    signatures = [signature(rng) for _ in range(60)]
    shifted = signatures[20].landmarks - np.array(shift, np.int16)
    hashes = flip_bits(rng, signatures[20].patch_hashes, bits)
    signatures[41] = signature(rng, hashes, shifted)
    assert candidates(signatures)[0] == Candidate(20, 41, *shift, LANDMARKS)


def test_an_image_has_a_limited_number_of_candidates():
    rng = np.random.default_rng(3)
    first = signature(rng)
    hashes, landmarks = first.patch_hashes, signature(rng).landmarks
    signatures = [
        signature(rng, flip_bits(rng, hashes, 2), landmarks + np.int16(7 * index))
        for index in range(50)
    ]
    by_patches = [one for one in candidates(signatures) if one.dx is not None]
    assert CANDIDATES_PER_IMAGE * 50 / 2 <= len(by_patches) <= CANDIDATES_PER_IMAGE * 50
    votes = [one.votes for one in by_patches]
    assert votes == sorted(votes, reverse=True)


def test_images_without_common_patches_and_unreadable_ones_are_no_candidates():
    rng = np.random.default_rng(5)
    flat = signature(rng, np.empty(0, np.uint64), np.empty((0, 2), np.int16))
    signatures = [signature(rng), None, flat, signature(rng)]
    assert not [one for one in candidates(signatures) if one.dx is not None]
