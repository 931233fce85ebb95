"""Compares what the built-in bundle could be trained on, by microscopes that were left out.

``python -m alledge.benchmarks.internal.cell_ablation.compositions --all-idb1 ALL_IDB1 --pbc PBC
--weights WEIGHTS``. A linear probe (healthy, other, blast) is fitted to the cells of all
microscopes but one, in several compositions, and judges the cells of that one. No cell of BCCD,
JTSC or CellaVision is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.field_rule import OTHER
from ....runtime.cells.settings import CellSettings
from ....runtime.metrics.intervals import wilson
from ....runtime.terminal import echo
from ....train.data.cells.reading import read_cell_examples
from ....train.data.cells.sources import read_cell_datasets
from ....train.data.cells.types import CellExamples
from ....train.data.cells.unknown_cells import known_cells
from ....train.data.group_folds import group_folds
from ....train.fitting.augmentation import CELL_AUGMENTATION
from ....train.fitting.feature_cache import FeatureCache
from .base_features import BaseFeatures, Floats
from .cell_source import is_smudge
from .figures import Scores, measure_difference, measure_figure, weighted_auc
from .probe import INVERSE_STRENGTH, ITERATIONS
from .variants import MODEL

HEALTHY, BLAST, PBC = "healthy", "blast", "PBC"
LEUCOCYTES = ("basophil", "eosinophil", "ig", "lymphocyte", "monocyte", "neutrophil")
# name of a composition -> the kinds of PBC that are trained on; ALL-IDB1 always is
COMPOSITIONS = {
    "all of PBC": (*LEUCOCYTES, "erythroblast", "platelet"),
    "without PBC's platelets": (*LEUCOCYTES, "erythroblast"),
    "without PBC's erythroblasts": (*LEUCOCYTES, "platelet"),
    "PBC's leucocytes alone": LEUCOCYTES,
    "no PBC": (),
    "a fifth of all of PBC": (*LEUCOCYTES, "erythroblast", "platelet"),
    "a fifth of PBC, without its erythroblasts": (*LEUCOCYTES, "platelet"),
    "a fifth of PBC's leucocytes alone": LEUCOCYTES,
}
FIFTH = "a fifth of"  # of the images of each kind, in the order of their names
FOLDS = 5
EVEN = 0.5

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Cells:
    """The cells of all sets that may be trained on or judged.

    Parameters
    ----------
    passes : list of (N, D) ndarray of float32
    truth : (N,) ndarray of int
    labels : tuple of str
    groups, microscope, kind : (N,) ndarray of str
        `kind` is the folder of a cell of PBC, and empty for a cell of ALL-IDB1.
    known : (N,) ndarray of bool
        The truth is known: trained on, as in a run.
    counted : (N,) ndarray of bool
        Known, and no smudge cell: judged.
    """

    passes: list[Floats]
    truth: NDArray[np.int64]
    labels: tuple[str, ...]
    groups: NDArray[np.str_]
    microscope: NDArray[np.str_]
    kind: NDArray[np.str_]
    known: Mask
    counted: Mask

    def are(self, label: str) -> Mask:
        return np.asarray(self.truth == self.labels.index(label))


@click.command()
@click.option("--all-idb1", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--pbc", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--groups", type=click.Path(path_type=Path), help="CSV file with image,group.")
@click.option("--cells", "table", type=click.Path(path_type=Path), help="Truth of the cells.")
@click.option("--weights", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--seed", default=0, type=int)
@click.option("--rows", default="", help="Only compositions whose name contains this text.")
def main(
    all_idb1: Path,
    pbc: Path,
    groups: Path | None,
    table: Path | None,
    weights: Path,
    seed: int,
    rows: str,
) -> None:
    """Print a Markdown table with a row for each composition and microscope."""
    cells = read_cells(all_idb1, pbc, groups, table, weights)
    print_head()
    trained_on = {
        name: cells.known & ((cells.kind == "") | _of_kinds(cells, name, kinds))
        for name, kinds in COMPOSITIONS.items()
        if rows in name
    }
    first: dict[str, Scores] = {}
    for name, trained in trained_on.items():
        for microscope in np.unique(cells.microscope):
            if microscope == PBC and (cells.kind[trained] != "").any():
                continue  # without it, all compositions are the last one
            there = cells.microscope == microscope
            scores = _left_out(cells, trained & ~there, there)
            print_row(name, f"{microscope}, left out", cells, there, scores, first)
    there = cells.kind == ""
    for name, trained in trained_on.items():
        scores = _in_folds(cells, trained, seed)
        print_row(name, "ALL-IDB1, in folds", cells, there, scores, first)


def read_cells(
    all_idb1: Path, pbc: Path, groups: Path | None, table: Path | None, weights: Path
) -> Cells:
    """Return the cells of ALL-IDB1 and PBC with features of a base, as the options name them."""
    datasets = read_cell_datasets([all_idb1, pbc])
    examples = read_cell_examples(datasets, CellSettings(), groups, cells_file=table)
    features = BaseFeatures(weights, FeatureCache(), lambda text: echo(text, err=True))
    return of_examples(examples, features.passes(examples.pixels, MODEL, CELL_AUGMENTATION))


def of_examples(examples: CellExamples, passes: list[Floats]) -> Cells:
    """Return the cells of ALL-IDB1 and PBC, with features of each pass."""
    single = examples.field_index < 0
    in_folder = np.array([sample.path.parent.name for sample in examples.dataset.samples])
    is_pbc = single & np.isin(in_folder, COMPOSITIONS["all of PBC"])
    cameras = np.array([sample.camera for sample in examples.dataset.samples])
    return Cells(
        passes=passes,
        truth=examples.truth,
        labels=examples.dataset.labels,
        groups=np.array(examples.groups),
        microscope=np.where(is_pbc, PBC, cameras),
        kind=np.where(is_pbc, in_folder, ""),
        known=known_cells(examples),
        counted=known_cells(examples) & ~is_smudge(examples),
    )


def _of_kinds(cells: Cells, name: str, kinds: tuple[str, ...]) -> Mask:
    chosen: Mask = np.zeros(len(cells.kind), dtype=bool)
    for kind in kinds:
        chosen[np.flatnonzero(cells.kind == kind)[:: 5 if name.startswith(FIFTH) else 1]] = True
    return chosen


def _left_out(cells: Cells, trained: Mask, judged: Mask) -> Floats:
    scores = np.full((len(cells.truth), len(cells.labels)), np.nan, np.float32)
    scores[judged] = fit_probe(cells, trained)(cells.passes[0][judged])
    return scores


def _in_folds(cells: Cells, trained: Mask, seed: int) -> Floats:
    part = group_folds(cells.truth, cells.groups.tolist(), FOLDS, seed)
    scores = np.full((len(cells.truth), len(cells.labels)), np.nan, np.float32)
    for number in np.unique(part):
        test = part == number
        scores[test] = fit_probe(cells, trained & ~test)(cells.passes[0][test])
    return scores


def fit_probe(cells: Cells, trained: Mask) -> Callable[[Floats], NDArray[np.float64]]:
    """Fit a logistic regression with balanced labels and the fixed penalty of the ablation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.concatenate([features[trained] for features in cells.passes])
    truth = np.tile(cells.truth[trained], len(cells.passes))
    strength = INVERSE_STRENGTH / len(cells.passes)  # copies of a cell share its weight
    model = LogisticRegression(C=strength, max_iter=ITERATIONS, class_weight="balanced")
    probe = make_pipeline(StandardScaler(), model).fit(rows, truth)

    def scores(features: Floats) -> NDArray[np.float64]:
        return np.asarray(probe.predict_proba(features), dtype=np.float64)

    return scores


def print_head() -> None:
    """Print the head of the table."""
    echo(
        "| trained on | judged | leucocytes called other | blasts called other "
        "| other called leucocyte | healthy called blast | AUC, blasts against leucocytes |"
    )
    echo("|---|---|---|---|---|---|---|")


def print_row(
    name: str, where: str, cells: Cells, there: Mask, scores: Floats, first: dict[str, Scores]
) -> None:
    """Print a row; `first` has the blast probabilities of the first row of each place.

    Parameters
    ----------
    name, where : str
        What was trained on, and what is judged.
    cells : Cells
    there : (N,) ndarray of bool
        The cells that are judged.
    scores : (N, C) ndarray
        Only those of the judged cells are read.
    first : dict
        Filled by the first row of each place; later rows have the difference from it.
    """
    healthy, blast, other = (cells.labels.index(label) for label in (HEALTHY, BLAST, OTHER))
    judged = cells.counted & there
    with np.errstate(invalid="ignore"):
        called_blast = scores[:, blast] >= EVEN
        called_other = ~called_blast & (scores[:, other] > scores[:, healthy])
    is_blast, is_healthy = judged & cells.are(BLAST), judged & cells.are(HEALTHY)
    leucocyte = is_blast | is_healthy
    own = Scores(
        is_blast[leucocyte],
        scores[None, leucocyte, blast].astype(np.float64),
        cells.groups[leucocyte],
    )
    columns = (
        _share(called_other, leucocyte),
        _share(called_other, is_blast),
        _share(~called_other, judged & cells.are(OTHER)),
        _share(called_blast, is_healthy),
        _auc(own, first.setdefault(where, own)) if is_blast.any() else "–",
    )
    echo(f"| {name} | {where} | {' | '.join(columns)} |")


def _auc(own: Scores, first: Scores) -> str:
    """Return an AUC, and its difference from the first with a 95 % interval."""
    text = f"{measure_figure(own, weighted_auc)['value']:.3f}"
    difference = None if own is first else measure_difference(own, first, weighted_auc)
    if difference is None:
        return text
    return f"{text} ({difference['low']:+.3f} to {difference['high']:+.3f})"


def _share(called: Mask, among: Mask) -> str:
    count, number = int((called & among).sum()), int(among.sum())
    low, high = wilson(count, number)
    return f"{count} of {number} ({low:.3f}–{high:.3f})" if number else "–"


if __name__ == "__main__":
    main()
