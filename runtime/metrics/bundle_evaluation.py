"""A bundle measured on a data set, through the very path it takes on a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import DataError, ImageError
from ..backends import AUTO
from ..bundle.bundle import Bundle
from ..bundle.seen_images import TrainingImageHashes
from ..classifier import Classifier
from ..data.datasets import Dataset, Sample, read_dataset
from ..imaging import load_rgb
from .metrics import Json, summarize

SCHEMA, SCHEMA_VERSION = "alledge/evaluate", 1
EVEN = 0.5  # the threshold of a model nobody has tuned


def evaluate_bundle(
    path: str | Path,
    data: str | Path,
    *,
    layout: str | None = None,
    include_seen: bool = False,
    backend: str = AUTO,
    threads: int | None = None,
) -> Json:
    """Measure a bundle on a data set.

    Parameters
    ----------
    path : str or Path
        The bundle.
    data : str or Path
    layout : str, optional
        As `read_dataset`.
    include_seen : bool
        Measure on images the model was trained on too; the document says so.
    backend, threads
        As `Classifier.load`.

    Returns
    -------
    dict
        The document of ``alledge evaluate --json``: the metrics at the bundle's threshold
        (``operating``) and at 0.5 (``even``), and how many images were left out as seen.

    Raises
    ------
    DataError
        If the labels are not the bundle's, or no image is left to measure on.
    AlledgeError
        As `Classifier.load` and `read_dataset`.
    """
    bundle = Bundle.open(path)
    dataset = read_dataset(data, layout)
    _check_labels(dataset, bundle)
    seen, known = TrainingImageHashes(bundle.record.get("seen")), 0
    kept: list[Sample] = []
    rows, failed = [], []
    with Classifier.load(bundle, backend, threads) as classifier:
        for sample in dataset.samples:
            try:
                pixels = load_rgb(sample.path, bundle.image_settings)
            except ImageError as error:
                failed.append({"image": dataset.relative(sample), "error": error.one_line})
                continue
            was_seen = pixels in seen
            known += was_seen
            if include_seen or not was_seen:
                kept.append(sample)
                rows.append(classifier.scores(pixels))
        name = classifier.backend.name
    if not kept:
        raise DataError(
            f"{bundle.path} was trained on every readable image of {data}: "
            "nothing is left to measure",
            fix="see the metrics in its MODEL_CARD.md for figures out of fold, or --include-seen",
        )
    truth = [bundle.labels.index(sample.label) for sample in kept]
    measured = {
        key: summarize(
            truth,
            np.stack(rows),
            bundle.labels,
            bundle.positive,
            threshold,
            [sample.group for sample in kept],
            [sample.camera for sample in kept],
        )
        for key, threshold in (("operating", bundle.formats[name].threshold), ("even", EVEN))
    }
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "subject": {
            "kind": "bundle",
            "name": bundle.name,
            "digest": bundle.digest,
            "backend": name,
        },
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
        **measured,
    }


def _check_labels(dataset: Dataset, bundle: Bundle) -> None:
    wrong = [label for label in dataset.labels if label not in bundle.labels]
    if wrong:
        raise DataError(
            f"{dataset.root} has the label {wrong[0]!r}, which {bundle.name} does not give",
            allowed=bundle.labels,
            fix="name the folders as the bundle's labels, or evaluate on a data set of its kind",
        )
