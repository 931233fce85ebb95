"""Computes the metrics of a run from the out-of-fold predictions of its networks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.seen_images import pixel_hash
from ...runtime.metrics.decisions import assign_labels, is_positive, positive_score
from ...runtime.metrics.evaluation import EVEN_THRESHOLD
from ...runtime.metrics.intervals import auc, paired_auc_difference
from ...runtime.metrics.metrics import Json, summarize
from ...runtime.types import RGB
from ..data.cells.types import CellExamples
from ..data.cells.unknown_cells import known_cells
from ..data.examples import Examples
from ..data.split_types import Split
from ..fitting.types import FoldResult
from ..paired_tests import mcnemar
from .cross_fitting import CrossFit
from .field_table import counted_cells
from .predictions import Predictions
from .types import ThresholdRecord

Floats = NDArray[np.float64]


def gather_predictions(
    examples: Examples, split: Split, folds: Sequence[FoldResult]
) -> Predictions:
    """Return the predictions of all folds, in the order of the images.

    Parameters
    ----------
    examples : Examples
    split : Split
    folds : sequence of FoldResult

    Returns
    -------
    Predictions
        One row for every fold that tests an image. In a camera split, several folds test the same
        healthy image.
    """
    rows = [
        (index, fold["number"], fold["scores"][at], fold["probe"][at] if "probe" in fold else None)
        for fold in folds
        for at, index in enumerate(fold["images"])
    ]
    rows.sort(key=lambda row: row[0])
    indices, numbers, scores, probe = zip(*rows, strict=True)
    masks = None
    if isinstance(examples, CellExamples):
        masks = counted_cells(examples), known_cells(examples)
    return Predictions(
        images=tuple(examples.names[index] for index in indices),
        groups=tuple(split.groups[index] for index in indices),
        cameras=tuple(examples.cameras[index] for index in indices),
        folds=np.array(numbers, dtype=np.int64),
        truth=examples.truth[list(indices)],
        scores=np.array(scores),
        probe=None if probe[0] is None else np.array(probe),
        counted=None if masks is None else masks[0][list(indices)],
        known=None if masks is None else masks[1][list(indices)],
    )


def run_metrics(
    predictions: Predictions,
    calibrated: CrossFit,
    labels: Sequence[str],
    positive: Sequence[str],
    folds: Sequence[FoldResult],
    seed: int,
) -> Json:
    """Return the content of a run's ``metrics.json``.

    Parameters
    ----------
    predictions : Predictions
        One row for every fold that tests an image. The metrics count each image once.
    calibrated : CrossFit
        Of one row per image.
    labels, positive : sequence of str
        All labels in the order of the scores, and those of them that mean leukaemia.
    folds : sequence of FoldResult
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
    """
    images = predictions.per_image()

    def summary(scores: Floats, threshold: float | Floats) -> Json:
        return summarize(
            images.truth,
            scores,
            labels,
            positive,
            threshold,
            images.groups,
            images.cameras,
            seed=seed,
        )

    uncalibrated, probe = summary(images.scores, EVEN_THRESHOLD), images.probe
    return {
        "schema": "alledge/metrics",
        "schema_version": 1,
        "calibration": calibrated.kind,
        "oof": _with_auc(summary(calibrated.scores, EVEN_THRESHOLD), uncalibrated),
        "operating": _with_auc(summary(calibrated.scores, calibrated.thresholds), uncalibrated),
        "uncalibrated": uncalibrated,
        "probe": None if probe is None else summary(probe, EVEN_THRESHOLD),
        "against_probe": (
            None
            if probe is None
            else _probe_comparison(images, calibrated.scores, probe, labels, positive, seed)
        ),
        "readings": [
            {"fold": number, **rule.to_json()} for number, rule in calibrated.rules.items()
        ],
        "folds": [_fold_metrics(predictions, labels, positive, fold) for fold in folds],
    }


def decision_record(wanted: float, reached: bool, metrics: Json) -> ThresholdRecord:
    """Return what ``run.json`` says about the run's threshold.

    Parameters
    ----------
    wanted : float
        Sensitivity, in (0, 1].
    reached : bool
        Whether the threshold has it on the predictions that it was fitted to.
    metrics : dict
        As `run_metrics` returns them.

    Returns
    -------
    ThresholdRecord
        Its sensitivity and specificity are those of cross-fitted thresholds.
    """
    operating = metrics["operating"]
    return {
        "wanted_sensitivity": wanted,
        "reached": reached,
        "sensitivity": operating["sensitivity"]["value"],
        "specificity": operating["specificity"]["value"],
    }


def seen_images(images: Iterable[RGB], fingerprint: str) -> Json:
    """Return salted hashes of the pixels of every image that the network was trained on.

    The salt is a function of the data set, so that the same command gives the same run.

    Parameters
    ----------
    images : iterable of (S, S, 3) ndarray of uint8
        As the model sees them; of cells, their files as `FILE_SETTINGS` loads them.
    fingerprint : str
        Of the data set.

    Returns
    -------
    dict
        As `alledge.runtime.bundle.seen_images.Seen` takes it.
    """
    salt = hashlib.sha256(f"alledge/seen {fingerprint}".encode()).digest()[:16]
    return {
        "salt": salt.hex(),
        "hashes": sorted({pixel_hash(salt, pixels) for pixels in images}),
    }


def _with_auc(summary: Json, uncalibrated: Json) -> Json:
    """Return a summary with the AUCs of the uncalibrated scores.

    The folds were calibrated with different temperatures, which would change the ranking of
    images of different folds.
    """
    cameras = {
        name: row | {"auc": uncalibrated["cameras"][name]["auc"]}
        for name, row in summary["cameras"].items()
    }
    return summary | {"auc": uncalibrated["auc"], "cameras": cameras}


def _fold_metrics(
    predictions: Predictions, labels: Sequence[str], positive: Sequence[str], fold: FoldResult
) -> Json:
    """Return the uncalibrated metrics of the network of a fold on the images that it tests."""
    tested = predictions.select(predictions.folds == fold["number"])
    assigned = assign_labels(tested.scores, labels, positive, EVEN_THRESHOLD)
    area = auc(
        is_positive(labels, positive)[tested.truth],
        positive_score(tested.scores, labels, positive),
    )
    return {
        "fold": fold["number"],
        "images": len(tested.images),
        "accuracy": float(np.mean(assigned == tested.truth)),
        "auc": None if np.isnan(area) else area,
        "best": fold["best"],
        "seconds": fold["seconds"],
    }


def _probe_comparison(
    images: Predictions,
    calibrated_scores: Floats,
    probe: Floats,
    labels: Sequence[str],
    positive: Sequence[str],
    seed: int,
) -> Json:
    """Return the comparison of the model with the linear probe on the same images."""
    model_correct, probe_correct = (
        assign_labels(scores, labels, positive, EVEN_THRESHOLD) == images.truth
        for scores in (calibrated_scores, probe)
    )
    difference, low, high = paired_auc_difference(
        is_positive(labels, positive)[images.truth],
        positive_score(images.scores, labels, positive),
        positive_score(probe, labels, positive),
        images.groups,
        seed=seed,
    )
    return {
        "only_model_right": int((model_correct & ~probe_correct).sum()),
        "only_probe_right": int((~model_correct & probe_correct).sum()),
        "mcnemar_p": mcnemar(model_correct, probe_correct),
        "auc_difference": {"value": difference, "low": low, "high": high},
    }
