"""Compares implementations of the head on frozen features: numpy, scikit-learn and Keras.

``python -m alledge.train.study.head_benchmark`` fits the default head to five folds of generated
features, as many as MobileNetV2 has, with each implementation. It prints the median processor time
per fit and the AUC on the test images. The implementations get the same images, class weights and
optimizer settings; the first two also get the same dropout masks and order of images.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from sklearn.datasets import make_classification
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from ...runtime.metrics.intervals import auc
from ..fitting.targets import FitImages, balanced_loss, targets
from .numpy_head import (
    ORDER_STREAM,
    Floats,
    HeadRecipe,
    dropped,
    fit_head,
    scaling,
)
from .plan import DEFAULT

IMAGES, FEATURES, FOLDS, SEED = 108, 1280, 5, 0
INFORMATIVE, SEPARATION = 40, 2.0  # of the generated features
RECIPE = HeadRecipe(lr=DEFAULT["lr"], batch_size=DEFAULT["batch_size"], epochs=DEFAULT["epochs"])

Fit = Callable[[FitImages, Floats], Floats]


def fit_numpy(part: FitImages, features: Floats) -> Floats:
    """Return the positive scores of all images by the head of the study."""
    head, _ = fit_head(part, lambda epoch: features, RECIPE, seed=SEED)
    return head.scores(features)[:, 1]


def fit_sklearn(part: FitImages, features: Floats) -> Floats:
    """Return the positive scores of all images by scikit-learn's `MLPClassifier`."""
    from sklearn.neural_network import MLPClassifier

    centre, scale = scaling(features[part.train])
    scaled = np.asarray((features - centre) / scale, np.float32)
    _, weight = targets(part, RECIPE.balanced)
    network = MLPClassifier(
        hidden_layer_sizes=(),
        alpha=0.0,
        batch_size=RECIPE.batch_size,
        learning_rate_init=RECIPE.lr,
        epsilon=1e-7,
        shuffle=False,
        random_state=SEED,
    )
    for epoch in range(1, RECIPE.epochs + 1):
        rows = np.random.default_rng([ORDER_STREAM, SEED, epoch]).permutation(part.train)
        inputs = dropped(scaled[rows], RECIPE.dropout, SEED, epoch)
        network.partial_fit(inputs, part.truth[rows], classes=[0, 1], sample_weight=weight[rows])
        for images in (part.train, part.validation):  # the losses of the history
            balanced_loss(part.truth[images], network.predict_proba(scaled[images]))
    return np.asarray(network.predict_proba(scaled)[:, 1])


def fit_keras(part: FitImages, features: Floats) -> Floats:
    """Return the positive scores of all images by the same layers in Keras."""
    from ..networks.tensorflow_import import keras

    centre, scale = scaling(features[part.train])
    scaled = np.asarray((features - centre) / scale, np.float32)
    target, weight = targets(part, RECIPE.balanced)
    keras.utils.set_random_seed(SEED)
    network = keras.Sequential(
        [
            keras.Input((features.shape[1],)),
            keras.layers.Dropout(RECIPE.dropout),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    network.compile(keras.optimizers.Adam(RECIPE.lr), "binary_crossentropy")
    network.fit(
        scaled[part.train],
        target[part.train],
        sample_weight=weight[part.train],
        validation_data=(scaled[part.validation], target[part.validation]),
        batch_size=RECIPE.batch_size,
        epochs=RECIPE.epochs,
        verbose=0,
    )
    return np.asarray(network.predict(scaled, verbose=0)[:, 0])


def main() -> None:
    """Print a table of the implementations."""
    features, truth = make_classification(
        IMAGES, FEATURES, n_informative=INFORMATIVE, class_sep=SEPARATION, random_state=SEED
    )
    features = np.maximum(features, 0).astype(np.float32)  # as pooled features of a network
    folds = list(StratifiedKFold(FOLDS).split(features, truth))
    implementations: dict[str, Fit] = {
        "numpy_head": fit_numpy,
        "sklearn MLPClassifier": fit_sklearn,
        "keras Sequential": fit_keras,
    }
    print(f"{IMAGES} images, {FEATURES} features, {FOLDS} folds, {RECIPE}")
    for name, fit in implementations.items():
        seconds, scores = [], np.empty(IMAGES)
        train, test = folds[0]
        fit(FitImages(train, test, truth, 2), features)  # imports and compiles
        with threadpool_limits(1):
            for train, test in folds:
                began = time.process_time()
                scores[test] = fit(FitImages(train, test, truth, 2), features)[test]
                seconds.append(time.process_time() - began)
        median_ms = 1000 * np.median(seconds)
        print(f"{name:22} {median_ms:8.1f} ms per fit, AUC {auc(truth, scores):.3f}")


if __name__ == "__main__":
    main()
