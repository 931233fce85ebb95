"""``alledge evaluate RUN``: measures a run's network, without the images it was trained on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.seen_images import TrainingImageHashes
from ...runtime.guards.guards import Guards, is_current
from ...runtime.image_settings import ImageSettings
from ...runtime.metrics.decisions import apply_temperature
from ...runtime.metrics.evaluation import EvaluatedModel, evaluate
from ...runtime.metrics.metrics import Json
from ...runtime.types import RGB
from .run_folder import METRICS, Run

BATCH_SIZE = 16  # images


def evaluate_run(
    run: Run, data: Path, *, layout: str | None = None, include_seen: bool = False
) -> Json:
    """Measure the network that a run refitted on all its images.

    Parameters
    ----------
    run : Run
    data, layout, include_seen
        As `alledge.runtime.metrics.evaluation.evaluate`.

    Returns
    -------
    dict
        The document of ``alledge evaluate --json``.

    Raises
    ------
    DataError
        As `alledge.runtime.metrics.evaluation.evaluate`.
    """

    @cache
    def network() -> Any:  # loaded after the data set was read: tensorflow takes seconds to import
        from ..networks.tensorflow_import import keras

        return keras.models.load_model(run.model_path, safe_mode=True)

    def scores(images: RGB) -> NDArray[np.float64]:
        from ..fitting.training_loop import predict

        return apply_temperature(
            predict(network(), images.astype(np.float32)), run.record["temperature"]
        )

    guards, (low, high) = run.record["guards"], run.record["band"]
    model = EvaluatedModel(
        kind="run",
        name=str(run.path),
        digest=None,
        backend="keras",
        labels=run.labels,
        positive=run.positive,
        threshold=run.record["threshold"],
        band=(low, high),
        guards=Guards(guards if is_current(guards) else None),
        image_settings=ImageSettings.from_json(run.record["image_path"]),
        seen=TrainingImageHashes(run.record["seen"]),
        scores=scores,
        batch_size=BATCH_SIZE,
        seed=run.record["seed"],
        out_of_fold=METRICS,
    )
    return evaluate(model, data, layout=layout, include_seen=include_seen)
