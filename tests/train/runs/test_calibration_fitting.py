"""Temperature, threshold and band have the properties that their names promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.runtime.metrics.decisions import apply_temperature
from alledge.runtime.metrics.metrics import log_loss
from alledge.train.runs.calibration_fitting import fit_decision, fit_temperature


def test_the_temperature_undoes_a_known_overconfidence() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0.02, 0.98, 4000)
    truth = (random.uniform(size=4000) < p).astype(int)
    calibrated = np.column_stack([1 - p, p])
    overconfident = apply_temperature(calibrated, 1 / 2.5)  # logits times 2.5
    assert fit_temperature(truth, calibrated) == pytest.approx(1, abs=0.07)
    assert fit_temperature(truth, overconfident) == pytest.approx(2.5, abs=0.2)


def test_the_temperature_lowers_the_log_loss_and_keeps_the_ranking() -> None:
    random = np.random.default_rng(1)
    scores = random.dirichlet((0.2, 0.2, 0.2), 200)
    truth = np.where(random.uniform(size=200) < 0.6, scores.argmax(axis=1), 0)
    after = apply_temperature(scores, fit_temperature(truth, scores))
    assert log_loss(truth, after) < log_loss(truth, scores)
    assert np.array_equal(after.argmax(axis=1), scores.argmax(axis=1))


@pytest.mark.parametrize("count", [10, 100])
@pytest.mark.parametrize("p", [0.6, 0.9, 0.999])
def test_separable_scores_are_not_more_confident_than_their_number_allows(
    count: int, p: float
) -> None:
    truth = np.arange(2 * count) % 2
    scores = np.where(truth[:, None] == np.arange(2), p, 1 - p)
    after = apply_temperature(scores, fit_temperature(truth, scores))
    given = after[np.arange(len(truth)), truth]
    assert given == pytest.approx((count + 1) / (count + 2), abs=1e-4)


def test_the_threshold_is_the_middle_of_the_gap_between_separable_classes() -> None:
    fitted = fit_decision([0, 0, 1, 1], [0.02, 0.1, 0.9, 0.99])
    assert fitted.threshold == pytest.approx(0.5)
    assert (fitted.low, fitted.high) == (pytest.approx(0.3), pytest.approx(0.7))
    assert (fitted.sensitivity, fitted.specificity, fitted.reached) == (1, 1, True)


def test_the_threshold_is_the_highest_with_the_wanted_sensitivity() -> None:
    is_positive = np.array([False] * 100 + [True] * 100)
    score = np.concatenate([np.linspace(0.0, 0.5, 100), np.linspace(0.4, 1.0, 100)])
    fitted = fit_decision(is_positive, score, sensitivity=0.99)
    assert fitted.sensitivity == pytest.approx(0.99)
    assert np.mean(score[is_positive] >= fitted.threshold + 0.0061) < 0.99
    assert fitted.low == fitted.threshold < fitted.high
    assert np.mean(score[~is_positive] < fitted.high) >= 0.99


def test_one_unrecognisable_blast_does_not_make_every_image_positive() -> None:
    is_positive = np.array([False] * 59 + [True] * 49)
    score = np.concatenate([np.linspace(0.001, 0.2, 59), [0.0001], np.linspace(0.8, 0.99, 48)])
    fitted = fit_decision(is_positive, score)
    assert 0.2 < fitted.threshold < 0.8
    assert not fitted.reached
    assert fitted.low <= 0.0001  # the band begins below it


def test_the_threshold_of_what_is_counted_calls_as_many_positive_as_there_are() -> None:
    is_positive = np.array([False] * 100 + [True] * 60)
    score = np.concatenate([np.linspace(0.0, 0.5, 100), np.linspace(0.4, 1.0, 60)])
    sensitive, counted = (
        fit_decision(is_positive, score),
        fit_decision(is_positive, score, counted=True),
    )
    assert np.sum(score >= counted.threshold) == 60 < np.sum(score >= sensitive.threshold)
    assert (counted.low, counted.high) == (sensitive.low, sensitive.high)  # the same band
    assert (sensitive.reached, counted.reached) == (True, False)


def test_of_equal_scores_the_nearest_count_is_taken_and_the_higher_of_two() -> None:
    assert fit_decision(
        [0, 0, 1, 1], [0.2, 0.6, 0.6, 0.6], counted=True
    ).threshold == pytest.approx(0.4)
    # 1 or 3 of 2: no cut is nearer
    assert fit_decision(
        [0, 1, 0, 1], [0.2, 0.4, 0.4, 0.9], counted=True
    ).threshold == pytest.approx(0.3)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 40))
def test_a_decision_is_consistent_for_any_scores(seed: int, positives: int, negatives: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.array([True] * positives + [False] * negatives)
    score = np.round(random.uniform(size=positives + negatives), 2)
    fitted = fit_decision(truth, score)
    assert 0 <= fitted.low <= fitted.threshold <= fitted.high <= 1
    assert fitted.sensitivity == np.mean(score[truth] >= fitted.threshold)
    assert fitted.reached == (fitted.sensitivity >= 0.99)
    assert np.mean(score[truth] >= fitted.low) >= 0.99


def test_a_temperature_at_the_end_of_the_range_is_returned_exactly() -> None:
    truth = np.arange(40) % 2
    wrong = np.where(truth[:, None] == np.arange(2), 0.01, 0.99)  # always wrong: no limit is best
    assert fit_temperature(truth, wrong) == 20.0
