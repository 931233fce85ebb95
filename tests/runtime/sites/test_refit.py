"""The refit of the last layer, and the rule that decides whether it is taken into use."""

import numpy as np
import pytest

from alledge.runtime.bundle.last_layers import LastLayer
from alledge.runtime.metrics.decisions import is_positive
from alledge.runtime.sites.judgement import cross_validated, judge_refit, learning_curve
from alledge.runtime.sites.refit import SiteHead, fit_head, fit_rule, group_folds, rounded
from alledge.runtime.sites.solver import Examples, Problem

LABELS, POSITIVE = ("healthy", "other", "blast"), ("blast",)
SIDES = is_positive(LABELS, POSITIVE)
SIZE = 64


def site(
    seed: int, count: int = 80, groups: int = 16, turn: float = 0.0, noise: float = 1.0
) -> tuple[Examples, SiteHead]:
    """Return examples of three classes whose directions are turned from the shipped layer's."""
    rng = np.random.default_rng(seed)
    at_home, here = rng.normal(size=(2, 3, SIZE)) / np.sqrt(SIZE)
    truth = rng.choice(3, size=count, p=[0.45, 0.1, 0.45])
    group = rng.integers(groups, size=count)
    centres = 3 * (np.cos(turn) * at_home + np.sin(turn) * here)
    features = centres[truth] + noise * rng.normal(size=(count, SIZE))
    features += 0.2 * rng.normal(size=(groups, SIZE))[group]
    layer = LastLayer(4 * at_home.T, np.zeros(3))
    return Examples(features.astype(np.float32), truth, group), SiteHead(
        layer, 1.0, 0.5, (0.3, 0.7)
    )


def permuted(examples: Examples, seed: int) -> Examples:
    truth = np.random.default_rng(seed).permutation(examples.truth)
    return Examples(examples.features, truth, examples.groups)


def test_a_layer_that_fits_the_site_is_found():
    examples, shipped = site(1, turn=1.3)
    judgement = judge_refit(examples, shipped, LABELS, POSITIVE)
    assert judgement.adopted
    assert judgement.differences["auc"]["low"] > 0
    assert judgement.after["auc"] > judgement.before["auc"] + 0.1
    assert judgement.more == 0
    head = fit_head(examples, shipped, LABELS, POSITIVE)
    p = head.scores(examples.features)[:, SIDES].sum(axis=1)
    assert np.mean((p >= head.threshold) == SIDES[examples.truth]) > 0.9
    assert head.band[0] <= head.threshold <= head.band[1]


def test_a_good_layer_is_kept():
    examples, shipped = site(2, turn=0.0, noise=0.6)
    scaled = SiteHead(
        LastLayer(2 * shipped.layer.weights, shipped.layer.bias), 1.0, 0.5, (0.3, 0.7)
    )
    judgement = judge_refit(examples, scaled, LABELS, POSITIVE)
    assert not judgement.adopted
    assert judgement.before["auc"] > 0.95


def test_a_layer_that_is_overconfident_is_adopted_for_its_calibration():
    examples, shipped = site(3, count=160, turn=0.0, noise=2.5)
    loud = SiteHead(LastLayer(4 * shipped.layer.weights, shipped.layer.bias), 1.0, 0.5, (0.3, 0.7))
    judgement = judge_refit(examples, loud, LABELS, POSITIVE)
    assert judgement.adopted
    assert judgement.differences["brier"]["high"] < 0
    assert judgement.after["brier"] < judgement.before["brier"]


@pytest.mark.parametrize("turn", [0.0, 1.3])
def test_shuffled_labels_are_not_adopted(turn):
    examples, shipped = site(4, turn=turn)
    for seed in range(5):
        judgement = judge_refit(permuted(examples, seed), shipped, LABELS, POSITIVE)
        assert not judgement.adopted
        assert "of no use" in judgement.reason
        assert judgement.more is None or judgement.more > 0


def test_the_layer_is_the_solution_that_the_logits_were_computed_with():
    examples, shipped = site(5, turn=0.8)
    problem = Problem.of_examples(examples, shipped.layer)
    rule = fit_rule(problem, SIDES, shipped.threshold)
    layer = rule.solution.layer(examples.features, shipped.layer)
    logits = rule.solution.logits(problem.gram, problem.given, problem.gram)
    assert layer.logits(examples.features) == pytest.approx(logits, abs=1e-6)
    head = fit_head(examples, shipped, LABELS, POSITIVE)
    stored = rounded(head)
    assert stored.layer.weights.dtype == np.float32
    scores = head.scores(examples.features)
    assert stored.scores(examples.features) == pytest.approx(scores, abs=1e-5)


def test_the_strongest_penalty_changes_scale_and_shift_only():
    examples, shipped = site(6)
    problem = Problem.of_examples(examples, shipped.layer)
    rule = fit_rule(problem, SIDES, 0.5, (np.inf,))
    layer = rule.solution.layer(examples.features, shipped.layer)
    expected = rule.solution.scale * shipped.layer.weights
    assert layer.weights == pytest.approx(expected, abs=1e-9)
    assert rule.solution.coefficients == pytest.approx(0, abs=1e-12)


def test_no_group_is_judged_by_a_layer_that_was_fitted_to_it():
    examples, _ = site(7)
    folds = group_folds(examples.truth, examples.groups, SIDES, 5)
    for group in np.unique(examples.groups):
        assert len(set(folds[examples.groups == group])) == 1
    for fold in range(folds.max() + 1):
        rest = SIDES[examples.truth[folds != fold]]
        assert rest.any()
        assert not rest.all()


def test_a_leak_between_copies_of_a_cell_is_closed_by_their_group():
    """Random labels of five copies each: groups keep the copies together."""
    rng = np.random.default_rng(8)
    features = np.repeat(rng.normal(size=(20, SIZE)), 5, axis=0)
    truth = np.repeat(np.where(np.arange(20) % 2, 2, 0), 5)
    layer = LastLayer(rng.normal(size=(SIZE, 3)), np.zeros(3))
    shipped = SiteHead(layer, 1.0, 0.5, (0.3, 0.7))
    examples = Examples(features, truth, np.repeat(np.arange(20), 5))
    answers = cross_validated(examples, shipped, LABELS, POSITIVE)
    right = np.mean(answers.called == SIDES[truth])
    assert right < 0.8


def test_the_fit_does_not_depend_on_the_order_of_the_examples():
    examples, shipped = site(9, turn=1.0)
    order = np.random.default_rng(0).permutation(len(examples))
    turned = Examples(examples.features[order], examples.truth[order], examples.groups[order])
    first, second = (fit_head(rows, shipped, LABELS, POSITIVE) for rows in (examples, turned))
    assert first.layer.weights == pytest.approx(second.layer.weights, abs=1e-3)
    assert first.threshold == pytest.approx(second.threshold, abs=1e-3)


def test_the_learning_curve_rises():
    examples, shipped = site(10, count=160, turn=1.3, noise=3.0)
    curve = learning_curve(examples, shipped, LABELS, POSITIVE, 0.03)
    counts, areas = zip(*curve, strict=True)
    assert list(counts) == sorted(counts)
    assert areas[-1] > areas[0]


def test_a_label_that_nobody_checked_keeps_a_probability():
    examples, shipped = site(11)
    without = Examples(
        examples.features, np.where(examples.truth == 1, 0, examples.truth), examples.groups
    )
    scores = fit_head(without, shipped, LABELS, POSITIVE).scores(examples.features)
    assert np.isfinite(scores).all()
    assert scores[:, 1].max() < 0.5
