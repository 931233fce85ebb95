"""Measures the guards of cell bundles: on held-out fields, and on images that are no smears.

python -m alledge.benchmarks.internal.cell_guard_evaluation ALL_IDB1
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ...runtime.cells.field_cells import find_cells
from ...runtime.cells.settings import CellSettings
from ...runtime.data.datasets import read_dataset
from ...runtime.guards.cell_guards import field_statistics
from ...runtime.guards.fitting import fit_guards
from ...runtime.guards.guards import Guards
from ...runtime.guards.image_statistics import image_statistics
from ...runtime.metrics.intervals import wilson
from ...runtime.types import Statistics
from .non_smear_images import drawn_images, is_untouched, sample_photographs

FOLDS = 5


class _Measured(NamedTuple):
    """The statistics of a field and of its cells."""

    field: Statistics
    cells: list[Statistics]


def main() -> None:
    """Print the number of flagged images and cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of ALL-IDB1")
    fields = [_measure(sample.path) for sample in read_dataset(parser.parse_args().data).samples]
    folds = np.random.default_rng(0).permutation(len(fields)) % FOLDS
    field_flags: list[tuple[str, ...]] = []
    cell_flags: list[tuple[str, ...]] = []
    for fold in range(FOLDS):
        train = [field for field, own in zip(fields, folds, strict=True) if own != fold]
        of_fields, of_cells = _fit(train)
        for field, own in zip(fields, folds, strict=True):
            if own == fold:
                field_flags.append(of_fields.flags(field.field))
                cell_flags += [of_cells.flags(cell) for cell in field.cells]
    _print("held-out fields", field_flags)
    _print("held-out cells", cell_flags)
    of_fields, of_cells = _fit(fields)
    for name, untouched in (("not used for tuning", True), ("used for tuning", False)):
        images = [
            _measure(image) for source, image in _others() if is_untouched(source) == untouched
        ]
        _print(f"no smears, {name}", [of_fields.flags(image.field) for image in images])
        majority = [
            ("off_domain",)
            * (2 * sum(bool(of_cells.flags(c)) for c in image.cells) > len(image.cells))
            for image in images
            if image.cells
        ]
        _print(f"no smears, {name}, by their detections", majority)


def _others() -> list[tuple[str, Image.Image]]:
    return [*drawn_images(), *sample_photographs()]


def _measure(image: Path | Image.Image) -> _Measured:
    found = find_cells(image, CellSettings())
    cells = [image_statistics(crop) for crop in found.crops]
    return _Measured(field_statistics(found.rgb, found.header), cells)


def _fit(fields: Sequence[_Measured]) -> tuple[Guards, Guards]:
    cells = [cell for field in fields for cell in field.cells]
    return Guards(fit_guards([field.field for field in fields])), Guards(fit_guards(cells))


def _print(name: str, flags: Sequence[tuple[str, ...]]) -> None:
    flagged = sum(map(bool, flags))
    low, high = wilson(flagged, len(flags))
    counts = Counter(flag for row in flags for flag in row)
    print(f"{name}: {flagged} of {len(flags)} ({low:.1%} to {high:.1%}) {dict(counts)}", flush=True)


if __name__ == "__main__":
    main()
