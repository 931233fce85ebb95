"""Compares guards of cells in feature space with those of image statistics, by one table.

python -m alledge.benchmarks.internal.feature_guards GROUPED_RUN CAMERA_RUN --single-cells DIR
    --features FILE.npz

Each network of GROUPED_RUN judges the cells of its test fold (false alarms), the cells of another
laboratory, and what is found in pictures that are no smears. Each network of CAMERA_RUN judges the
cells of the camera that it has not seen, with guards fitted to the training cells of the others.
The limit of every guard is exceeded by one in twenty training cells that its fit left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....export.bundle.writer import write_arrays
from ....export.source_run import RunImages, read_run_images
from ....runtime.cells.field_cells import find_cells
from ....runtime.cells.settings import CellSettings
from ....runtime.data.inputs import find_images
from ....runtime.guards.fitting import fit_cell_guards
from ....runtime.guards.guards import Guards
from ....runtime.guards.image_statistics import image_statistics
from ....runtime.metrics.intervals import auc, wilson
from ....train.networks.saved_network import load_network
from ....train.runs.run_folder import Run, load_run
from ..adoption.unseen_cameras import features_of_cells, unseen_cells
from ..non_smear_images import drawn_images, is_untouched, sample_photographs
from .distances import GUARDS, Distance, Floats

FALSE_ALARMS, FOLDS = 0.05, 5
HOME, LABORATORY, NO_SMEARS, CAMERA = "home", "laboratory", "no smears", "camera"
SETS = (HOME, LABORATORY, NO_SMEARS, CAMERA)


@dataclass(frozen=True)
class Part:
    """Cells with their features by one network, their squares and their classes."""

    features: Floats
    pixels: NDArray[np.uint8]
    truth: NDArray[np.int64]
    groups: NDArray[np.int64]

    def select(self, rows: NDArray[np.int64]) -> Part:
        """Return some of the cells."""
        return Part(self.features[rows], self.pixels[rows], self.truth[rows], self.groups[rows])


def main() -> None:
    """Print a Markdown table with a row for each guard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grouped", type=Path)
    parser.add_argument("camera", type=Path)
    parser.add_argument("--single-cells", type=Path, required=True, help="of another laboratory")
    parser.add_argument("--features", type=Path, required=True, help="written if it is missing")
    arguments = parser.parse_args()
    runs = {name: load_run(getattr(arguments, name)) for name in ("grouped", "camera")}
    images = {name: read_run_images(run) for name, run in runs.items()}
    others = {
        LABORATORY: largest_cells(arguments.single_cells),
        NO_SMEARS: cells_of_other_pictures(),
    }
    if not arguments.features.exists():
        write_arrays(arguments.features, dict(all_features(runs, images, others)))
    with np.load(arguments.features, allow_pickle=False) as archive:
        features = dict(archive)
    alarms: dict[tuple[str, str], list[NDArray[np.bool_]]] = {}
    ranks: dict[tuple[str, str], list[float]] = {}
    for train, asked in comparisons(runs, images, others, features):
        for name, flagged, areas in judged(train, asked):
            for what, mask in flagged.items():
                alarms.setdefault((name, what), []).append(mask)
            for what, area in areas.items():
                ranks.setdefault((name, what), []).append(area)
    print("| guard | home cells flagged | of another laboratory | in no smears | other camera |")
    print("|---|---|---|---|---|")
    for name in dict.fromkeys(name for name, _ in alarms):
        cells = [share(alarms.get((name, what), []), ranks.get((name, what))) for what in SETS]
        print(f"| {name} | " + " | ".join(cells) + " |")


def largest_cells(folder: Path) -> NDArray[np.uint8]:
    """Return the square of the largest nucleus of each image of one cell."""
    crops = []
    for image in find_images([folder], recursive=True):
        found = find_cells(image, CellSettings())
        if found.cells:
            radii = [cell.radius for cell in found.cells]
            crops.append(found.crops[int(np.argmax(radii))])
    return np.stack(crops)


def cells_of_other_pictures() -> NDArray[np.uint8]:
    """Return what is found in pictures that are no smears, of the half that guards are tuned on."""
    pictures = [*drawn_images(), *sample_photographs()]
    own = [
        find_cells(image, CellSettings()).crops
        for name, image in pictures
        if not is_untouched(name)
    ]
    return np.concatenate([crops for crops in own if len(crops)])


def all_features(
    runs: dict[str, Run], images: dict[str, RunImages], others: dict[str, NDArray[np.uint8]]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the features of all cells by every network."""
    for name, run in runs.items():
        for fold in run.fold_numbers:
            network = load_network(run.fold_model_path(fold))
            yield f"{name}-{fold}-run", features_of_cells(network, images[name].images)
            if name == "grouped":
                for what, pixels in others.items():
                    yield f"{name}-{fold}-{what}", features_of_cells(network, pixels)


def comparisons(
    runs: dict[str, Run],
    images: dict[str, RunImages],
    others: dict[str, NDArray[np.uint8]],
    features: dict[str, NDArray[np.float32]],
) -> Iterator[tuple[Part, dict[str, Part]]]:
    """Yield the training cells of each network, and the cells that its guards are asked about."""
    for name, run in runs.items():
        own = images[name]
        known = np.ones(len(own.names), bool) if own.known is None else own.known
        for fold in run.fold_numbers:
            cells = all_cells(run, own, features[f"{name}-{fold}-run"])
            trained = known & np.array([fold in folds for folds in own.trained_by])
            if name == "camera":
                camera, asked = unseen_cells(own, run, fold)
                trained &= np.array([other != camera for other in own.cameras])
                yield cells.select(np.flatnonzero(trained)), {CAMERA: cells.select(asked)}
            else:
                parts = {HOME: cells.select(own.tested_images(fold))}
                for what, pixels in others.items():
                    zeros = np.zeros(len(pixels), np.int64)
                    table = features[f"{name}-{fold}-{what}"].astype(np.float64)
                    parts[what] = Part(table, pixels, zeros, zeros)
                yield cells.select(np.flatnonzero(trained)), parts


def all_cells(run: Run, images: RunImages, features: NDArray[np.float32]) -> Part:
    """Return all cells of a run with their features by one network."""
    classes = np.array([run.labels.index(label) for label in images.labels], dtype=np.int64)
    groups = np.unique(images.groups, return_inverse=True)[1].astype(np.int64)
    return Part(features.astype(np.float64), images.images, classes, groups)


def judged(
    train: Part, asked: dict[str, Part]
) -> Iterator[tuple[str, dict[str, NDArray[np.bool_]], dict[str, float]]]:
    """Yield for each guard which cells it flags, and the AUC of its distance against home cells."""
    guards = Guards(fit_cell_guards(train.pixels))
    yield (
        "image statistics, as today",
        {
            what: np.array([bool(guards.flags(image_statistics(crop))) for crop in part.pixels])
            for what, part in asked.items()
        },
        {},
    )
    for name, fit in GUARDS.items():
        limit = fitted_limit(fit, train)
        distance = fit(train.features, train.truth)
        distances = {what: distance(part.features) for what, part in asked.items()}
        areas = {}
        if HOME in distances:
            home = distances[HOME]
            for what in (LABORATORY, NO_SMEARS):
                both = np.concatenate([home, distances[what]])
                areas[what] = auc(np.arange(len(both)) >= len(home), both)
        yield name, {what: own > limit for what, own in distances.items()}, areas


def fitted_limit(fit: Callable[[Floats, NDArray[np.int64]], Distance], train: Part) -> float:
    """Return the limit that one in twenty training cells of left-out groups exceeds."""
    folds = np.random.default_rng(0).permutation(int(train.groups.max()) + 1)[train.groups] % FOLDS
    held_out = np.empty(len(folds))
    for fold in range(FOLDS):
        inside = folds == fold
        held_out[inside] = fit(train.features[~inside], train.truth[~inside])(
            train.features[inside]
        )
    return float(np.quantile(held_out, 1 - FALSE_ALARMS))


def share(masks: list[NDArray[np.bool_]], areas: list[float] | None) -> str:
    """Return the share of flagged cells with its interval, and the mean AUC."""
    flagged, count = sum(int(mask.sum()) for mask in masks), sum(map(len, masks))
    low, high = wilson(flagged, count)
    text = f"{flagged / count:.1%} of {count} ({low:.1%} to {high:.1%})"
    return text if not areas else f"{text}, AUC {np.mean(areas):.3f}"


if __name__ == "__main__":
    main()
