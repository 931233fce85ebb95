"""What a run amounts to: its out-of-fold predictions, their metrics, where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.seen_images import pixel_hash
from ...runtime.metrics.decisions import is_positive
from ...runtime.metrics.evaluation import EVEN_THRESHOLD
from ...runtime.metrics.metrics import (
    Json,
    assign_labels,
    auc,
    paired_auc_difference,
    positive_score,
    summarize,
)
from ..data.examples import Examples
from ..data.splits import Split
from ..paired_tests import mcnemar
from .cross_fitting import CrossFit
from .run_folder import Predictions, write_table

Floats = NDArray[np.float64]


def gather(examples: Examples, split: Split, folds: Sequence[Json]) -> Predictions:
    """Return the predictions of all folds, in the order of the images.

    A row for every fold that tests an image: in a camera split a healthy one has several.
    """
    rows = [
        (index, fold["number"], fold["scores"][at], fold["probe"][at] if "probe" in fold else None)
        for fold in folds
        for at, index in enumerate(fold["images"])
    ]
    rows.sort(key=lambda row: row[0])
    at = [row[0] for row in rows]
    return Predictions(
        tuple(examples.names[index] for index in at),
        tuple(split.groups[index] for index in at),
        tuple(examples.cameras[index] for index in at),
        np.array([row[1] for row in rows], dtype=np.int64),
        examples.truth[at],
        np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows]) if rows[0][3] is not None else None,
    )


def measure(
    predictions: Predictions,
    read: CrossFit,
    labels: Sequence[str],
    positive: Sequence[str],
    folds: Sequence[Json],
    seed: int,
) -> Json:
    """Return the run's ``metrics.json``.

    Parameters
    ----------
    predictions : Predictions
        A row for every fold that tests an image; figures count each image once.
    read : CrossFit
        Of one row an image.
    labels, positive : sequence of str
    folds : sequence of dict
        What `alledge.train.fitting.fold_training.Trainer.run` returned of each.
    seed : int
    """
    once = predictions.per_image()

    def summary(scores: Floats, threshold: float | Floats) -> Json:
        names, rest = (labels, positive), (once.groups, once.cameras)
        return summarize(once.truth, scores, *names, threshold, *rest, seed=seed)

    raw, probe = summary(once.scores, EVEN_THRESHOLD), once.probe
    return {
        "schema": "alledge/metrics",
        "schema_version": 1,
        "calibration": read.kind,
        "oof": _ranked(summary(read.scores, EVEN_THRESHOLD), raw),
        "operating": _ranked(summary(read.scores, read.thresholds), raw),
        "uncalibrated": raw,
        "probe": None if probe is None else summary(probe, EVEN_THRESHOLD),
        "against_probe": (
            None if probe is None else _against(once, read, probe, labels, positive, seed)
        ),
        "readings": read.folds,
        "folds": [_fold(predictions, labels, positive, fold) for fold in folds],
    }


def decision(wanted: float, reached: bool, metrics: Json) -> Json:
    """Return what the run's threshold is worth, for its record.

    Parameters
    ----------
    wanted : float
        Sensitivity.
    reached : bool
        Whether the threshold has it on the predictions it was fitted on.
    metrics : dict
        Of `measure`: sensitivity and specificity are those of other folds' thresholds.
    """
    operating = metrics["operating"]
    return {
        "wanted_sensitivity": wanted,
        "reached": reached,
        "sensitivity": operating["sensitivity"]["value"],
        "specificity": operating["specificity"]["value"],
    }


def _ranked(summary: Json, raw: Json) -> Json:
    """Return a summary with the AUCs of the networks' own scores.

    Folds that are read at temperatures of their own are not to be ranked together by them.
    """
    cameras = {
        name: row | {"auc": raw["cameras"][name]["auc"]} for name, row in summary["cameras"].items()
    }
    return summary | {"auc": raw["auc"], "cameras": cameras}


def write_predictions(path: Path, predictions: Predictions, labels: Sequence[str]) -> None:
    """Write ``predictions.csv``."""
    header = ["image", "label", "fold", "group", "camera", "truth"]
    header += [f"score_{label}" for label in labels]
    probe = predictions.probe
    if probe is not None:
        header += [f"probe_{label}" for label in labels]
    rows = [
        [
            predictions.images[at],
            labels[predictions.truth[at]],
            int(predictions.folds[at]),
            predictions.groups[at],
            predictions.cameras[at],
            int(predictions.truth[at]),
            *map(float, predictions.scores[at]),
            *(map(float, probe[at]) if probe is not None else ()),
        ]
        for at in range(len(predictions.images))
    ]
    write_table(path, header, rows)


def seen(examples: Examples, fingerprint: str) -> Json:
    """Return salted hashes of every image's pixels: what the network was trained on.

    The salt is the data set's own, so that the same command gives the same run.
    """
    salt = hashlib.sha256(f"alledge/seen {fingerprint}".encode()).digest()[:16]
    return {
        "salt": salt.hex(),
        "hashes": sorted({pixel_hash(salt, pixels) for pixels in examples.pixels}),
    }


def _fold(
    predictions: Predictions, labels: Sequence[str], positive: Sequence[str], fold: Json
) -> Json:
    """Return the figures of a fold's own network on its own images, not calibrated."""
    own = predictions.of(predictions.folds == fold["number"])
    said = assign_labels(own.scores, labels, positive, EVEN_THRESHOLD)
    ill = is_positive(labels, positive)[own.truth]
    area = auc(ill, positive_score(own.scores, labels, positive))
    return {
        "fold": fold["number"],
        "images": len(own.images),
        "accuracy": float(np.mean(said == own.truth)),
        "auc": None if np.isnan(area) else area,
        "best": fold["best"],
        "seconds": fold["seconds"],
    }


def _against(
    once: Predictions,
    read: CrossFit,
    probe: Floats,
    labels: Sequence[str],
    positive: Sequence[str],
    seed: int,
) -> Json:
    """Return the comparison with the linear probe on the same images."""
    ours = assign_labels(read.scores, labels, positive, EVEN_THRESHOLD) == once.truth
    theirs = assign_labels(probe, labels, positive, EVEN_THRESHOLD) == once.truth
    difference, low, high = paired_auc_difference(
        is_positive(labels, positive)[once.truth],
        positive_score(once.scores, labels, positive),
        positive_score(probe, labels, positive),
        once.groups,
        seed=seed,
    )
    return {
        "only_model_right": int((ours & ~theirs).sum()),
        "only_probe_right": int((~ours & theirs).sum()),
        "mcnemar_p": mcnemar(ours, theirs),
        "auc_difference": {"value": difference, "low": low, "high": high},
    }
