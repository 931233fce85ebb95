"""Measuring a cell model on a data set: its cells, its fields and its counts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import ImageError
from ..bundle.seen_images import FILE_SETTINGS
from ..cells.cell_task import CellTask, PreparedCells
from ..cells.matching import match_cells
from ..cells.results import CellResult, FieldVerdict, judge_cells
from ..cells.types import Cell
from ..data.datasets import Dataset, Sample, read_dataset
from ..data.layout_types import ReadOptions
from ..imaging import load_rgb
from .evaluation import (
    EVEN_THRESHOLD,
    EvaluatedModel,
    check_labels,
    document_head,
    nothing_to_measure,
)
from .field_metrics import NEGATIVE, POSITIVE, JudgedFields, summarize_fields
from .metrics import Floats, Json, summarize

LABELS = (NEGATIVE, POSITIVE)


class _KnownCell(NamedTuple):
    """A cell whose truth the data set says."""

    positive: bool
    probability: float
    sample: Sample


@dataclass(frozen=True)
class _JudgedImage:
    """An image of the data set, and what the model says of it."""

    sample: Sample
    positive: bool
    flags: tuple[str, ...]
    probability: float  # NaN without a leucocyte
    threshold: float
    cells: list[_KnownCell]
    verdict: FieldVerdict | None = None  # None for an image of one cell
    true_blasts: int = -1
    compared_blasts: int = 0
    missed_blasts: int = 0


def evaluate_cells(
    model: EvaluatedModel,
    task: CellTask,
    data: str | Path,
    read_options: ReadOptions | None = None,
    *,
    include_seen: bool = False,
) -> Json:
    """Measure a cell model on a data set of fields, or of images of one cell.

    A cell at the centroid of a blast is positive. The other cells are negative. The truth of a
    cell is not known in a positive field without centroids, nor where the edge of a positive field
    cuts the nucleus.

    Parameters
    ----------
    model : EvaluatedModel
        Its `seen` are hashes of whole files.
    task : CellTask
    data, read_options, include_seen
        As `evaluate`.

    Returns
    -------
    dict
        As `evaluate`; ``operating`` and ``even`` are of cells, ``fields`` is what
        `summarize_fields` returns. ``review`` counts images.

    Raises
    ------
    DataError, AllImagesSeenError
        As `evaluate`.
    """
    dataset = read_dataset(data, read_options)
    check_labels(dataset, model)
    images: list[_JudgedImage] = []
    failed: list[Json] = []
    seen = 0
    for sample in dataset.samples:
        try:
            is_seen = len(model.seen) > 0 and load_rgb(sample.path, FILE_SETTINGS) in model.seen
            seen += is_seen
            if is_seen and not include_seen:
                continue
            images.append(_judge(model, task, dataset, sample))
        except ImageError as error:
            failed.append({"image": dataset.relative(sample), "error": error.one_line})
    if not images:
        raise nothing_to_measure(model, data, seen, failed)
    return {
        **document_head(model, dataset, seen, include_seen=include_seen),
        "task": "cell",
        "failed": failed,
        "operating": _cell_summary(model, images, model.threshold),
        "even": _cell_summary(model, images, EVEN_THRESHOLD),
        "fields": summarize_fields(_judged_fields(dataset, images), seed=model.seed),
        "review": _review(model, task, images),
    }


def _judge(model: EvaluatedModel, task: CellTask, dataset: Dataset, sample: Sample) -> _JudgedImage:
    prepared = task.prepare(sample.path)
    positive = sample.label in dataset.positive
    if prepared.kind == "cell":
        [cell] = _judge_crops(model, task, prepared, (Cell(0, 0, 1),))
        flags = prepared.flags + ("indeterminate",) * ("indeterminate" in cell.flags)
        itself = [_KnownCell(positive, cell.probability, sample)]
        return _JudgedImage(
            sample, positive, flags, cell.probability, task.thresholds.threshold, itself
        )
    cells, verdict = task.judge(prepared, _scores(model, prepared))
    matches = match_cells(prepared.cells, sample.centroids)
    known = _are_known(sample, positive, cells, matches)
    p = verdict.probability
    return _JudgedImage(
        sample,
        positive,
        task.flags(prepared, verdict),
        math.nan if p is None else p,
        task.rule.threshold,
        [
            _KnownCell(index in matches, cell.probability, sample)
            for index, cell in enumerate(cells)
            if known[index]
        ],
        verdict,
        len(sample.centroids) if sample.centroids or not positive else -1,
        sum(
            cell.is_leucocyte and cell.label in task.positive
            for cell, is_known in zip(cells, known, strict=True)
            if is_known
        ),
        len(sample.centroids) - len(matches),
    )


def _judge_crops(
    model: EvaluatedModel, task: CellTask, prepared: PreparedCells, cells: tuple[Cell, ...]
) -> tuple[CellResult, ...]:
    scores = _scores(model, prepared)
    return judge_cells(cells, scores, task.labels, task.positive, task.thresholds)


def _scores(model: EvaluatedModel, prepared: PreparedCells) -> Floats:
    """Return the calibrated scores of all crops, (N, C)."""
    crops, size = prepared.crops, model.batch_size
    rows = [model.scores(crops[start : start + size]) for start in range(0, len(crops), size)]
    return np.concatenate(rows) if rows else np.empty((0, len(model.labels)))


def _are_known(
    sample: Sample, positive: bool, cells: tuple[CellResult, ...], matches: dict[int, int]
) -> list[bool]:
    """Return for each cell of a field whether the data set says what it is."""
    if positive and not sample.centroids:
        return [False] * len(cells)
    return [
        index in matches or not (positive and "clipped" in cell.flags)
        for index, cell in enumerate(cells)
    ]


def _cell_summary(
    model: EvaluatedModel, images: list[_JudgedImage], threshold: float
) -> Json | None:
    cells = [cell for image in images for cell in image.cells]
    if not cells:
        return None
    return _summary(
        model,
        [cell.positive for cell in cells],
        [cell.probability for cell in cells],
        threshold,
        [cell.sample for cell in cells],
    )


def _judged_fields(dataset: Dataset, images: list[_JudgedImage]) -> JudgedFields:
    fields = [(image, image.verdict) for image in images if image.verdict is not None]
    samples = [image.sample for image, _ in fields]
    return JudgedFields(
        names=tuple(dataset.relative(sample) for sample in samples),
        cameras=tuple(sample.camera for sample in samples),
        groups=tuple(sample.group for sample in samples),
        positive=np.array([image.positive for image, _ in fields], dtype=bool),
        probability=np.array([image.probability for image, _ in fields], dtype=np.float64),
        threshold=np.array([image.threshold for image, _ in fields], dtype=np.float64),
        leucocytes=np.array([v.counts.leucocytes for _, v in fields], dtype=np.int64),
        blasts=np.array([v.counts.blasts for _, v in fields], dtype=np.int64),
        true_blasts=np.array([image.true_blasts for image, _ in fields], dtype=np.int64),
        compared_blasts=np.array([image.compared_blasts for image, _ in fields], dtype=np.int64),
        missed_blasts=np.array([image.missed_blasts for image, _ in fields], dtype=np.int64),
    )


def _review(model: EvaluatedModel, task: CellTask, images: list[_JudgedImage]) -> Json:
    """Return how many images have flags, how many have each, and the metrics of the others."""
    others = [image for image in images if not image.flags]
    return {
        "guarded": task.guarded,
        "images": len(images) - len(others),
        "flags": dict(sorted(Counter(flag for row in images for flag in row.flags).items())),
        "unflagged": _summary(
            model,
            [image.positive for image in others],
            [image.probability for image in others],
            np.array([image.threshold for image in others]),
            [image.sample for image in others],
        )
        if others
        else None,
    }


def _summary(
    model: EvaluatedModel,
    positive: list[bool],
    probabilities: list[float],
    threshold: float | Floats,
    samples: list[Sample],
) -> Json:
    p = np.asarray(probabilities)
    return summarize(
        np.asarray(positive, dtype=int),
        np.stack([1 - p, p], axis=1),
        LABELS,
        (POSITIVE,),
        threshold,
        [sample.group for sample in samples],
        [sample.camera for sample in samples],
        seed=model.seed,
    )
