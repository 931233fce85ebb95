"""Pools the predictions of folds into sections of a study, and measures them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.evaluation import EVEN_THRESHOLD
from ...runtime.metrics.metrics import Json, assign_labels, summarize, wilson
from ..data.split_types import CAMERA, Fold
from .plan import Plan

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Section:
    """Folds whose predictions are pooled: a split, or one direction of a camera split.

    Parameters
    ----------
    split : str
    name : str
        The split, or the cameras of the blasts in training and in test.
    folds : tuple of Fold
    """

    split: str
    name: str
    folds: tuple[Fold, ...]

    @property
    def key(self) -> str:
        """Its name in figures of fields: the camera that is left out, or the split."""
        return self.folds[0].camera or self.split


class FoldScores(TypedDict):
    """Scores of a fold: indices of its test images, and one row of scores for each."""

    images: list[int]
    scores: list[list[float]]


@dataclass(frozen=True)
class PooledScores:
    """Pooled scores of a section and its figures.

    Parameters
    ----------
    images : (M,) ndarray of int
        Indices of the images.
    scores : (M, C) ndarray of float
    right : (M,) ndarray of bool
        Whether the label at the threshold 0.5 is right.
    summary : dict
        As `summarize` returns it.
    both_labels : dict, optional
        Accuracy on the images of cameras that took both labels; None if every camera did, or no
        image of such a camera was tested.
    """

    images: NDArray[np.int64]
    scores: Floats
    right: NDArray[np.bool_]
    summary: Json
    both_labels: Json | None


def sections(plan: Plan) -> list[Section]:
    """Return the sections of a study, split by split."""
    result: list[Section] = []
    for kind, split in plan.splits.items():
        if kind != CAMERA:
            result.append(Section(kind, kind, split.folds))
            continue
        # Grouped by the camera that is left out, not by positive images: a fold may have none.
        for camera in dict.fromkeys(fold.camera for fold in split.folds):
            folds = tuple(fold for fold in split.folds if fold.camera == camera)
            result.append(Section(kind, f"{_trained_on(plan, folds)} → {camera}", folds))
    return result


def measure_section(plan: Plan, section: Section, fits: Sequence[FoldScores]) -> PooledScores:
    """Pool the scores of a section's folds and measure them.

    Parameters
    ----------
    plan : Plan
    section : Section
    fits : sequence of FoldScores
        One for each fold.
    """
    images, scores = _pooled(plan, fits)
    examples, data = plan.examples, plan.examples.dataset
    truth = examples.truth[images]
    groups = [plan.splits[section.split].groups[at] for at in images]
    cameras = [examples.cameras[at] for at in images]
    common = (data.labels, data.positive)
    summary = summarize(
        truth, scores, *common, EVEN_THRESHOLD, groups, cameras, seed=plan.options.seed
    )
    right = _right_labels(plan, images, scores)
    return PooledScores(
        images, scores, right, summary, _accuracy_of_cameras(right, cameras, both_labels(plan))
    )


def right_labels(plan: Plan, fits: Sequence[FoldScores]) -> NDArray[np.bool_]:
    """Return whether the label at the threshold 0.5 is right, as `PooledScores.right`."""
    return _right_labels(plan, *_pooled(plan, fits))


def _right_labels(plan: Plan, images: NDArray[np.int64], scores: Floats) -> NDArray[np.bool_]:
    data = plan.examples.dataset
    assigned = assign_labels(scores, data.labels, data.positive, EVEN_THRESHOLD)
    return np.asarray(assigned == plan.examples.truth[images])


def camera_alone(plan: Plan, section: Section) -> Json:
    """Return the figures of a classifier that sees only the camera, with the section's folds.

    An image gets the commoner label of its camera in the training part, as in the audit's row of
    that name. If the camera is not in the training part, it gets the commoner label of all of it.

    Returns
    -------
    dict
        `summary` and `both_labels`, as in the row of a model.
    """
    cameras, truth = np.asarray(plan.examples.cameras), plan.examples.truth
    count = len(plan.examples.dataset.labels)
    fits: list[FoldScores] = []
    for fold in section.folds:
        labels = []
        for at in fold.test:
            same_camera = fold.train[cameras[fold.train] == cameras[at]]
            known = same_camera if len(same_camera) else fold.train
            labels.append(int(np.bincount(truth[known], minlength=count).argmax()))
        fits.append({"images": fold.test.tolist(), "scores": np.eye(count)[labels].tolist()})
    pooled = measure_section(plan, section, fits)
    return {"summary": pooled.summary, "both_labels": pooled.both_labels}


def both_labels(plan: Plan) -> list[str]:
    """Return the cameras that took healthy and positive images; an empty list if all did."""
    data = plan.examples.dataset
    classes: dict[str, set[bool]] = {}
    for camera, label in zip(plan.examples.cameras, plan.examples.truth, strict=True):
        classes.setdefault(camera, set()).add(data.labels[label] in data.positive)
    both = sorted(camera for camera, values in classes.items() if len(values) > 1)
    return both if len(both) < len(classes) else []


def _accuracy_of_cameras(
    right: NDArray[np.bool_], cameras: list[str], chosen: list[str]
) -> Json | None:
    inside = np.isin(cameras, chosen)
    if not inside.any():
        return None
    hits, count = int(right[inside].sum()), int(inside.sum())
    low, high = wilson(hits, count)
    return {"value": hits / count, "low": low, "high": high, "n": count}


def _pooled(plan: Plan, fits: Sequence[FoldScores]) -> tuple[NDArray[np.int64], Floats]:
    """Return every tested image of known truth once, with the mean of the scores of its folds."""
    by_image: dict[int, list[list[float]]] = {}
    for fit in fits:
        for image, scores in zip(fit["images"], fit["scores"], strict=True):
            by_image.setdefault(image, []).append(scores)
    images = [image for image in sorted(by_image) if plan.truth_known[image]]
    means = [np.mean(by_image[image], axis=0) for image in images]
    return np.array(images, np.int64), np.array(means)


def _trained_on(plan: Plan, folds: Sequence[Fold]) -> str:
    """Return the cameras of the positive images in the training parts of some folds."""
    data = plan.examples.dataset
    cameras = {
        plan.examples.cameras[at]
        for fold in folds
        for at in fold.train
        if data.labels[plan.examples.truth[at]] in data.positive
    }
    return " + ".join(sorted(cameras))
