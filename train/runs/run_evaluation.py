"""``alledge evaluate RUN``: a run's network on a data set, without the images it has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ImageError
from ...runtime.bundle.seen_images import TrainingImageHashes
from ...runtime.data.datasets import Dataset, Sample, read_dataset
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb
from ...runtime.metrics.decisions import apply_temperature
from ...runtime.metrics.metrics import Json, summarize
from ...runtime.types import RGB
from .run_folder import Run

EVEN = 0.5
BATCH = 16  # images


def evaluate_run(
    run: Run, data: Path, *, layout: str | None = None, include_seen: bool = False
) -> Json:
    """Measure the network that a run refitted on all its images.

    Parameters
    ----------
    run : Run
    data : Path
    layout : str, optional
    include_seen : bool
        Measure on images the network was trained on too.

    Returns
    -------
    dict
        The document of ``alledge evaluate --json``.

    Raises
    ------
    DataError
        If the labels are not the run's, or no image is left to measure on.
    """
    dataset = read_dataset(data, layout)
    _check_labels(dataset, run)
    seen, kept, failed, known = TrainingImageHashes(run.record["seen"]), [], [], 0
    settings = ImageSettings.from_json(run.record["image_path"])
    for sample in dataset.samples:
        try:
            pixels = load_rgb(sample.path, settings)
        except ImageError as error:
            failed.append({"image": dataset.relative(sample), "error": error.one_line})
            continue
        known += pixels in seen
        if include_seen or pixels not in seen:
            kept.append((sample, pixels))
    if not kept:
        raise DataError(
            f"{run.path} was trained on every readable image of {data}: nothing is left to measure",
            fix="see the run's metrics.json for figures out of fold, or --include-seen",
        )
    samples, images = zip(*kept, strict=True)
    return {
        "schema": "alledge/evaluate",
        "schema_version": 1,
        "subject": {"kind": "run", "name": str(run.path), "digest": None, "backend": "keras"},
        "data": {
            "name": dataset.name,
            "layout": dataset.layout,
            "fingerprint": dataset.fingerprint(),
            "images": len(dataset.samples),
            "generated": dataset.generated,
        },
        "include_seen": include_seen,
        "seen_left_out": 0 if include_seen else known,
        "seen_included": known if include_seen else 0,
        "failed": failed,
        **_measured(run, samples, _scores(run, images)),
    }


def _scores(run: Run, images: tuple[RGB, ...]) -> NDArray[np.float64]:
    from ..fitting.training_loop import predict
    from ..networks.tensorflow_import import keras

    network = keras.models.load_model(run.model_path, safe_mode=True)
    said = [
        predict(network, np.stack(images[start : start + BATCH]).astype(np.float32))
        for start in range(0, len(images), BATCH)
    ]
    return apply_temperature(np.concatenate(said), run.record["temperature"])


def _measured(run: Run, samples: tuple[Sample, ...], scores: NDArray[np.float64]) -> Json:
    truth = np.array([run.labels.index(sample.label) for sample in samples])
    groups = [sample.group for sample in samples]
    cameras = [sample.camera for sample in samples]
    return {
        name: summarize(
            truth,
            scores,
            run.labels,
            run.positive,
            threshold,
            groups,
            cameras,
            seed=run.record["seed"],
        )
        for name, threshold in (("operating", run.record["threshold"]), ("even", EVEN))
    }


def _check_labels(dataset: Dataset, run: Run) -> None:
    wrong = [label for label in dataset.labels if label not in run.labels]
    if wrong:
        raise DataError(
            f"{dataset.root} has the label {wrong[0]!r}, which {run.path} was not trained to give",
            allowed=run.labels,
            fix="name the folders as the run's labels, or evaluate on a data set of its kind",
        )
