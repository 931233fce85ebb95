"""What a run amounts to: calibration from its out-of-fold predictions, metrics, the record."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..runtime.calibration import calibrate
from ..runtime.metrics import (
    Json,
    assign,
    auc,
    mcnemar,
    paired_auc_difference,
    positive_score,
    summarize,
)
from ..runtime.seen import pixel_hash
from .calibration import SENSITIVITY, fit_decision, fit_temperature
from .examples import Examples
from .runs import Predictions, write_table
from .splits import Split

EVEN = 0.5  # the threshold nothing was fitted for
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "scikit-learn")

Floats = NDArray[np.float64]


def gather(examples: Examples, split: Split, folds: Sequence[Json]) -> Predictions:
    """Return the out-of-fold predictions of all folds, in the order of the images."""
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


def settle(predictions: Predictions, labels: Sequence[str], positive: Sequence[str]) -> Json:
    """Return temperature, threshold and band, fitted on out-of-fold predictions."""
    temperature = fit_temperature(predictions.truth, predictions.scores)
    p = positive_score(calibrate(predictions.scores, temperature), labels, positive)
    decision = fit_decision(np.isin(predictions.truth, _columns(labels, positive)), p)
    return {
        "temperature": temperature,
        "threshold": decision.threshold,
        "band": [decision.low, decision.high],
        "decision": {
            "wanted_sensitivity": SENSITIVITY,
            "reached": decision.reached,
            "sensitivity": decision.sensitivity,
            "specificity": decision.specificity,
        },
    }


def measure(
    predictions: Predictions,
    labels: Sequence[str],
    positive: Sequence[str],
    settled: Json,
    folds: Sequence[Json],
    seed: int,
) -> Json:
    """Return the run's ``metrics.json``.

    ``oof`` is measured at an even threshold, which nothing was fitted for; ``operating`` at the
    run's own, which was fitted on these very predictions.
    """
    scores = calibrate(predictions.scores, settled["temperature"])
    common = (labels, positive)
    rest = (predictions.groups, predictions.cameras)
    document: Json = {
        "schema": "alledge/metrics",
        "schema_version": 1,
        "oof": summarize(predictions.truth, scores, *common, EVEN, *rest, seed=seed),
        "operating": summarize(
            predictions.truth, scores, *common, settled["threshold"], *rest, seed=seed
        ),
        "uncalibrated": summarize(
            predictions.truth, predictions.scores, *common, EVEN, *rest, seed=seed
        ),
        "probe": None,
        "against_probe": None,
        "folds": [_fold(predictions, scores, labels, positive, fold) for fold in folds],
    }
    if predictions.probe is not None:
        document["probe"] = summarize(
            predictions.truth, predictions.probe, *common, EVEN, *rest, seed=seed
        )
        document["against_probe"] = _against(
            predictions, scores, predictions.probe, labels, positive, seed
        )
    return document


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


def code() -> Json:
    """Return which alledge this is: its version, and the commit where it is a clone."""
    root, commit = Path(__file__).resolve().parent.parent, None
    if (root / ".git").exists():
        try:
            asked = subprocess.run(
                ["git", "-C", str(root), "rev-parse", "HEAD"],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
            commit = asked.stdout.strip()
        except (OSError, subprocess.SubprocessError):  # no git here: the version has to do
            commit = None
    return {"version": __version__, "commit": commit}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that fit."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def now() -> str:
    """Return the time as runs write it: UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _fold(
    predictions: Predictions,
    scores: Floats,
    labels: Sequence[str],
    positive: Sequence[str],
    fold: Json,
) -> Json:
    inside = predictions.folds == fold["number"]
    truth, said = predictions.truth[inside], assign(scores[inside], labels, positive, EVEN)
    area = auc(
        np.isin(truth, _columns(labels, positive)),
        positive_score(scores[inside], labels, positive),
    )
    return {
        "fold": fold["number"],
        "images": int(inside.sum()),
        "accuracy": float(np.mean(said == truth)),
        "auc": None if np.isnan(area) else area,
        "best": fold["best"],
        "seconds": fold["seconds"],
    }


def _against(
    predictions: Predictions,
    scores: Floats,
    probe: Floats,
    labels: Sequence[str],
    positive: Sequence[str],
    seed: int,
) -> Json:
    """Return the comparison with the linear probe on the same images."""
    truth = predictions.truth
    ill = np.isin(truth, _columns(labels, positive))
    ours = assign(scores, labels, positive, EVEN) == truth
    theirs = assign(probe, labels, positive, EVEN) == truth
    difference, low, high = paired_auc_difference(
        ill,
        positive_score(scores, labels, positive),
        positive_score(probe, labels, positive),
        predictions.groups,
        seed=seed,
    )
    return {
        "only_model_right": int((ours & ~theirs).sum()),
        "only_probe_right": int((~ours & theirs).sum()),
        "mcnemar_p": mcnemar(ours, theirs),
        "auc_difference": {"value": difference, "low": low, "high": high},
    }


def _columns(labels: Sequence[str], positive: Sequence[str]) -> list[Any]:
    return [labels.index(label) for label in positive]
