"""Compares implementations of the head on frozen features: numpy, scikit-learn and Keras.

``python -m alledge.train.study.head_benchmark`` draws smears, computes the features of a
MobileNetV2 base with random weights, and fits the default head to five grouped folds with each
implementation. It prints the time per fit and the AUC on the test images. The implementations get
the same images, class weights and optimizer settings; the first two also the same dropout masks.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ...runtime.data.datasets import read_dataset
from ...runtime.image_settings import ImageSettings
from ...runtime.metrics.intervals import auc
from ..data.examples import read_examples
from ..data.splits import make_split
from ..fitting.targets import Part, balanced_loss, targets
from ..phantom.smears import generate
from .numpy_head import Floats, HeadRecipe, dropped, fit_head, scaling
from .plan import DEFAULT

IMAGES, FOLDS, SEED = 108, 5, 0
RECIPE = HeadRecipe(lr=DEFAULT["lr"], batch_size=DEFAULT["batch_size"], epochs=DEFAULT["epochs"])

Fit = Callable[[Part, Floats], Floats]


def fit_numpy(part: Part, features: Floats) -> Floats:
    """Return the positive scores of all images by the head of the study."""
    head, _ = fit_head(part, lambda epoch: features, RECIPE, seed=SEED)
    return head.scores(features)[:, 1]


def fit_sklearn(part: Part, features: Floats) -> Floats:
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
        rows = np.random.default_rng([SEED, epoch]).permutation(part.train)
        inputs = dropped(scaled[rows], RECIPE.dropout, SEED, epoch)
        network.partial_fit(inputs, part.truth[rows], classes=[0, 1], sample_weight=weight[rows])
        for images in (part.train, part.chosen):  # the losses of the history
            balanced_loss(part.truth[images], network.predict_proba(scaled[images]))
    return np.asarray(network.predict_proba(scaled)[:, 1])


def fit_keras(part: Part, features: Floats) -> Floats:
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
        validation_data=(scaled[part.chosen], target[part.chosen]),
        batch_size=RECIPE.batch_size,
        epochs=RECIPE.epochs,
        verbose=0,
    )
    return np.asarray(network.predict(scaled, verbose=0)[:, 0])


def read_features(folder: Path) -> tuple[Floats, Any, Any]:
    """Return features of generated smears, their truth and the folds."""
    from ..fitting.training_loop import forward
    from ..networks.network import build, features_of

    generate(folder, images=IMAGES, seed=SEED, size=256)
    examples = read_examples(read_dataset(folder), ImageSettings())
    base = features_of(build("mobilenetv2", weights="none", seed=SEED))
    features = forward(base, examples.pixels.astype(np.float32)).mean(axis=(1, 2))
    return features, examples.truth, make_split(examples, "grouped", FOLDS, SEED).folds


def main() -> None:
    """Print a table of the implementations."""
    with tempfile.TemporaryDirectory() as folder:
        features, truth, folds = read_features(Path(folder))
    implementations: dict[str, Fit] = {
        "numpy_head": fit_numpy,
        "sklearn MLPClassifier": fit_sklearn,
        "keras Sequential": fit_keras,
    }
    print(f"{IMAGES} images, {features.shape[1]} features, {FOLDS} folds, {RECIPE}")
    for name, fit in implementations.items():
        seconds, scores = [], np.empty(len(truth))
        fit(Part(folds[0].train, folds[0].test, truth, 2), features)  # imports and compiles
        with threadpool_limits(1):
            for fold in folds:
                began = time.perf_counter()
                part = Part(fold.train, fold.test, truth, 2)
                scores[fold.test] = fit(part, features)[fold.test]
                seconds.append(time.perf_counter() - began)
        print(f"{name:22} {1000 * np.median(seconds):8.1f} ms a fit, AUC {auc(truth, scores):.4f}")


if __name__ == "__main__":
    main()
