"""Measuring a cell model on a data set: its cells, its fields and its counts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import ImageError
from ..bundle.seen_images import FILE_SETTINGS
from ..cells.cell_task import CellTask, PreparedCells
from ..cells.matching import match_cells
from ..cells.results import CellResult, FieldVerdict
from ..cells.types import Cell, TakenAs
from ..data.boxes import VOC, YOLO
from ..data.cell_truth import TrueCell
from ..data.datasets import Dataset, Sample, read_dataset
from ..data.label_spelling import label_key
from ..data.layout_types import CELL, ReadOptions
from ..data.named_layouts import ALL_IDB1, SINGLE_CELL_LAYOUTS
from ..imaging import load_rgb
from .evaluation import (
    EVEN_THRESHOLD,
    EvaluatedModel,
    document_head,
    nothing_to_measure,
)
from .field_metrics import NEGATIVE, POSITIVE, JudgedFields, summarize_fields
from .metrics import Floats, Json, summarize

LABELS = (NEGATIVE, POSITIVE)
# What the images of a layout are; of other layouts, the content of each image decides.
TAKEN_AS_OF_LAYOUT: dict[str, TakenAs] = {
    **dict.fromkeys((ALL_IDB1, VOC, YOLO), "field"),
    **dict.fromkeys(SINGLE_CELL_LAYOUTS, "cell"),
}  # type: ignore[arg-type]


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
    verdict: FieldVerdict
    is_field: bool
    true_blasts: int = -1  # of a field; -1 if the data set does not say
    compared_blasts: int = 0  # of those that were counted, the ones that the truth covers
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

    A cell has the truth of the centroid or box at its place. In a data set that names blasts only,
    the other cells are negative. Labels count by what they mean, not by their names: kinds of
    healthy leucocytes are negative. The truth of a cell is not known in a positive field without
    positions, nor where the edge of a positive field cuts a nucleus.

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
    dataset = read_dataset(data, replace(read_options or ReadOptions(), task=CELL))
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
        **document_head(
            model,
            dataset,
            seen,
            include_seen=include_seen,
            has_single_cells=not all(image.is_field for image in images),
        ),
        "task": "cell",
        "failed": failed,
        "operating": _cell_summary(model, images, model.threshold),
        "even": _cell_summary(model, images, EVEN_THRESHOLD),
        "fields": summarize_fields(_judged_fields(dataset, images), seed=model.seed),
        "review": _review(model, task, images),
    }


def _judge(model: EvaluatedModel, task: CellTask, dataset: Dataset, sample: Sample) -> _JudgedImage:
    prepared = task.prepare(sample.path, TAKEN_AS_OF_LAYOUT.get(dataset.layout, "auto"))
    cells, verdict = task.judge(prepared, _scores(model, prepared))
    positive = sample.label in dataset.positive
    p = verdict.probability
    image = _JudgedImage(
        sample,
        positive,
        task.flags(prepared, verdict),
        math.nan if p is None else p,
        task.threshold(prepared),
        [_KnownCell(positive, cell.probability, sample) for cell in cells],
        verdict,
        prepared.kind == "field",
    )
    return image if prepared.kind == "cell" else _with_truth(image, task, dataset, cells)


def _with_truth(
    image: _JudgedImage, task: CellTask, dataset: Dataset, cells: tuple[CellResult, ...]
) -> _JudgedImage:
    """Return a field with what the data set says of its cells."""
    truth = _true_cells(image.sample, dataset)
    places = [Cell(cell.x, cell.y, cell.radius) for cell in cells]
    matches = match_cells(places, [cell for cell, _ in truth])
    is_blast = [meaning == POSITIVE for _, meaning in truth]
    blasts = sum(is_blast)
    if image.positive and not blasts:  # its blasts have no positions
        return replace(image, cells=[])
    known, compared = [], 0
    for index, cell in enumerate(cells):
        meaning = NEGATIVE
        if index in matches:
            meaning = truth[matches[index]][1]
        elif image.sample.cells is not None or (image.positive and "clipped" in cell.flags):
            meaning = ""  # no leucocyte, or one that the data set leaves out
        if meaning in (POSITIVE, NEGATIVE):
            known.append(_KnownCell(meaning == POSITIVE, cell.probability, image.sample))
        if "clipped" not in cell.flags or index in matches or not image.positive:
            compared += cell.is_leucocyte and cell.label in task.positive
    missed = blasts - sum(is_blast[index] for index in matches.values())
    return replace(
        image, cells=known, true_blasts=blasts, compared_blasts=compared, missed_blasts=missed
    )


def _true_cells(sample: Sample, dataset: Dataset) -> list[tuple[TrueCell, str]]:
    """Return the cells that a data set names in a field, and what the label of each means."""
    if sample.cells is None:
        label = dataset.positive[0] if dataset.positive else ""
        return [(TrueCell(label, x, y), POSITIVE) for x, y in sample.centroids]
    meanings = {label_key(row.label): row.meaning for row in dataset.reading.meanings}
    return [(cell, meanings.get(label_key(cell.label), "")) for cell in sample.cells]


def _scores(model: EvaluatedModel, prepared: PreparedCells) -> Floats:
    """Return the calibrated scores of all crops, (N, C)."""
    crops, size = prepared.crops, model.batch_size
    rows = [model.scores(crops[start : start + size]) for start in range(0, len(crops), size)]
    return np.concatenate(rows) if rows else np.empty((0, len(model.labels)))


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
    fields = [(image, image.verdict) for image in images if image.is_field]
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
