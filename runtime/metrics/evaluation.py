"""Measuring a model on a data set: the one path that bundles and training runs share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import AllImagesSeenError, DataError, ImageError
from ..bundle.seen_images import TrainingImageHashes
from ..data.datasets import Dataset, Sample, read_dataset
from ..data.layout_types import ReadOptions
from ..data.named_layouts import SINGLE_CELL_LAYOUTS
from ..guards.guards import Guards
from ..guards.image_statistics import image_statistics
from ..image_settings import ImageSettings
from ..imaging import load_image
from ..types import RGB
from .decisions import Thresholds, decide
from .metrics import Json, summarize

SCHEMA, SCHEMA_VERSION = "alledge/evaluate", 1
# The hash of an image says nothing about its parts. `alledge audit` compares pixels, and needs the
# training images for it, which a device does not have.
CROP_NOTE = (
    "some images show one cell; those that are crops of training images are not recognized, and "
    "not left out: `alledge audit TRAINING-DATA DATA` finds them"
)
EVEN_THRESHOLD = 0.5  # the threshold of a model for which none was fitted


@dataclass(frozen=True)
class EvaluatedModel:
    """A model that is measured on a data set.

    Parameters
    ----------
    kind : {"run", "bundle"}
    name : str
    digest : str or None
        Of a bundle.
    backend : str
        Engine that computes the scores.
    labels, positive : sequence of str
        All labels in the order of the scores, and those of them that mean leukaemia.
    threshold : float
        On the calibrated positive score, in [0, 1].
    band : (float, float)
        Positive scores in which the model is indeterminate.
    guards : Guards
    image_settings : ImageSettings
    seen : TrainingImageHashes
        Hashes of the images that the model was trained on.
    scores : callable
        Takes (N, S, S, 3) uint8 images and returns (N, C) calibrated probabilities.
    batch_size : int
        Largest N that `scores` is called with.
    seed : int
        Of the bootstrap of the AUC.
    out_of_fold : str
        File with the metrics of the model on images that it was not trained on.
    """

    kind: str
    name: str
    digest: str | None
    backend: str
    labels: Sequence[str]
    positive: Sequence[str]
    threshold: float
    band: tuple[float, float]
    guards: Guards
    image_settings: ImageSettings
    seen: TrainingImageHashes
    scores: Callable[[RGB], NDArray[np.float64]]
    batch_size: int = 1
    seed: int = 0
    out_of_fold: str = "MODEL_CARD.md"


def evaluate(
    model: EvaluatedModel,
    data: str | Path,
    read_options: ReadOptions | None = None,
    *,
    include_seen: bool = False,
) -> Json:
    """Measure a model on a data set.

    Parameters
    ----------
    model : EvaluatedModel
    data : str or Path
        Folder of the data set.
    read_options : ReadOptions, optional
        As `read_dataset`.
    include_seen : bool
        Measure on images that the model was trained on too; the document says so.

    Returns
    -------
    dict
        The document of ``alledge evaluate --json``: the metrics at the model's threshold
        (``operating``) and at 0.5 (``even``), the number of images left out as seen, and the
        images that ``alledge classify`` would send to review (``review``).

    Raises
    ------
    DataError
        If the data set has a label that the model does not give, or no image can be read.
    AllImagesSeenError
        If the model was trained on all images that can be read.
    """
    dataset = read_dataset(data, read_options)
    check_labels(dataset, model)
    scored = _score(model, dataset, include_seen)
    if not scored.samples:
        raise nothing_to_measure(model, data, scored.seen, scored.failed)
    return {
        **document_head(
            model,
            dataset,
            scored.seen,
            include_seen=include_seen,
            has_single_cells=dataset.layout in SINGLE_CELL_LAYOUTS,
        ),
        "failed": scored.failed,
        "operating": _summary(model, scored, model.threshold),
        "even": _summary(model, scored, EVEN_THRESHOLD),
        "review": _review(model, scored),
    }


def document_head(
    model: EvaluatedModel,
    dataset: Dataset,
    seen: int,
    *,
    include_seen: bool,
    has_single_cells: bool,
) -> Json:
    """Return what the document says of the model and the data set.

    Parameters
    ----------
    model : EvaluatedModel
    dataset : Dataset
    seen : int
        Number of images that the model was trained on.
    include_seen : bool
        Whether they are measured too.
    has_single_cells : bool
        Whether some of the images show one cell, and may be crops of fields.
    """
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "subject": {
            "kind": model.kind,
            "name": model.name,
            "digest": model.digest,
            "backend": model.backend,
        },
        "data": {
            "name": dataset.name,
            "layout": dataset.layout,
            "fingerprint": dataset.fingerprint(),
            "images": len(dataset.samples),
            "generated": dataset.generated,
            "reading": dataset.description(),
        },
        "include_seen": include_seen,
        "seen_left_out": 0 if include_seen else seen,
        "seen_included": seen if include_seen else 0,
        "notes": [CROP_NOTE] if has_single_cells and len(model.seen) > 0 else [],
    }


class _ScoredImages(NamedTuple):
    """The images that are measured, and those that are not."""

    samples: list[Sample]
    scores: NDArray[np.float64]  # (N, C)
    flags: list[tuple[str, ...]]  # of the decoder and the guards
    failed: list[Json]  # images that cannot be read
    seen: int  # number of images that the model was trained on


def _score(model: EvaluatedModel, dataset: Dataset, include_seen: bool) -> _ScoredImages:
    samples: list[Sample] = []
    batch: list[RGB] = []
    scores: list[NDArray[np.float64]] = []
    flags: list[tuple[str, ...]] = []
    failed: list[Json] = []
    seen = 0
    for sample in dataset.samples:
        try:
            pixels, header = load_image(sample.path, model.image_settings)
        except ImageError as error:
            failed.append({"image": dataset.relative(sample), "error": error.one_line})
            continue
        is_seen = pixels in model.seen
        seen += is_seen
        if is_seen and not include_seen:
            continue
        samples.append(sample)
        flags.append((*header.flags, *model.guards.flags(image_statistics(pixels, header))))
        batch.append(pixels)
        if len(batch) == model.batch_size:
            scores.append(model.scores(np.stack(batch)))
            batch = []
    if batch:
        scores.append(model.scores(np.stack(batch)))
    table = np.concatenate(scores) if scores else np.empty((0, len(model.labels)))
    return _ScoredImages(samples, table, flags, failed, seen)


def _review(model: EvaluatedModel, scored: _ScoredImages) -> Json:
    """Return how many images have flags, how many have each, and the metrics of the others."""
    verdicts = decide(
        scored.scores, model.labels, model.positive, Thresholds(model.threshold, model.band)
    )
    flags = [
        (*row, "indeterminate") if verdict.indeterminate else row
        for row, verdict in zip(scored.flags, verdicts, strict=True)
    ]
    kept = [index for index, row in enumerate(flags) if not row]
    others = scored._replace(
        samples=[scored.samples[index] for index in kept], scores=scored.scores[kept]
    )
    return {
        "guarded": model.guards.active,
        "images": len(flags) - len(kept),
        "flags": dict(sorted(Counter(flag for row in flags for flag in row).items())),
        "unflagged": _summary(model, others, model.threshold) if kept else None,
    }


def _summary(model: EvaluatedModel, scored: _ScoredImages, threshold: float) -> Json:
    return summarize(
        [model.labels.index(sample.label) for sample in scored.samples],
        scored.scores,
        model.labels,
        model.positive,
        threshold,
        [sample.group for sample in scored.samples],
        [sample.camera for sample in scored.samples],
        seed=model.seed,
    )


def nothing_to_measure(
    model: EvaluatedModel, data: str | Path, seen: int, failed: Sequence[Json]
) -> DataError:
    """Return the error for a data set of which no image is left to measure.

    Parameters
    ----------
    model : EvaluatedModel
    data : str or Path
    seen : int
        Number of images that the model was trained on.
    failed : sequence of dict
        The images that cannot be read.
    """
    if not seen:
        return DataError(
            f"none of the {len(failed)} images of {data} can be read: {failed[0]['error']}",
            fix="replace or remove them",
        )
    return AllImagesSeenError(
        f"{model.name} was trained on every readable image of {data}: nothing is left to measure",
        fix=f"see its {model.out_of_fold} for figures out of fold, or --include-seen",
    )


def check_labels(dataset: Dataset, model: EvaluatedModel) -> None:
    """Check that a model gives every label of a data set, with the same meaning.

    Raises
    ------
    DataError
    """
    unknown = [label for label in dataset.labels if label not in model.labels]
    if unknown:
        raise DataError(
            f"{dataset.root} has the label {unknown[0]!r}, which {model.name} does not give",
            allowed=model.labels,
            fix=f"name the folders as the {model.kind}'s labels, or evaluate on another data set",
        )
    for label in dataset.labels:
        if (label in dataset.positive) != (label in model.positive):
            side = "leukaemia" if label in model.positive else "healthy"
            raise DataError(
                f"the label {label!r} means {side} to {model.name}, but not in {dataset.root}",
                fix="--positive with the labels that mean leukaemia: " + ", ".join(model.positive),
            )
