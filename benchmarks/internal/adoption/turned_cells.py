"""Measures the mean over turned and mirrored squares of a cell, on a camera not seen in training.

python -m alledge.benchmarks.internal.adoption.turned_cells RUN

RUN is a run of cells with a camera split. Each network judges the cells of the camera whose blasts
it has not seen, as they are and as the mean of 4 turns, and of 8 turns and mirrored turns.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....export.source_run import RunImages, read_run_images
from ....runtime.metrics.decisions import is_positive
from ....runtime.metrics.intervals import auc, paired_auc_difference
from ....train.networks.saved_network import load_network
from ....train.runs.run_folder import Run, load_run
from .unseen_cameras import unseen_cells

Floats = NDArray[np.float64]
# For each camera and cell, the probabilities of each network that judges it, one for each view.
CellScores = dict[str, dict[int, list[Floats]]]


def main() -> None:
    """Print the AUC of each camera, and the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = load_run(parser.parse_args().run)
    images = read_run_images(run)
    print("| camera | cells | as they are | 4 turns | 8 turns and mirrored |")
    print("|---|---:|---|---|---|")
    print_rows(run, images, scores_by_camera(run, images))


def print_rows(run: Run, images: RunImages, scores: CellScores) -> None:
    """Print a row for each camera: the number of its cells, and the figures of each view."""
    for camera, rows in scores.items():
        cells = sorted(rows)
        truth = np.array([images.labels[cell] in run.positive for cell in cells])
        groups = [images.groups[cell] for cell in cells]
        means = np.array([np.mean(rows[cell], axis=0) for cell in cells])
        print(f"| {camera} | {len(cells)} | {figures(truth, means, groups)} |", flush=True)


def scores_by_camera(run: Run, images: RunImages) -> CellScores:
    """Return for each camera and cell the three probabilities of each network that judges it."""
    from ....train.fitting.training_loop import forward

    sides = is_positive(run.labels, run.positive)
    scores: CellScores = defaultdict(lambda: defaultdict(list))
    for fold in run.fold_numbers:
        camera, cells = unseen_cells(images, run, fold)
        network = load_network(run.fold_model_path(fold))
        pixels = images.images[cells]
        views = [forward(network, view)[:, sides].sum(axis=1) for view in turned(pixels)]
        for at, cell in enumerate(cells.tolist()):
            own = [view[at] for view in views]
            scores[camera][cell].append(np.array([own[0], np.mean(own[:4]), np.mean(own)]))
    return scores


def turned(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return (N, S, S, 3) squares in four turns, and their mirror images in four turns."""
    return [
        np.rot90(squares, turn, axes=(1, 2))
        for squares in (pixels, pixels[:, :, ::-1])
        for turn in range(4)
    ]


def figures(truth: NDArray[np.bool_], means: Floats, groups: list[str]) -> str:
    """Return the AUC of the first column, and those of the others with their paired differences."""
    plain = means[:, 0]
    texts = [f"{auc(truth, plain):.3f}"]
    for column in means.T[1:]:
        gain, low, high = paired_auc_difference(truth, column, plain, groups)
        texts.append(f"{auc(truth, column):.3f} ({gain:+.3f}, {low:+.3f} to {high:+.3f})")
    return " | ".join(texts)


if __name__ == "__main__":
    main()
