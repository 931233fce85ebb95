"""Fits the verdict on pairs of nuclei: one cell body, or two.

``python -m alledge.benchmarks.internal.learned_detection.pairs ALL_IDB1 PBC``. Pairs of one body
are those of single cells of the Barcelona set, of the half for development; every second image, in
the order of the names, is left out of the fit. Pairs of two bodies are named leucocytes of
ALL-IDB1. Each camera is tested by a fit to the other.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ....runtime.cells.body_joining import CONSTANT, LEAST, WEIGHTS, join_bodies, pair_features
from ....runtime.cells.detection import StainedBodies, stained_bodies
from ....runtime.cells.detection_settings import DetectionSettings
from ....runtime.cells.nucleus_verdict import is_nucleus
from ....runtime.cells.types import Cell
from ....runtime.metrics.intervals import wilson
from ....runtime.types import RGB
from ..cell_detection import decode, match_points
from ..cell_sets import Truth, all_idb1
from .single_cells import development_half, tight_window

Reals = NDArray[np.float64]

CENTRAL = 1.1  # erythrocyte diameters from the middle of a picture that belong to its one cell
LIMITS = (1.0, 1.5, LEAST, 3.0)
INVERSE_PENALTY = 1.0
FEATURES = ("distance", "log smaller radius", "log larger radius", "difference of hues")


def nuclei_of(bodies: StainedBodies) -> NDArray[np.int64]:
    """Return which stained bodies are nuclei."""
    return np.flatnonzero(is_nucleus(bodies.measures, DetectionSettings()))


def pairs_apart(truth: Truth) -> Reals:
    """Return the features of pairs of two named leucocytes of a field, (P, 4)."""
    rgb, scale = decode(truth.image)
    bodies = stained_bodies(rgb)
    if bodies is None:
        return np.zeros((0, len(WEIGHTS)))
    candidates, measures = nuclei_of(bodies), bodies.measures
    pitch = rgb.shape[1] / bodies.plane.shape[1]
    cells = [
        Cell(
            (measures.x[i] + 0.5) * pitch - 0.5,
            (measures.y[i] + 0.5) * pitch - 0.5,
            measures.radius[i] * bodies.unit * pitch,
        )
        for i in candidates
    ]
    named = np.concatenate([truth.points, truth.leucocytes]) * scale
    known = {candidates[j] for _, j in match_points(named, cells)}
    first, second, features = pair_features(measures, candidates, bodies.unit)
    both = [i in known and j in known for i, j in zip(first, second, strict=True)]
    return np.asarray(features[np.array(both, bool)])


@dataclass
class SingleCells:
    """Pictures of one cell: their pairs of nuclei, and how often the cell is counted."""

    features: list[Reals] = field(default_factory=list)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)

    def add(self, rgb: RGB) -> None:
        """Add a picture."""
        bodies = stained_bodies(rgb)
        if bodies is None:
            return
        candidates, measures = nuclei_of(bodies), bodies.measures
        height, width = bodies.plane.shape
        middle = np.hypot(measures.x - (width - 1) / 2, measures.y - (height - 1) / 2)
        central = middle < CENTRAL * bodies.unit
        first, second, features = pair_features(measures, candidates, bodies.unit)
        self.features.append(features[central[first] & central[second]])
        joined = join_bodies(bodies.nuclei, measures, candidates, bodies.unit)
        number = int(central[candidates].sum())
        merged = int(bodies.nuclei.count - joined.count)
        self.before[counted(number)] += 1
        self.after[counted(max(number - merged, min(number, 1)))] += 1


def counted(number: int) -> str:
    """Return how often a cell is counted."""
    return ("missed", "once", "twice")[min(number, 2)]


@dataclass(frozen=True)
class PairVerdict:
    """A logistic regression with weights for the features as they are."""

    weights: Reals
    constant: float

    @classmethod
    def fitted(cls, together: Reals, apart: Reals) -> PairVerdict:
        """Return the fit, both kinds of pair with equal weight."""
        features = np.concatenate([together, apart])
        is_one = np.arange(len(features)) < len(together)
        scaler = StandardScaler().fit(features)
        model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced")
        model.fit(scaler.transform(features), is_one)
        weights = model.coef_[0] / scaler.scale_
        return cls(weights, float(model.intercept_[0] - weights @ scaler.mean_))

    def joined(self, features: Reals, least: float) -> str:
        """Return how many pairs are called one body, with the 95 % interval of their share."""
        count, number = int((features @ self.weights + self.constant >= least).sum()), len(features)
        low, high = wilson(count, number) if number else (0.0, 1.0)
        return f"{count} of {number} ({low:.3f}–{high:.3f})"


def say(**row: object) -> None:
    """Print a row."""
    click.echo(json.dumps(row, ensure_ascii=False))


@click.command()
@click.argument("fields", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("cells", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--per-kind", type=click.IntRange(2), default=400, help="Images of each kind.")
def main(fields: Path, cells: Path, per_kind: int) -> None:
    """Print the weights, and how they join pairs that they were not fitted to."""
    apart: dict[str, list[Reals]] = {"Canon": [], "Olympus": []}
    for truth in all_idb1(fields):
        apart[truth.group.partition(",")[0]].append(pairs_apart(truth))
    two = {camera: np.concatenate(rows) for camera, rows in apart.items()}
    fitted, tested, tight = SingleCells(), SingleCells(), SingleCells()
    for number, path in enumerate(development_half(cells, per_kind)):
        rgb, _ = decode(path)
        (tested if number % 2 else fitted).add(rgb)
        if number % 2:
            tight.add(tight_window(rgb))
    together = np.concatenate(fitted.features)
    held_out = np.concatenate(tested.features)
    for camera, other in (("Canon", "Olympus"), ("Olympus", "Canon")):
        verdict = PairVerdict.fitted(together, two[camera])
        for least in LIMITS:
            say(
                fitted_to=camera,
                least=least,
                lobes_joined=verdict.joined(held_out, least),
                neighbours_joined={other: verdict.joined(two[other], least)},
            )
    final = PairVerdict.fitted(together, np.concatenate(list(two.values())))
    weights = dict(zip(FEATURES, final.weights.round(1).tolist(), strict=True))
    say(weights=weights, constant=round(final.constant, 1))
    built_in = PairVerdict(WEIGHTS, CONSTANT)
    say(built_in=built_in.joined(held_out, LEAST), least=LEAST)
    for name, part in (("held out", tested), ("held out, tight", tight)):
        say(cells=name, before=dict(part.before), with_the_verdict=dict(part.after))


if __name__ == "__main__":
    main()
