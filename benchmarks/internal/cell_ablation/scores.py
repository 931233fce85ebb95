"""Test scores of cells and fields, pooled over the folds of each section."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....runtime.cells.field_rule import FieldRule
from ....train.data.cells.field_split import split_cells
from ....train.data.cells.types import CellExamples
from ....train.data.cells.unknown_cells import known_cells
from ....train.data.examples import Examples
from ....train.data.group_folds import group_folds
from ....train.data.split_types import CAMERA, GROUPED, Fold
from ....train.data.splits import make_split
from ....train.runs.field_rule_fitting import fit_field_rule
from .cell_source import is_positive, is_smudge
from .probe import BlastProbe, Floats, Ints, fit_blast_probe

FOLDS = 5
INNER_FOLDS = 4  # of a training part: out-of-fold scores for the rule of fields
DIGITS = 6

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class SectionScores:
    """Scores of a section: the grouped split, or one direction of the camera split.

    Parameters
    ----------
    cells : (N,) ndarray of float64
        Blast probability of each cell; NaN if it was not tested, its label is not known, or it is
        a smudge cell.
    fields : (F,) ndarray of float64
        Probability of each field; NaN if it was not tested.
    called : (F,) ndarray of bool
        Whether each field is positive at the threshold that its training part chose.
    """

    cells: Probabilities
    fields: Probabilities
    called: NDArray[np.bool_]


def sections(examples: Examples, seed: int) -> dict[str, list[Fold]]:
    """Return the folds of each section, by its name."""
    result: dict[str, list[Fold]] = {}
    for kind in (GROUPED, CAMERA):
        split = (
            split_cells(examples, kind, FOLDS, seed)
            if isinstance(examples, CellExamples)
            else make_split(examples, kind, FOLDS, seed)
        )
        for fold in split.folds:
            result.setdefault(f"test on {fold.camera}" if fold.camera else kind, []).append(fold)
    return result


def score_cells(
    examples: CellExamples,
    passes: Sequence[Floats],
    negatives: Floats | None,
    seed: int,
    probe: BlastProbe | None = None,
    *,
    balanced: bool = False,
) -> dict[str, SectionScores]:
    """Return the scores of each section of a row that judges cells.

    A field is judged by a rule that was fitted to out-of-fold scores inside the training part, so
    that neither the probe nor the rule has seen the tested camera.

    Parameters
    ----------
    examples : CellExamples
    passes : sequence of (N, D) ndarray of float32
        Features of the cells as they are, and of augmented copies.
    negatives : (K, D) ndarray of float32, optional
        Features of cells that every training part is extended by.
    seed : int
        Of the folds.
    probe : BlastProbe, optional
        Judges all cells; by default one is fitted to the training part of each fold.
    balanced : bool
        As `fit_blast_probe`.
    """
    positive, known = is_positive(examples), known_cells(examples) & ~is_smudge(examples)

    def fit(rows: Ints) -> BlastProbe:
        own = rows[known[rows]]
        return probe or fit_blast_probe(passes, own, positive, negatives, balanced=balanced)

    return {
        name: _pool_folds(examples, folds, passes[0], fit, known, seed)
        for name, folds in sections(examples, seed).items()
    }


def _pool_folds(
    examples: CellExamples,
    folds: Sequence[Fold],
    features: Floats,
    fit: Callable[[Ints], BlastProbe],
    known: NDArray[np.bool_],
    seed: int,
) -> SectionScores:
    cells = np.full(len(examples.truth), np.nan)
    fields = np.full(len(examples.fields), np.nan)
    called = np.zeros(len(examples.fields), dtype=bool)
    for fold in folds:
        rule = _fit_rule(examples, fold, features, fit, seed)
        p = np.full(len(cells), np.nan)
        p[fold.test] = fit(fold.train).probability(features[fold.test])
        tested = np.unique(examples.field_index[fold.test])
        for index, own in zip(tested, _by_field(examples, p, tested), strict=True):
            answer = rule.probability(own)
            fields[index] = 0.0 if answer is None else answer
            called[index] = fields[index] >= rule.threshold
        cells[fold.test] = p[fold.test]
    cells[~known] = np.nan
    return SectionScores(cells.round(DIGITS), fields.round(DIGITS), called)


def _fit_rule(
    examples: CellExamples,
    fold: Fold,
    features: Floats,
    fit: Callable[[Ints], BlastProbe],
    seed: int,
) -> FieldRule:
    """Return the rule of fields, fitted inside the training part of a fold."""
    owner = examples.field_index
    trained = np.unique(owner[fold.train])
    positive = np.array([examples.fields[i].label in examples.dataset.positive for i in trained])
    groups = [examples.fields[index].group for index in trained]
    part = group_folds(positive.astype(np.int64), groups, INNER_FOLDS, seed)
    p = np.full(len(examples.truth), np.nan)
    for number in np.unique(part):
        rows = fold.train[np.isin(owner[fold.train], trained[part != number])]
        held_out = np.isin(owner, trained[part == number])
        p[held_out] = fit(rows).probability(features[held_out])
    return fit_field_rule(_by_field(examples, p, trained), positive) or FieldRule()


def _by_field(examples: CellExamples, p: Probabilities, fields: Ints) -> list[Probabilities]:
    """Return the probabilities of the leucocytes of each field."""
    counted = ~is_smudge(examples)
    return [p[(examples.field_index == index) & counted] for index in fields]


def score_fields(
    examples: Examples, passes: Sequence[Floats], seed: int
) -> dict[str, SectionScores]:
    """Return the scores of each section of a row that judges whole fields."""
    positive = is_positive(examples)
    result = {}
    for name, folds in sections(examples, seed).items():
        p = np.full(len(positive), np.nan)
        for fold in folds:
            probe = fit_blast_probe(passes, fold.train, positive)
            p[fold.test] = probe.probability(passes[0][fold.test])
        result[name] = SectionScores(np.empty(0), p.round(DIGITS), p >= 0.5)
    return result


def score_cameras(examples: Examples, seed: int) -> dict[str, SectionScores]:
    """Return the scores of a rule that knows the camera of a field and nothing else.

    A field gets the share of fields with blasts among the training fields of its camera, or among
    all of them if its camera is not in the training part.
    """
    positive, cameras = is_positive(examples), np.asarray(examples.cameras)
    result = {}
    for name, folds in sections(examples, seed).items():
        p = np.full(len(positive), np.nan)
        for fold in folds:
            for index in fold.test:
                same = fold.train[cameras[fold.train] == cameras[index]]
                p[index] = positive[same if len(same) else fold.train].mean()
        result[name] = SectionScores(np.empty(0), p.round(DIGITS), p >= 0.5)
    return result
