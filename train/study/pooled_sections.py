"""What of a study is pooled and measured together, and what the camera alone would score there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Measured:
    """Pooled scores and what they come to.

    Parameters
    ----------
    images : (M,) ndarray of int
    scores : (M, C) ndarray of float
    right : (M,) ndarray of bool
    summary : dict
        As `summarize` gives it.
    both_labels : dict, optional
        Accuracy on the images of cameras that took both labels, where there are others too.
    """

    images: NDArray[np.int64]
    scores: Floats
    right: NDArray[np.bool_]
    summary: Json
    both_labels: Json | None


def sections(plan: Plan) -> list[Section]:
    """Return what is pooled, split by split."""
    found: list[Section] = []
    for kind, split in plan.splits.items():
        if kind != CAMERA:
            found.append(Section(kind, kind, split.folds))
            continue
        # by the camera that is left out: a fold may have no positive image to tell it from
        for camera in dict.fromkeys(fold.camera for fold in split.folds):
            folds = tuple(fold for fold in split.folds if fold.camera == camera)
            found.append(Section(kind, f"{_trained_on(plan, folds)} → {camera}", folds))
    return found


def measured(plan: Plan, section: Section, fits: Sequence[Json]) -> Measured:
    """Pool the scores of a section's folds and measure them.

    Parameters
    ----------
    plan : Plan
    section : Section
    fits : sequence of dict
        One a fold, with `images` and `scores`.
    """
    images, scores = _pooled(fits)
    examples, data = plan.examples, plan.examples.dataset
    truth = examples.truth[images]
    groups = [plan.splits[section.split].groups[at] for at in images]
    cameras = [examples.cameras[at] for at in images]
    common = (data.labels, data.positive)
    summary = summarize(
        truth, scores, *common, EVEN_THRESHOLD, groups, cameras, seed=plan.options.seed
    )
    right = assign_labels(scores, *common, EVEN_THRESHOLD) == truth
    return Measured(images, scores, right, summary, _share(right, cameras, both_labels(plan)))


def camera_alone(plan: Plan, section: Section) -> Json:
    """Return what a reader of the EXIF alone scores, cross-validated by the section's own folds.

    An image gets the commoner label of its camera in the training part, as the audit's row of
    that name does; where that camera is new, the commoner label of the whole part.

    Returns
    -------
    dict
        `summary` and `both_labels`, as a model's row has them.
    """
    cameras, truth = np.asarray(plan.examples.cameras), plan.examples.truth
    count = len(plan.examples.dataset.labels)
    fits = []
    for fold in section.folds:
        said = []
        for at in fold.test:
            same = fold.train[cameras[fold.train] == cameras[at]]
            known = same if len(same) else fold.train
            said.append(int(np.bincount(truth[known], minlength=count).argmax()))
        fits.append({"images": fold.test.tolist(), "scores": np.eye(count)[said].tolist()})
    found = measured(plan, section, fits)
    return {"summary": found.summary, "both_labels": found.both_labels}


def both_labels(plan: Plan) -> list[str]:
    """Return the cameras that took healthy and positive images; none where all of them did."""
    data = plan.examples.dataset
    taken: dict[str, set[bool]] = {}
    for camera, at in zip(plan.examples.cameras, plan.examples.truth, strict=True):
        taken.setdefault(camera, set()).add(data.labels[at] in data.positive)
    both = sorted(camera for camera, sides in taken.items() if len(sides) > 1)
    return both if len(both) < len(taken) else []


def _share(right: NDArray[np.bool_], cameras: list[str], chosen: list[str]) -> Json | None:
    inside = np.isin(cameras, chosen)
    if not inside.any():
        return None
    hits, count = int(right[inside].sum()), int(inside.sum())
    low, high = wilson(hits, count)
    return {"value": hits / count, "low": low, "high": high, "n": count}


def _pooled(fits: Sequence[Json]) -> tuple[NDArray[np.int64], Floats]:
    """Return every tested image once; one that several folds test has its mean score."""
    found: dict[int, list[Any]] = {}
    for fit in fits:
        for at, scores in zip(fit["images"], fit["scores"], strict=True):
            found.setdefault(at, []).append(scores)
    images = sorted(found)
    return np.array(images, np.int64), np.array([np.mean(found[at], axis=0) for at in images])


def _trained_on(plan: Plan, folds: Sequence[Fold]) -> str:
    """Return the cameras of the positive images that these folds train on."""
    data = plan.examples.dataset
    found = {
        plan.examples.cameras[at]
        for fold in folds
        for at in fold.train
        if data.labels[plan.examples.truth[at]] in data.positive
    }
    return " + ".join(sorted(found))
