"""The head in numpy has the scores and gradients of the same Keras layers, and it learns."""

from typing import Any

import numpy as np
import pytest

from alledge.train.fitting.targets import FitImages, balanced_loss
from alledge.train.study.numpy_head import DenseHead, HeadRecipe, fit_head

RANDOM = np.random.default_rng(5)
FEATURES = RANDOM.normal(size=(24, 7)).astype(np.float32)


def head(units: list[int]) -> DenseHead:
    return DenseHead(np.zeros(7, np.float32), 1.0, units, seed=1)


@pytest.mark.parametrize(("units", "classes"), [([1], 2), ([6, 5, 1], 2), ([4, 3], 3)])
def test_scores_and_gradients_are_those_of_the_same_keras_layers(
    units: list[int], classes: int
) -> None:
    from alledge.train.networks.tensorflow_import import keras, tf

    ours = head(units)
    ends = "sigmoid" if units[-1] == 1 else "softmax"
    network = keras.Sequential(
        [keras.Input((7,))]
        + [keras.layers.Dense(unit, activation="relu") for unit in units[:-1]]
        + [keras.layers.Dense(units[-1], activation=ends)]
    )
    network.set_weights(ours.layers)
    output = network.predict_on_batch(FEATURES)
    expected = np.hstack([1 - output, output]) if units[-1] == 1 else output
    assert np.allclose(ours.scores(FEATURES), expected, atol=1e-6)

    one_hot = np.eye(classes, dtype=np.float32)[RANDOM.integers(classes, size=24)]
    target: Any = one_hot[:, 1:] if classes == 2 else one_hot
    weight = RANDOM.uniform(0.5, 2, 24).astype(np.float32)
    lost = keras.losses.binary_crossentropy if classes == 2 else None
    with tf.GradientTape() as tape:
        out = network(FEATURES)
        loss = (lost or keras.losses.categorical_crossentropy)(target, out)
        total = tf.reduce_mean(loss * weight)
    for one, other in zip(
        ours.gradients(FEATURES, target, weight),
        tape.gradient(total, network.trainable_variables),
        strict=True,
    ):
        assert np.allclose(one, np.asarray(other), atol=1e-5)


def test_a_head_learns_a_separable_problem_and_is_reproducible() -> None:
    truth = (FEATURES[:, 0] + FEATURES[:, 1] > 0).astype(np.int64)
    part = FitImages(np.arange(16), np.arange(16, 24), truth, 2)
    recipe = HeadRecipe(lr=0.03, batch_size=4, epochs=40, dense=(8,))
    one, history = fit_head(part, lambda epoch: FEATURES, recipe, seed=2)
    other, _ = fit_head(part, lambda epoch: FEATURES, recipe, seed=2)
    assert history[-1]["loss"] < history[0]["loss"] / 3
    assert np.array_equal(one.scores(FEATURES), other.scores(FEATURES))
    assert history[-1]["val_loss"] == balanced_loss(truth[16:], one.scores(FEATURES[16:]))


def test_images_outside_the_part_do_not_change_the_fit() -> None:
    truth = (FEATURES[:, 0] > 0).astype(np.int64)
    part = FitImages(np.arange(16), np.empty(0, np.int64), truth, 2)
    recipe = HeadRecipe(lr=0.01, batch_size=4, epochs=5)
    hidden = FEATURES.copy()
    hidden[16:] = np.nan
    one, _ = fit_head(part, lambda epoch: FEATURES, recipe, seed=2)
    other, _ = fit_head(part, lambda epoch: hidden, recipe, seed=2)
    assert np.array_equal(one.scores(FEATURES), other.scores(FEATURES))
