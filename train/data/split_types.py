"""The types of a split: its folds, its names, and the fold that tests each image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUPED, PAPER, SUBJECT, CAMERA = "grouped", "paper", "subject", "camera"
SOURCE, GIVEN = "source", "given"
SPLITS = (GROUPED, PAPER, SUBJECT, CAMERA, SOURCE, GIVEN)
HOLDOUT_PARTS = 5  # a single fold tests one of five parts, as in the paper's 80/20 holdout
ALWAYS_TRAINED = 0  # fold number of an image that no fold tests

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """One fold of a split: the images to train on and the images to test.

    Parameters
    ----------
    number : int
        Fold number, from 1.
    train, test : (M,) ndarray of int
        Indices of images. No group has images in both, except in the paper's split.
    camera : str
        Camera whose positive images this fold tests, in a camera split. Otherwise empty.
    validation : (V,) ndarray of int, optional
        Those of the training images that choose the best epoch, if the data set says which.
    """

    number: int
    train: Indices
    test: Indices
    camera: str = ""
    validation: Indices | None = None


@dataclass(frozen=True)
class Split:
    """The folds of a data set.

    Every fold has a training part of its own, because not every protocol trains on all images
    that it does not test.

    Parameters
    ----------
    kind : str
        A name in `SPLITS`, or the name of the CSV file that defines the split.
    folds : tuple of Fold
    test_fold : (N,) ndarray of int
        Number of the fold that tests each image. The first one if several folds test it,
        `ALWAYS_TRAINED` if none does.
    groups : tuple of str
        Group of each image.
    notes : tuple of str
        Limits of the split that a reader of the results must know.
    refit : (M,) ndarray of int, optional
        What the exported network is fitted on; all images by default.
    """

    kind: str
    folds: tuple[Fold, ...]
    test_fold: Indices
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()
    refit: Indices | None = None
