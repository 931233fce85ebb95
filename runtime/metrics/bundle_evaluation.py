"""Measures a bundle on a data set with the engine that runs it on a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..backends import AUTO
from ..bundle.bundle import Bundle
from ..bundle.seen_images import TrainingImageHashes
from ..classifier import Classifier
from ..data.layout_types import ReadOptions
from ..guards.guards import Guards
from .evaluation import EvaluatedModel, evaluate
from .metrics import Json


def evaluate_bundle(
    path: str | Path,
    data: str | Path,
    read_options: ReadOptions | None = None,
    *,
    include_seen: bool = False,
    backend: str = AUTO,
    threads: int | None = None,
) -> Json:
    """Measure a bundle on a data set.

    Parameters
    ----------
    path : str or Path
        The bundle.
    data, read_options, include_seen
        As `evaluate`.
    backend, threads
        As `Classifier.load`.

    Returns
    -------
    dict
        As `evaluate`.

    Raises
    ------
    DataError
        As `evaluate`.
    AlledgeError
        As `Classifier.load` and `read_dataset`.

    Examples
    --------
    >>> document = evaluate_bundle("bundles/mobilenetv2-int8", "ALL_IDB2")  # doctest: +SKIP
    >>> document["operating"]["auc"]["value"]  # doctest: +SKIP
    0.98
    """
    bundle = Bundle.open(path)
    with Classifier.load(bundle, backend, threads) as classifier:
        engine = classifier.backend.name
        model = EvaluatedModel(
            kind="bundle",
            name=bundle.name,
            digest=bundle.digest,
            backend=engine,
            labels=bundle.labels,
            positive=bundle.positive,
            threshold=bundle.formats[engine].threshold,
            band=bundle.formats[engine].band,
            guards=Guards(bundle.record.get("guards")),
            image_settings=bundle.image_settings,
            seen=TrainingImageHashes(bundle.record.get("seen")),
            scores=lambda images: np.stack([classifier.scores(image) for image in images]),
        )
        if classifier.cell_task is not None:
            from .cell_evaluation import evaluate_cells

            return evaluate_cells(
                model, classifier.cell_task, data, read_options, include_seen=include_seen
            )
        return evaluate(model, data, read_options, include_seen=include_seen)
