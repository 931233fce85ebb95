"""Metrics of the fields of a camera split, one direction at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...runtime.metrics.field_metrics import JudgedFields, summarize_fields
from ...runtime.metrics.metrics import Json
from ..data.split_types import Split
from .calibration_fitting import SENSITIVITY
from .camera_directions import FIGURES
from .field_fitting import fit_field_judge, judge_fields
from .field_table import FieldTable
from .predictions import Predictions

FIELD_FIGURES = (*FIGURES, "threshold", "sensitivity_at_95", "no_answer", "counts")


def field_directions(
    predictions: Predictions,
    split: Split,
    table: FieldTable,
    labels: Sequence[str],
    positive: Sequence[str],
    sensitivity: float = SENSITIVITY,
    *,
    seed: int = 0,
) -> list[Json]:
    """Return the metrics for every camera whose fields with blasts were left out of training.

    A field is judged by a rule that was fitted to the other directions, without the fields that
    its fold tests. No positive field of the camera was used to fit anything.

    Parameters
    ----------
    predictions : Predictions
        Of cells, one row for every fold that tests a cell.
    split : Split
    table : FieldTable
    labels, positive : sequence of str
        All labels in the order of the scores, and those of them that mean leukaemia.
    sensitivity : float
        Wanted at the threshold, in (0, 1].
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of dict
        Empty if the split leaves out no camera. `model` and `probe` are None where the other
        directions cannot fit a rule.
    """
    probe = predictions.probe
    sources = {"model": predictions}
    if probe is not None:
        sources["probe"] = replace(predictions, scores=probe)
    rows: list[Json] = []
    is_ill = np.isin(table.labels, positive)
    cameras = np.asarray(table.cameras)
    for camera in sorted({fold.camera for fold in split.folds if fold.camera}):
        figures: dict[str, Json | None] = {"model": None, "probe": None}
        for name, source in sources.items():
            judged = judge_direction(source, split, camera, table, labels, positive, sensitivity)
            summary = None if judged is None else summarize_fields(judged, seed=seed)
            if summary is not None:
                figures[name] = {key: summary[key] for key in FIELD_FIGURES}
        rows.append(
            {
                "tested": camera,
                "trained": sorted(set(cameras[is_ill].tolist()) - {camera}),
                "specificity_of": sorted(set(cameras[~is_ill].tolist())),
                **figures,
            }
        )
    return rows


def judge_direction(
    predictions: Predictions,
    split: Split,
    camera: str,
    table: FieldTable,
    labels: Sequence[str],
    positive: Sequence[str],
    sensitivity: float = SENSITIVITY,
) -> JudgedFields | None:
    """Return the verdicts on healthy fields and on the blast fields of a camera that is left out.

    Parameters
    ----------
    predictions, split, table, labels, positive, sensitivity
        As `field_directions`.
    camera : str

    Returns
    -------
    JudgedFields or None
        None where the other directions cannot fit a rule.
    """
    numbers = [fold.number for fold in split.folds if fold.camera == camera]
    groups = np.asarray(predictions.groups)
    elsewhere = ~np.isin(predictions.folds, numbers)
    judges = []
    for number in numbers:
        inside = predictions.folds == number
        others = elsewhere & ~np.isin(groups, groups[inside])
        judge = fit_field_judge(
            predictions.select(others).per_image(), table, labels, positive, sensitivity
        )
        if judge is None:
            return None
        judges.append((inside, judge))
    judged = judge_fields(predictions, table, judges, labels, positive)
    tested = ~judged.positive | (np.asarray(table.cameras) == camera)
    return judged.select(tested)
