"""Runs the rows of the ablation, and stores the scores of each as soon as it is finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import DataError
from ....runtime.files import write_json
from ....runtime.json_documents import read_json
from ....train.data.cells.types import CellExamples
from ....train.data.cells.unknown_cells import known_cells
from ....train.data.examples import Examples
from .base_features import BaseFeatures, Floats
from .cell_source import CellSource, is_positive, is_smudge
from .probe import BlastProbe, fit_blast_probe
from .scores import SectionScores, score_cameras, score_cells, score_fields
from .variants import CAMERA, CELL, COUNT, MODELS, Variant

EVEN = 0.5
# The field rule counts cells above one half, so only a field's number of cells is left.
EVERY_CELL_A_BLAST = BlastProbe(
    centre=np.zeros(1, np.float32),
    spread=np.ones(1, np.float32),
    weights=np.zeros(1, np.float32),
    bias=60.0,
)


@dataclass(frozen=True)
class RowScores:
    """The scores of one row.

    Parameters
    ----------
    variant : dict
        The settings of the row.
    cells, fields : dict
        ``truth`` and ``groups`` of each cell and field, and ``in_blast_field`` of each cell. That
        of cells is empty if none are judged.
    seeds : list of dict of str to SectionScores
        The scores of each section, by seed.
    called : dict of str to (int, int), optional
        Of the cells of healthy people that no probe was fitted on: how many are called blasts, and
        how many there are, by kind.
    """

    variant: dict[str, Any]
    cells: dict[str, list[Any]]
    fields: dict[str, list[Any]]
    seeds: list[dict[str, SectionScores]]
    called: dict[str, tuple[int, int]]


class RowRunner:
    """Computes rows, or reads those that are finished.

    Parameters
    ----------
    source : CellSource
    features : BaseFeatures
    folder : Path
        Holds one document a finished row.
    seeds : int
        Number of seeds.
    identity : str
        Identifies the data and the code of detection; a row of another identity is computed again.
    """

    def __init__(
        self, source: CellSource, features: BaseFeatures, folder: Path, seeds: int, identity: str
    ) -> None:
        self.source, self.features, self.folder = source, features, folder
        self.seeds, self.identity = seeds, identity

    def row(self, variant: Variant, say: Callable[[str], Any]) -> RowScores:
        """Return the scores of a row."""
        settings = asdict(variant)
        key = json.dumps([settings, self.seeds, self.identity], sort_keys=True)
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
        if not path.is_file():
            say(f"{variant.group}: {variant.name}")
            write_json(path, self._document(variant, settings))
        return _read(path)

    def _document(self, variant: Variant, settings: dict[str, Any]) -> dict[str, Any]:
        if variant.unit in (CELL, COUNT):
            return self._cell_document(variant, settings)
        examples = self.source.fields()
        if variant.unit == CAMERA:
            scored = [score_cameras(examples, seed) for seed in range(self.seeds)]
        else:
            passes = self._passes(examples, variant)
            scored = [score_fields(examples, passes, seed) for seed in range(self.seeds)]
        truth = is_positive(examples)
        return _document(settings, {}, (truth, examples.groups), scored, {})

    def _cell_document(self, variant: Variant, settings: dict[str, Any]) -> dict[str, Any]:
        examples, probe = self.source.cells(variant.crop), None
        if variant.unit == COUNT:
            passes = [np.zeros((len(examples.truth), 1), dtype=np.float32)]
            probe = EVERY_CELL_A_BLAST
        else:
            passes = self._passes(examples, variant)
        # reading them takes long: only the rows that compare models and negatives do it
        extra = self.source.negative_cells(variant.crop) if variant.group == MODELS else None
        added, called = None, {}
        if extra is not None:
            features = self.features.passes(
                extra.pixels, variant.model, None, random_base=variant.random_base
            )[0]
            fitted = in_training_half(extra.names)
            added = features[fitted] if variant.negatives else None
            called = _called_blasts(
                examples, passes, added, extra, features, ~fitted, balanced=variant.balanced
            )
        scored = [
            score_cells(examples, passes, added, seed, probe, balanced=variant.balanced)
            for seed in range(self.seeds)
        ]
        positive_fields = [field.label in examples.dataset.positive for field in examples.fields]
        groups = tuple(field.group for field in examples.fields)
        cells = {
            "truth": is_positive(examples).tolist(),
            "groups": list(examples.groups),
            "in_blast_field": [positive_fields[index] for index in examples.field_index],
        }
        return _document(settings, cells, (np.array(positive_fields), groups), scored, called)

    def _passes(self, examples: Examples, variant: Variant) -> list[Floats]:
        return self.features.passes(
            examples.pixels, variant.model, variant.augmentation, random_base=variant.random_base
        )


def in_training_half(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return which images of healthy people may be trained on: half of them, by their names."""
    digests = [hashlib.sha256(name.rpartition("/")[2].encode()).digest()[-1] for name in names]
    half: NDArray[np.bool_] = np.array(digests) % 2 == 0
    return half


def _called_blasts(
    examples: CellExamples,
    passes: list[Floats],
    added: Floats | None,
    extra: CellExamples,
    features: Floats,
    tested: NDArray[np.bool_],
    *,
    balanced: bool,
) -> dict[str, tuple[int, int]]:
    """Return how many tested cells of each kind a probe of all cells of the fields calls blasts."""
    rows = np.flatnonzero(known_cells(examples) & ~is_smudge(examples))
    probe = fit_blast_probe(passes, rows, is_positive(examples), added, balanced=balanced)
    called = probe.probability(features) >= EVEN
    kinds = np.array([sample.path.parent.name for sample in extra.dataset.samples])
    return {
        str(kind): (
            int((called & tested & (kinds == kind)).sum()),
            int((tested & (kinds == kind)).sum()),
        )
        for kind in np.unique(kinds)
    }


def _document(
    settings: dict[str, Any],
    cells: dict[str, list[Any]],
    fields: tuple[Any, Any],
    scored: list[dict[str, SectionScores]],
    called: dict[str, tuple[int, int]],
) -> dict[str, Any]:
    return {
        "variant": settings,
        "cells": cells,
        "fields": {"truth": [bool(t) for t in fields[0]], "groups": list(fields[1])},
        "seeds": [
            {
                name: {
                    "cells": _numbers(scores.cells),
                    "fields": _numbers(scores.fields),
                    "called": scores.called.tolist(),
                }
                for name, scores in by_section.items()
            }
            for by_section in scored
        ],
        "called": called,
    }


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _read(path: Path) -> RowScores:
    document = read_json(path, error=DataError, fix="delete it: the row is computed again")
    seeds = [
        {
            name: SectionScores(
                np.array(scores["cells"], dtype=float),
                np.array(scores["fields"], dtype=float),
                np.array(scores["called"], dtype=bool),
            )
            for name, scores in by_section.items()
        }
        for by_section in document["seeds"]
    ]
    called = {kind: (counts[0], counts[1]) for kind, counts in document["called"].items()}
    return RowScores(document["variant"], document["cells"], document["fields"], seeds, called)
