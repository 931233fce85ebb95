"""Training images are recognised by their pixels, and by nothing else."""

from __future__ import annotations

import numpy as np

from alledge.runtime.bundle.seen_images import TrainingImageHashes, pixel_hash

RGB = np.arange(224 * 224 * 3, dtype=np.uint32).astype(np.uint8).reshape(224, 224, 3)


def test_a_training_image_is_recognised() -> None:
    hashes = TrainingImageHashes({"salt": "00ff", "hashes": [pixel_hash("00ff", RGB)]})
    assert RGB in hashes
    assert RGB.copy() in hashes
    assert len(hashes) == 1


def test_one_changed_pixel_is_another_image() -> None:
    hashes = TrainingImageHashes({"salt": "00ff", "hashes": [pixel_hash(b"\x00\xff", RGB)]})
    other = RGB.copy()
    other[0, 0, 0] ^= 1
    assert other not in hashes


def test_hashes_of_two_salts_do_not_match() -> None:
    assert pixel_hash("00", RGB) != pixel_hash("01", RGB)
    assert len(pixel_hash("00", RGB)) == 32


def test_without_a_record_no_image_is_recognised() -> None:
    assert RGB not in TrainingImageHashes(None)
