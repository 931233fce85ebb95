"""``alledge evaluate RUN``: measures a run's network, without the images it was trained on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.seen_images import TrainingImageHashes
from ...runtime.cells.cell_task import CellTask
from ...runtime.cells.field_rule import FieldRule
from ...runtime.cells.settings import CellSettings
from ...runtime.data.layout_types import ReadOptions
from ...runtime.guards.guards import Guards, is_current
from ...runtime.image_settings import ImageSettings
from ...runtime.metrics.cell_evaluation import evaluate_cells
from ...runtime.metrics.decisions import Thresholds, apply_temperature
from ...runtime.metrics.evaluation import EvaluatedModel, evaluate
from ...runtime.metrics.metrics import Json
from ...runtime.types import RGB, GuardsRecord
from .run_folder import METRICS, Run
from .types import FIELD

BATCH_SIZE = 16  # images


def evaluate_run(
    run: Run,
    data: Path,
    read_options: ReadOptions | None = None,
    *,
    include_seen: bool = False,
) -> Json:
    """Measure the network that a run refitted on all its images.

    Parameters
    ----------
    run : Run
    data, read_options, include_seen
        As `alledge.runtime.metrics.evaluation.evaluate`; of a run of cells, as `evaluate_cells`.

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
        from ..networks.saved_network import load_network

        return load_network(run.model_path)

    def scores(images: RGB) -> NDArray[np.float64]:
        from ..fitting.training_loop import predict

        return apply_temperature(
            predict(network(), images.astype(np.float32)), run.record["temperature"]
        )

    low, high = run.record["band"]
    model = EvaluatedModel(
        kind="run",
        name=str(run.path),
        digest=None,
        backend="keras",
        labels=run.labels,
        positive=run.positive,
        threshold=run.record["threshold"],
        band=(low, high),
        guards=Guards(_current_guards(run, "guards")),
        image_settings=ImageSettings.from_json(run.record["image_path"]),
        seen=TrainingImageHashes(run.record["seen"]),
        scores=scores,
        batch_size=BATCH_SIZE,
        seed=run.record["seed"],
        out_of_fold=METRICS,
    )
    if run.record["task"] == FIELD:
        return evaluate(model, data, read_options, include_seen=include_seen)
    return evaluate_cells(model, _cell_task(run), data, read_options, include_seen=include_seen)


def _cell_task(run: Run) -> CellTask:
    record = run.record
    low, high = record["band"]
    return CellTask(
        CellSettings.from_json(record["cells"]),
        run.labels,
        run.positive,
        Thresholds(record["threshold"], (low, high)),
        FieldRule.from_json(record["field"]),
        _current_guards(run, "guards"),
        _current_guards(run, "field_guards"),
    )


def _current_guards(run: Run, key: str) -> GuardsRecord | None:
    """Return the guards of a run; None if they are those of an earlier version."""
    guards: GuardsRecord | None = run.record[key]
    return guards if is_current(guards) else None
