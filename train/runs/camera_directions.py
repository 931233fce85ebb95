"""Metrics of a camera split, one direction at a time: train on some cameras, test on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...runtime.metrics.decisions import is_positive, positive_score
from ...runtime.metrics.evaluation import EVEN_THRESHOLD
from ...runtime.metrics.intervals import auc, bootstrap_auc
from ...runtime.metrics.metrics import Json, summarize
from ..data.split_types import Split
from .predictions import Predictions

FIGURES = ("images", "groups", "positives", "accuracy", "sensitivity", "specificity", "auc")


def directions(
    predictions: Predictions,
    split: Split,
    labels: Sequence[str],
    positive: Sequence[str],
    seed: int,
    *,
    certain: NDArray[np.bool_] | None = None,
) -> list[Json]:
    """Return the metrics for every camera whose positive images were left out of training.

    They use the networks' own scores at the threshold 0.5. Nothing was fitted to the images that
    are reported on.

    Parameters
    ----------
    predictions : Predictions
        One row for every fold that tests an image.
    split : Split
    labels, positive : sequence of str
        All labels in the order of the scores, and those of them that mean leukaemia.
    seed : int
        Of the bootstrap.
    certain : (N,) ndarray of bool, optional
        Of cells, the rows whose label is certain; the figures then have the ``certain_auc`` of
        these rows.

    Returns
    -------
    list of dict
        Empty if the split leaves out no camera.
    """
    cameras = np.asarray(predictions.cameras)
    truth_positive = is_positive(labels, positive)[predictions.truth]
    rows: list[Json] = []
    for camera in sorted({fold.camera for fold in split.folds if fold.camera}):
        numbers = [fold.number for fold in split.folds if fold.camera == camera]
        inside = np.isin(predictions.folds, numbers)
        tested = predictions.select(inside)

        sure = None if certain is None else certain[inside]

        def summary(
            scores: np.ndarray | None,
            tested: Predictions = tested,
            sure: NDArray[np.bool_] | None = sure,
        ) -> Json | None:
            if scores is None:
                return None
            metrics = summarize(
                tested.truth, scores, labels, positive, EVEN_THRESHOLD, tested.groups, seed=seed
            )
            figures = {name: metrics[name] for name in FIGURES}
            if sure is None:
                return figures
            rows = replace(tested, scores=scores).select(np.flatnonzero(sure))
            return figures | {"certain_auc": positive_auc(rows, labels, positive, seed=seed)}

        rows.append(
            {
                "tested": camera,
                "trained": sorted(set(cameras[truth_positive].tolist()) - {camera}),
                "specificity_of": sorted(set(cameras[inside & ~truth_positive].tolist())),
                "model": summary(tested.scores),
                "probe": summary(tested.probe),
            }
        )
    return rows


def positive_auc(
    predictions: Predictions, labels: Sequence[str], positive: Sequence[str], *, seed: int
) -> Json | None:
    """Return the AUC of the positive score, with its 95 % bootstrap interval over whole groups.

    Returns
    -------
    dict or None
        ``{"value", "low", "high", "n"}``; None without examples of both sides.
    """
    truth = is_positive(labels, positive)[predictions.truth]
    if truth.all() or not truth.any():
        return None
    score = positive_score(predictions.scores, labels, positive)
    low, high = bootstrap_auc(truth, score, predictions.groups, seed=seed)
    return {"value": auc(truth, score), "low": low, "high": high, "n": len(truth)}
