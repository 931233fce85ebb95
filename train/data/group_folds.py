"""Stratified folds that keep the images of a group together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .split_types import Indices

VALIDATION_PARTS = 5  # one of five parts of the training images chooses the best epoch


def group_folds(truth: Indices, groups: Sequence[str], parts: int, seed: int) -> Indices:
    """Return the part of each image, stratified by label, with every group in one part.

    Parameters
    ----------
    truth : (N,) ndarray of int
        Label of each image.
    groups : sequence of str
        Group of each image.
    parts : int
        Number of parts, >= 1. Reduced to the number of groups of the rarest class.
    seed : int

    Returns
    -------
    (N,) ndarray of int
        Part of each image, from 0. All 0 if a class has a single group.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    parts = min(parts, *groups_per_class(truth, groups))
    part_of_image = np.zeros(len(truth), dtype=np.int64)
    if parts > 1:
        splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
        for number, (_, test) in enumerate(splitter.split(truth, truth, groups)):
            part_of_image[test] = number
    return part_of_image


def groups_per_class(truth: Indices, groups: Sequence[str]) -> list[int]:
    """Return the number of groups of each class that occurs in `truth`, in label order."""
    names = np.asarray(groups)
    return [len(np.unique(names[truth == label])) for label in np.unique(truth)]


def split_off_validation(
    truth: Indices, groups: Sequence[str], train: Indices, seed: int
) -> tuple[Indices, Indices]:
    """Divide a training part into images to fit and images that choose the best epoch.

    Parameters
    ----------
    truth : (N,) ndarray of int
        Label of each image of the data set.
    groups : sequence of str
        Group of each image of the data set.
    train : (M,) ndarray of int
        Indices of the training images.
    seed : int

    Returns
    -------
    fitted, validation : ndarray of int
        Indices without a common group. `validation` is empty if a class has a single group.
    """
    part = group_folds(truth[train], [groups[index] for index in train], VALIDATION_PARTS, seed)
    fitted, validation = train[part != 0], train[part == 0]
    if set(truth[fitted].tolist()) != set(truth[train].tolist()):
        return train, train[:0]
    return fitted, validation
