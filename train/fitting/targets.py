"""Training target and sample weight of each image, and the balanced log loss. Needs numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .types import Floats, Ints

MIN_PROBABILITY = 1e-7  # probabilities are clipped to this before their logarithm


@dataclass(frozen=True)
class FitImages:
    """The images of one fit.

    Parameters
    ----------
    train : (M,) ndarray of int
        Indices of the training images.
    validation : (K,) ndarray of int
        Indices of the images that choose the best epoch. If empty, the last epoch is kept.
    truth : (N,) ndarray of int
        Label of each image of the data set.
    classes : int
        Number of labels.
    """

    train: Ints
    validation: Ints
    truth: Ints
    classes: int


def targets(images: FitImages, balanced: bool) -> tuple[Floats, Floats]:
    """Return the training target and the sample weight of each image of the data set.

    Parameters
    ----------
    images : FitImages
    balanced : bool
        True gives all labels the same total weight in the training images.

    Returns
    -------
    target : (N, C) ndarray of float32
        One-hot labels. With two labels a single column, 1 for the second one.
    weight : (N,) ndarray of float32
        The training images have a mean weight of 1.

    Examples
    --------
    >>> truth = np.array([0, 0, 0, 0, 1])
    >>> images = FitImages(np.arange(5), np.empty(0, np.int64), truth, classes=2)
    >>> targets(images, balanced=True)[1].tolist()
    [0.625, 0.625, 0.625, 0.625, 2.5]
    """
    truth = images.truth
    one_hot = np.eye(images.classes, dtype=np.float32)[truth]
    target = one_hot[:, 1:] if images.classes == 2 else one_hot
    if not balanced:
        return target, np.ones(len(truth), dtype=np.float32)
    counts = np.bincount(truth[images.train], minlength=images.classes)
    class_weights = len(images.train) / (images.classes * np.maximum(counts, 1))
    return target, class_weights[truth].astype(np.float32)


def balanced_loss(truth: Ints, scores: Floats) -> float:
    """Return the log loss with the same weight for every label that occurs.

    Parameters
    ----------
    truth : (N,) ndarray of int
        Label of each image.
    scores : (N, C) ndarray of float32
        Probabilities.
    """
    losses = -np.log(np.clip(scores[np.arange(len(scores)), truth], MIN_PROBABILITY, 1))
    return float(np.mean([losses[truth == label].mean() for label in np.unique(truth)]))
