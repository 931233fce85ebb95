"""The choice of reference images and the pool that they come from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alledge.errors import DataError
from alledge.export.gate import reference_images
from alledge.export.gate.reference_images import REFERENCES, add_blends, choose_references
from alledge.runtime.image_settings import ImageSettings

SIZE = ImageSettings(size=32)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=REFERENCES, max_size=200), st.floats(0.05, 0.95))
def test_references_are_32_different_images_sorted_by_score(p, threshold):
    scores = np.array(p)
    chosen = choose_references(scores, threshold)
    assert len(set(chosen.tolist())) == len(chosen) == REFERENCES
    assert np.all(np.diff(scores[chosen]) >= 0)


@settings(max_examples=50)
@given(st.integers(16, 100), st.integers(16, 100))
def test_references_are_on_both_sides_and_include_the_nearest_of_each(below, above):
    p = np.concatenate([np.linspace(0, 0.49, below), np.linspace(0.5, 1, above)])
    chosen = p[choose_references(p, 0.5)]
    assert np.sum(chosen < 0.5) == np.sum(chosen >= 0.5) == REFERENCES // 2
    assert 0.49 in chosen
    assert 0.5 in chosen
    assert {0.0, 1.0} <= set(chosen)


def test_the_pool_is_reproducible_and_has_no_duplicates():
    first, again = reference_images.generate_pool(SIZE), reference_images.generate_pool(SIZE)
    assert first.shape == (reference_images.FIELDS * reference_images.VARIANTS, 32, 32, 3)
    assert np.array_equal(first, again)
    assert len(np.unique(first.reshape(len(first), -1), axis=0)) == len(first)


def test_blends_approach_the_threshold_of_a_confident_model():
    images = np.zeros((40, 4, 4, 3), np.uint8)
    images[20:] = 255

    def score(images):  # a steep step at 60 % brightness
        return 1 / (1 + np.exp(-(images.mean(axis=(1, 2, 3)) / 255 - 0.6) * 400))

    _, p = add_blends(images, score(images), 0.5, score)
    assert np.sum(np.abs(p - 0.5) < 0.15) >= 8
    assert np.sum(np.abs(score(images) - 0.5) < 0.45) == 0


def test_no_blend_is_added_if_all_scores_are_on_one_side():
    images = np.zeros((40, 4, 4, 3), np.uint8)
    pool, p = add_blends(images, np.zeros(40), 0.5, lambda batch: np.zeros(len(batch)))
    assert pool is images
    assert len(p) == 40


def test_a_folder_with_too_few_references_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    with pytest.raises(DataError, match="has 1 images"):
        reference_images.load_reference_folder(tmp_path, SIZE)


def test_all_images_of_a_reference_folder_are_loaded(tmp_path):
    for number in range(REFERENCES):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number:02d}.png")
    assert reference_images.load_reference_folder(tmp_path, SIZE)[:, 0, 0, 0].tolist() == list(
        range(REFERENCES)
    )
