"""Judges the cells and fields of a camera that was left out, by the mean of several runs.

python -m alledge.benchmarks.internal.adoption.mean_of_runs RUN RUN…

The runs have the same camera split and differ in recipe, for example those that
`alledge.benchmarks.internal.cell_ablation.recipes` leaves. Their raw probabilities are averaged, in
float32. Δp is the difference from the first run.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from ....errors import RunError
from ....export.source_cells import read_cells
from ....export.source_run import read_run_images
from ....train.data.split_types import CAMERA
from ....train.runs.run_folder import load_run
from .exported_cameras import print_head, table_rows


def main() -> None:
    """Print a Markdown table with one row for each direction, of each run and of their mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    runs = [load_run(path) for path in parser.parse_args().runs]
    parts = [run.fold_predictions() for run in runs]
    for run, part in zip(runs, parts, strict=True):
        if run.record["task"] != "cell" or run.record["split"]["kind"] != CAMERA:
            raise RunError(f"{run.path} is no run of cells with a camera split")
        if part.images != parts[0].images or not np.array_equal(part.folds, parts[0].folds):
            raise RunError(f"{run.path} has another split than {runs[0].path}")
    mean = np.mean([part.scores for part in parts], axis=0)
    images, examples = read_run_images(runs[0]), read_cells(runs[0])
    print_head()
    named = [(run.path.name, part.scores) for run, part in zip(runs, parts, strict=True)]
    for name, scores in (*named, (f"mean of {len(runs)}", mean)):
        predictions = replace(images.predictions, scores=scores, probe=None)
        for row in table_rows(name, predictions, runs[0], images, examples):
            print(row, flush=True)


if __name__ == "__main__":
    main()
