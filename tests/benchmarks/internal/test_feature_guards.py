"""`feature_guards`: every distance puts unlike features farther away than those of training."""

from __future__ import annotations

import numpy as np
import pytest

from alledge.benchmarks.internal.feature_guards.__main__ import Part, fitted_limit
from alledge.benchmarks.internal.feature_guards.distances import GUARDS


def features(seed: int, count: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(2, size=count)
    table = random.normal(size=(count, 40)) + 4 * (np.arange(40) % 2 == truth[:, None])
    table[:, 20:] += shift * random.choice([-1, 1], size=(count, 20))
    return table, truth


# the relative distance ignores by design what all classes share
ABSOLUTE = [name for name in GUARDS if not name.startswith("relative")]


@pytest.mark.parametrize("name", ABSOLUTE)
def test_unlike_features_are_above_the_limit_and_those_of_training_seldom(name: str) -> None:
    table, truth = features(0, 400)
    pixels = np.zeros((400, 1, 1, 3), np.uint8)
    limit = fitted_limit(GUARDS[name], Part(table, pixels, truth, np.arange(400) // 4))
    distance = GUARDS[name](table, truth)
    assert np.mean(distance(features(1, 200)[0]) > limit) < 0.15
    assert np.mean(distance(features(2, 200, shift=8.0)[0]) > limit) > 0.9
