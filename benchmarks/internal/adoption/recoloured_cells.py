"""Gives the cells of a camera that was not seen in training the colours of the training cells.

python -m alledge.benchmarks.internal.adoption.recoloured_cells RUN

RUN is a run of cells with a camera split. The stain of all cells of a camera has a second moment of
its optical density, (3, 3). The linear map between those of two cameras leaves white as it is, and
needs no label. Each network judges the cells of the camera whose blasts it has not seen, as they
are and after the map to the colours of the other camera.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import RunError
from ....export.source_run import RunImages, read_run_images
from ....runtime.metrics.decisions import is_positive
from ....train.networks.saved_network import load_network
from ....train.runs.run_folder import Run, load_run
from .turned_cells import CellScores, print_rows
from .unseen_cameras import unseen_cells

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
CAMERAS = 2
STAINED = 0.3  # least sum of the three optical densities of a pixel that is no background


def main() -> None:
    """Print the AUC of each camera, and the paired difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = load_run(parser.parse_args().run)
    images = read_run_images(run)
    print(
        "| camera | cells | as they are | in the colours of the other camera |\n|---|---:|---|---|"
    )
    print_rows(run, images, scores_by_camera(run, images))


def scores_by_camera(run: Run, images: RunImages) -> CellScores:
    """Return for each camera and cell the two probabilities of each network that judges it."""
    from ....train.fitting.training_loop import forward

    sides = is_positive(run.labels, run.positive)
    unseen = {fold: unseen_cells(images, run, fold) for fold in run.fold_numbers}
    pixels_of = {
        camera: images.images[
            np.unique(np.concatenate([cells for name, cells in unseen.values() if name == camera]))
        ]
        for camera in {name for name, _ in unseen.values()}
    }
    if len(pixels_of) != CAMERAS:
        raise RunError(f"the run leaves out {len(pixels_of)} cameras", allowed=f"{CAMERAS}")
    moments = {camera: second_moment(pixels) for camera, pixels in pixels_of.items()}
    scores: CellScores = defaultdict(lambda: defaultdict(list))
    for fold, (camera, cells) in unseen.items():
        [other] = set(moments) - {camera}
        pixels, network = images.images[cells], load_network(run.fold_model_path(fold))
        moved = recoloured(pixels, colour_map(moments[camera], moments[other]))
        views = [forward(network, view)[:, sides].sum(axis=1) for view in (pixels, moved)]
        for at, cell in enumerate(cells.tolist()):
            scores[camera][cell].append(np.array([view[at] for view in views], np.float64))
    return scores


def density(pixels: Pixels) -> Floats:
    """Return the optical density of each channel."""
    return np.asarray(-np.log((pixels.astype(np.float64) + 1) / 256))


def second_moment(pixels: Pixels) -> Floats:
    """Return the mean product of the optical densities of stained pixels, (3, 3)."""
    rows = density(pixels).reshape(-1, 3)
    stained = rows[rows.sum(axis=1) > STAINED]
    return np.asarray(stained.T @ stained / len(stained))


def colour_map(source: Floats, target: Floats) -> Floats:
    """Return the symmetric matrix M with M source M = target, (3, 3): the optimal transport.

    References
    ----------
    F. Pitié, A. Kokaram, "The linear Monge-Kantorovitch linear colour mapping for example-based
    colour transfer", CVMP (2007).
    """
    root = _root(source)
    back = np.linalg.inv(root)
    return np.asarray(back @ _root(root @ target @ root) @ back)


def recoloured(pixels: Pixels, mapping: Floats) -> Pixels:
    """Return images whose optical densities were multiplied by a matrix; white stays white."""
    values = 256 * np.exp(-(density(pixels) @ mapping.T)) - 1
    moved: Pixels = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return moved


def _root(matrix: Floats) -> Any:
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.sqrt(values)) @ vectors.T


if __name__ == "__main__":
    main()
