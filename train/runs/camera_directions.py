"""What a camera split says: direction by direction, how a camera's blasts are found unseen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.metrics.evaluation import EVEN_THRESHOLD
from ...runtime.metrics.metrics import Json, summarize
from ..data.splits import Split
from .run_folder import Predictions

FIGURES = ("images", "groups", "positives", "accuracy", "sensitivity", "specificity", "auc")


def directions(
    predictions: Predictions,
    split: Split,
    labels: Sequence[str],
    positive: Sequence[str],
    seed: int,
) -> list[Json]:
    """Return the figures of every camera left out; none where the split leaves out no camera.

    The scores are the networks' own, not calibrated, at an even threshold: nothing was fitted on
    the images that are reported on.
    """
    cameras = np.asarray(predictions.cameras)
    ill = np.isin(predictions.truth, [labels.index(label) for label in positive])
    rows: list[Json] = []
    for camera in sorted({fold.camera for fold in split.folds if fold.camera}):
        numbers = [fold.number for fold in split.folds if fold.camera == camera]
        inside = np.isin(predictions.folds, numbers)
        groups = [g for g, here in zip(predictions.groups, inside, strict=True) if here]
        scores = {"model": predictions.scores, "probe": predictions.probe}
        row: Json = {
            "tested": camera,
            "trained": sorted(set(cameras[ill].tolist()) - {camera}),
            "specificity_of": sorted(set(cameras[inside & ~ill].tolist())),
        }
        for name, table in scores.items():
            row[name] = None
            if table is not None:
                all_figures = summarize(
                    predictions.truth[inside],
                    table[inside],
                    labels,
                    positive,
                    EVEN_THRESHOLD,
                    groups,
                    seed=seed,
                )
                row[name] = {key: all_figures[key] for key in FIGURES}
        rows.append(row)
    return rows
