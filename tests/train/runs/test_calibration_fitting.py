"""Temperature, threshold and band: fitted so that they mean what they are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.runtime.metrics.decisions import apply_temperature
from alledge.runtime.metrics.metrics import log_loss
from alledge.train.runs.calibration_fitting import fit_decision, fit_temperature


def test_temperature_undoes_a_known_overconfidence() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0.02, 0.98, 4000)
    truth = (random.uniform(size=4000) < p).astype(int)
    honest = np.column_stack([1 - p, p])
    boastful = apply_temperature(honest, 1 / 2.5)  # logits times 2.5
    assert fit_temperature(truth, honest) == pytest.approx(1, abs=0.07)
    assert fit_temperature(truth, boastful) == pytest.approx(2.5, abs=0.2)


def test_temperature_lowers_the_log_loss_and_keeps_the_order() -> None:
    random = np.random.default_rng(1)
    scores = random.dirichlet((0.2, 0.2, 0.2), 200)
    truth = np.where(random.uniform(size=200) < 0.6, scores.argmax(axis=1), 0)
    after = apply_temperature(scores, fit_temperature(truth, scores))
    assert log_loss(truth, after) < log_loss(truth, scores)
    assert np.array_equal(after.argmax(axis=1), scores.argmax(axis=1))


@pytest.mark.parametrize("count", [10, 100])
@pytest.mark.parametrize("p", [0.6, 0.9, 0.999])
def test_scores_that_part_the_labels_are_no_surer_than_their_number_allows(
    count: int, p: float
) -> None:
    truth = np.arange(2 * count) % 2
    scores = np.where(truth[:, None] == np.arange(2), p, 1 - p)
    after = apply_temperature(scores, fit_temperature(truth, scores))
    given = after[np.arange(len(truth)), truth]
    assert given == pytest.approx((count + 1) / (count + 2), abs=1e-4)


def test_threshold_stands_midway_where_scores_part_the_classes() -> None:
    fitted = fit_decision([0, 0, 1, 1], [0.02, 0.1, 0.9, 0.99])
    assert fitted.threshold == pytest.approx(0.5)
    assert (fitted.low, fitted.high) == (pytest.approx(0.3), pytest.approx(0.7))
    assert (fitted.sensitivity, fitted.specificity, fitted.reached) == (1, 1, True)


def test_threshold_is_the_highest_of_the_wanted_sensitivity() -> None:
    ill = np.array([False] * 100 + [True] * 100)
    score = np.concatenate([np.linspace(0.0, 0.5, 100), np.linspace(0.4, 1.0, 100)])
    fitted = fit_decision(ill, score, sensitivity=0.99)
    assert fitted.sensitivity == pytest.approx(0.99)
    assert np.mean(score[ill] >= fitted.threshold + 0.0061) < 0.99
    assert fitted.low == fitted.threshold < fitted.high
    assert np.mean(score[~ill] < fitted.high) >= 0.99


def test_one_blast_that_cannot_be_seen_does_not_make_everything_a_finding() -> None:
    ill = np.array([False] * 59 + [True] * 49)
    score = np.concatenate([np.linspace(0.001, 0.2, 59), [0.0001], np.linspace(0.8, 0.99, 48)])
    fitted = fit_decision(ill, score)
    assert 0.2 < fitted.threshold < 0.8
    assert not fitted.reached
    assert fitted.low <= 0.0001  # a person looks at everything from there on


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 40))
def test_any_scores_give_a_sane_decision(seed: int, ill: int, well: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.array([True] * ill + [False] * well)
    score = np.round(random.uniform(size=ill + well), 2)
    fitted = fit_decision(truth, score)
    assert 0 <= fitted.low <= fitted.threshold <= fitted.high <= 1
    assert fitted.sensitivity == np.mean(score[truth] >= fitted.threshold)
    assert fitted.reached == (fitted.sensitivity >= 0.99)
    assert np.mean(score[truth] >= fitted.low) >= 0.99
