"""The linear probe: its standardisation and the choice of its penalty."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from alledge.train.fitting.linear_probe import INVERSE_STRENGTHS, fit_probe


@pytest.fixture(scope="module")
def features() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    truth = np.arange(60) % 3
    table = random.normal(size=(60, 8)) * np.arange(1, 9) + 5
    table[:, 0] += 3 * truth
    table[:, 1] = 4.0  # a constant feature
    return table.astype(np.float32), truth


@pytest.mark.parametrize("classes", [2, 3])
def test_probe_is_the_regression_on_standardised_features(
    features: tuple[np.ndarray, np.ndarray], classes: int
) -> None:
    table, truth = features[0], np.minimum(features[1], classes - 1)
    groups = [str(index) for index in range(60)]
    probe = fit_probe(table, truth, groups, balanced=True, seed=0)
    assert probe.inverse_strength in INVERSE_STRENGTHS
    scaled = StandardScaler().fit_transform(table)
    plain = LogisticRegression(C=probe.inverse_strength, class_weight="balanced", max_iter=5000)
    expected = plain.fit(scaled, truth).predict_proba(scaled)
    assert np.allclose(probe.scores(table), expected, atol=1e-3)
    assert probe.kernel.shape == (8, 1 if classes == 2 else 3)


def test_probe_on_noise_chooses_a_strong_penalty() -> None:
    random = np.random.default_rng(1)
    table, truth = random.normal(size=(40, 30)).astype(np.float32), np.arange(40) % 2
    probe = fit_probe(table, truth, [str(i) for i in range(40)], balanced=False, seed=0)
    assert probe.inverse_strength <= 1e-3
    assert np.abs(probe.scores(table) - 0.5).max() < 0.3


def test_probe_of_a_class_with_one_group_still_fits() -> None:
    table = np.array([[0.0], [0.1], [1.0], [1.1]], dtype=np.float32)
    probe = fit_probe(table, np.array([0, 0, 1, 1]), ["a", "b", "c", "c"], balanced=True, seed=0)
    assert probe.scores(table)[:, 1].argsort().tolist() == [0, 1, 2, 3]


def test_of_many_rows_the_first_pass_chooses_the_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three equal passes give the same probe as one: each image has three losses."""
    random = np.random.default_rng(2)
    truth = np.arange(60) % 2
    table = (random.normal(size=(60, 80)) + 0.5 * truth[:, None]).astype(np.float32)
    groups = [str(index) for index in range(60)]
    monkeypatch.setattr("alledge.train.fitting.linear_probe.MAX_CHOICE_ROWS", 100)
    one = fit_probe(table, truth, groups, balanced=True, seed=0)
    three = fit_probe(
        np.tile(table, (3, 1)), np.tile(truth, 3), groups * 3, balanced=True, seed=0, passes=3
    )
    assert three.inverse_strength == pytest.approx(one.inverse_strength / 3)
    assert np.allclose(three.scores(table), one.scores(table), atol=2e-3)
