"""The network of bodies is fitted, and scores a field of any size."""

from __future__ import annotations

import numpy as np

from alledge.train.bodies.fitting import fit_bodies
from alledge.train.bodies.patches import SIDE, BodySample, random_patch
from alledge.train.bodies.scoring import body_maps


def sample(unknown: object = ()) -> BodySample:
    density = np.zeros((90, 120, 3), np.float32)
    density[30:50, 40:60] = 1
    return BodySample(
        density, np.array([[49.5, 39.5]]), np.zeros((0, 2)), np.array(unknown).reshape(-1, 2)
    )


def test_a_patch_has_a_peak_at_a_body_and_no_weight_where_nothing_is_known() -> None:
    rng = np.random.default_rng(0)
    patches = [random_patch(rng, sample([[100.0, 80.0]]), 12.0) for _ in range(20)]
    assert all(patch.shape == (SIDE, SIDE, 3) for patch, _, _ in patches)
    assert any(maps[..., 0].max() == 1 for _, maps, _ in patches)
    assert all(maps[..., 1].max() == 0 for _, maps, _ in patches)
    assert any(weight.min() == 0 for _, _, weight in patches)


def test_a_fitted_network_scores_a_field_at_half_its_size() -> None:
    losses: list[float] = []
    network = fit_bodies(
        [[sample()]],
        [1.0],
        unit=12.0,
        steps=100,
        seed=0,
        progress=lambda _, loss: losses.append(loss),
    )
    maps = body_maps(network, sample().density[:75, :101])
    assert maps.shape == (38, 51, 2)
    assert 0 <= maps.min() <= maps.max() <= 1
    assert len(losses) == 1
