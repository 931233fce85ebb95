"""Judges the cells and fields of a camera that was left out, by the exported networks of the folds.

python -m alledge.benchmarks.internal.adoption.exported_cameras RUN [--precision int8]
    [--formats tflite,onnx,openvino] [--calibration augmented] [--cells DIR]

``--calibration`` names other calibration cells than the training cells (`calibration_sources`),
and may be repeated; ``other-microscopes`` takes cells of the folders that ``--cells`` names.

The gate of ``alledge export`` scores the same cells with the same artifacts, but pools the
directions. What an export of the run converted is in its cache and not converted again. Each
network is converted by the first recipe of the format.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import RunError
from ....export.convert.jobs import JobRunner
from ....export.convert.quantization_recipes import ladder
from ....export.convert.step_cache import StepCache
from ....export.gate.fold_artifacts import FoldArtifacts
from ....export.source_cells import read_cells
from ....export.source_run import RunImages, read_run_images
from ....runtime.metrics.metrics import Json, positive_score
from ....train.data.cells.types import CellExamples
from ....train.data.split_types import CAMERA, Fold, Split
from ....train.runs.camera_directions import directions
from ....train.runs.field_directions import field_directions
from ....train.runs.field_results import certain_cells
from ....train.runs.field_table import field_table
from ....train.runs.predictions import Predictions
from ....train.runs.run_folder import Run, load_run
from .calibration_sources import EXPORT, SOURCES, Halves, calibration_halves
from .unseen_cameras import unseen_cells

FLOAT = "float32, Keras"
CELL_FIGURES = ("auc", "certain_auc", "sensitivity", "specificity")
FIELD_FIGURES = ("auc", "sensitivity_at_95", "sensitivity", "specificity")


def main() -> None:
    """Print a Markdown table with one row for each direction and each format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--formats", default="tflite,onnx,openvino")
    parser.add_argument("--calibration", action="append", choices=SOURCES)
    parser.add_argument("--cells", action="append", type=Path)
    arguments = parser.parse_args()
    run = load_run(arguments.run)
    if run.record["task"] != "cell" or run.record["split"]["kind"] != CAMERA:
        raise RunError(f"{run.path} is no run of cells with a camera split")
    images = read_run_images(run)
    print_head()
    formats = arguments.formats.split(",")
    examples = read_cells(run)
    for row in table_rows(FLOAT, images.predictions, run, images, examples):
        print(row, flush=True)
    for source in arguments.calibration or (EXPORT,):
        halves = calibration_halves(source, run, images, arguments.cells or ())
        name = f"{arguments.precision}, {source} cells"
        for format_name in formats:
            exported = exported_predictions(run, images, arguments.precision, format_name, halves)
            for row in table_rows(f"{name}, {format_name}", exported, run, images, examples):
                print(row, flush=True)


def print_head() -> None:
    """Print the head of the table."""
    titles = (
        *("trained on blasts of", "tested on those of", "network"),
        *(
            "mean, max Δp of cells",
            "cell AUC",
            "against healthy fields",
            "sensitivity",
            "specificity",
        ),
        *("field AUC", "sensitivity at specificity 0.95", "sensitivity", "specificity"),
    )
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")


def exported_predictions(
    run: Run, images: RunImages, precision: str, format_name: str, halves: Halves
) -> Predictions:
    """Return the out-of-fold predictions of the artifacts of the networks of the folds.

    Parameters
    ----------
    run : Run
    images : RunImages
    precision, format_name : str
    halves : callable
        From `calibration_halves`.
    """
    recipe = ladder(format_name, precision)[0]
    scores = np.empty_like(images.predictions.scores)
    with (
        tempfile.TemporaryDirectory() as folder,
        JobRunner(Path(folder), cache=StepCache()) as jobs,
    ):
        for fold in run.fold_numbers:
            rows = np.flatnonzero(images.predictions.folds == fold)
            for number, (tested, calibration) in enumerate(halves(fold)):
                place = Path(folder) / f"half{number}"
                artifacts = FoldArtifacts(run, images, jobs, place, precision, calibration)
                scores[rows[tested]] = artifacts.scores(format_name, recipe, fold)[tested]
    return replace(images.predictions, scores=scores, probe=None)


def table_rows(
    name: str, predictions: Predictions, run: Run, images: RunImages, examples: CellExamples
) -> Iterator[str]:
    """Yield a row for each camera whose blasts were left out."""
    split = camera_split(run, images)
    seed, sensitivity = run.record["seed"], run.record["sensitivity"]
    known = predictions.with_truth()
    certain = certain_cells(known, examples)
    of_cells = directions(known, split, run.labels, run.positive, seed, certain=certain)
    of_fields = field_directions(
        predictions, split, field_table(examples), run.labels, run.positive, sensitivity, seed=seed
    )
    for cells, fields in zip(of_cells, of_fields, strict=True):
        moved = moved_scores(predictions, run, images, split, cells["tested"])
        values = [f"{moved.mean():.4f}, {moved.max():.3f}"]
        values += [_with_interval(cells["model"][key]) for key in CELL_FIGURES]
        values += [_with_interval(fields["model"][key]) for key in FIELD_FIGURES]
        trained = ", ".join(cells["trained"])
        yield f"| {' | '.join((trained, cells['tested'], name, *values))} |"


def moved_scores(
    predictions: Predictions, run: Run, images: RunImages, split: Split, camera: str
) -> NDArray[np.float64]:
    """Return by how much raw blast probabilities of tested cells differ from the float model's."""
    tested = np.isin(
        images.predictions.folds, [f.number for f in split.folds if f.camera == camera]
    )
    scores = (row.scores[tested] for row in (predictions, images.predictions))
    ours, theirs = (positive_score(row, run.labels, run.positive) for row in scores)
    return np.abs(ours - theirs)


def camera_split(run: Run, images: RunImages) -> Split:
    """Return the folds of a run with the camera whose blasts test each; no indices of images."""
    none = np.empty(0, dtype=np.int64)
    folds = tuple(
        Fold(number, none, none, camera=unseen_cells(images, run, number)[0])
        for number in run.fold_numbers
    )
    return Split(CAMERA, folds, none, ())


def _with_interval(figure: Json) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


if __name__ == "__main__":
    main()
