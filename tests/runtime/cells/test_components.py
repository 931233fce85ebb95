"""The image operations of cell detection, compared with scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from alledge.runtime.cells.basins import find_basins
from alledge.runtime.cells.components import fill_holes, label_components
from alledge.runtime.cells.distance import distance_transform

masks = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(masks)
def test_components_are_those_of_scipy(mask: NDArray[np.bool_]) -> None:
    labels, count = label_components(mask)
    expected, expected_count = ndimage.label(mask, np.ones((3, 3)))
    assert count == expected_count
    assert np.array_equal(labels, expected)


@given(masks, st.integers(0, 20))
def test_holes_below_an_area_are_filled(mask: NDArray[np.bool_], area: int) -> None:
    labels, count = ndimage.label(~mask, np.ones((3, 3)))
    sizes = ndimage.sum_labels(~mask, labels, np.arange(count + 1))
    expected = mask | ((labels > 0) & (sizes < area)[labels])
    assert np.array_equal(fill_holes(mask, area), expected)


@given(masks)
def test_distances_are_those_of_scipy_where_the_mask_has_an_outside(
    mask: NDArray[np.bool_],
) -> None:
    distance = distance_transform(mask, 30)
    if mask.all():
        assert np.all(distance == 30)
    else:
        assert np.allclose(distance, ndimage.distance_transform_edt(mask))


def test_distances_are_cut_at_the_limit() -> None:
    mask = np.ones((1, 100), bool)
    mask[0, 0] = False
    assert distance_transform(mask, 10).max() == 10


@pytest.mark.parametrize("gap", [12, 20])
def test_two_discs_are_two_basins_with_a_saddle_between_their_heights(gap: int) -> None:
    y, x = np.mgrid[:60, :80]
    mask = (np.hypot(x - 30, y - 30) < 12) | (np.hypot(x - 30 - gap, y - 30) < 12)
    height = ndimage.gaussian_filter(distance_transform(mask, 40), 1)
    basins = find_basins(height, mask)
    assert len(basins.peak_row) == 2
    assert len(basins.basin) == mask.sum()
    assert list(zip(basins.first, basins.second, strict=True)) == [(0, 1)]
    assert 0 < basins.saddle[0] < height.max()
