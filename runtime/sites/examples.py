"""From checked images to examples: features of the model, and what a person says of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..bundle.seen_images import FILE_SETTINGS, TrainingImageHashes
from ..cells.matching import match_cells
from ..cells.types import Cell, TakenAs
from ..classifier import Classifier
from ..data.cell_truth import TrueCell
from ..digests import file_digest
from ..imaging import load_rgb
from ..records import Result
from .checked import CheckedRow, label_indices
from .solver import Examples

LEAST_EXAMPLES, LEAST_GROUPS = 20, 3  # groups of each side of the diagnosis
SAME_PLACE = 0.25  # radii of a nucleus

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class CheckedExamples:
    """Examples, and what was left out.

    Parameters
    ----------
    examples : Examples
    left_out : dict of str to int
        Number of rows by the reason.
    """

    examples: Examples
    left_out: dict[str, int] = field(default_factory=dict)


def read_examples(
    rows: Sequence[CheckedRow],
    classifier: Classifier,
    source: Path,
    progress: Callable[[int, int], None] | None = None,
) -> CheckedExamples:
    """Classify the images of checked rows, and return the features of what was checked.

    Parameters
    ----------
    rows : sequence of CheckedRow
    classifier : Classifier
        Loaded with features.
    source : Path
        The table, for error messages.
    progress : callable, optional
        Called with the number of images that are done and of all images.

    Raises
    ------
    DataError
        If an image cannot be read, labels contradict each other or are not clear, or there are too
        few examples, sides or groups.
    """
    bundle = classifier.bundle
    indices = label_indices(
        sorted({row.label for row in rows}), bundle.labels, bundle.positive, source
    )
    if bundle.task != "cell" and any(row.position is not None for row in rows):
        raise DataError(
            f"{source} names cells, and {bundle.name} judges whole fields",
            allowed="the columns image,label",
            fix="--bundle with a bundle of cells",
        )
    left_out: dict[str, int] = defaultdict(int)
    found: list[tuple[Vector, int, str]] = []
    images = _by_content(rows)
    seen = TrainingImageHashes(bundle.record["seen"])
    settings = FILE_SETTINGS if bundle.task == "cell" else bundle.image_settings
    for number, group in enumerate(images):
        image = group[0].image
        if len(seen) and load_rgb(image, settings) in seen:
            left_out["the model was trained on the image"] += len(group)
        else:
            found += _of_image(group, indices, classifier, left_out)
        if progress is not None:
            progress(number + 1, len(images))
    truth = np.array([index for _, index, _ in found], dtype=np.int64)
    names = sorted({name for _, _, name in found})
    groups = np.array([names.index(name) for _, _, name in found], dtype=np.int64)
    _check_enough(truth, groups, bundle.labels, bundle.positive, source, left_out)
    return CheckedExamples(
        Examples(np.stack([row for row, _, _ in found]), truth, groups), dict(left_out)
    )


def _by_content(rows: Sequence[CheckedRow]) -> list[list[CheckedRow]]:
    """Return the rows of each image; files of the same content are one image."""
    digests: dict[Path, str] = {}
    groups: dict[str, list[CheckedRow]] = {}
    for row in rows:
        if row.image not in digests:
            digests[row.image] = file_digest(row.image)
        groups.setdefault(digests[row.image], []).append(row)
    return list(groups.values())


def _of_image(
    rows: Sequence[CheckedRow],
    indices: dict[str, int | None],
    classifier: Classifier,
    left_out: dict[str, int],
) -> list[tuple[Vector, int, str]]:
    """Return features, label and group of what was checked in one image."""
    known = [row for row in rows if indices[row.label] is not None]
    left_out_count = len(rows) - len(known)
    if left_out_count:
        left_out["the bundle has no label for it"] += left_out_count
    if not known:
        return []
    whole = [row for row in known if row.position is None]
    result = _classified(known, bool(whole), classifier)
    assert result.features is not None
    if not whole:
        pairs = _matched(known, result, indices, left_out)
    else:
        _check_agreement(known, indices)
        left_out_again = len(known) - 1
        if left_out_again:
            left_out["named twice"] += left_out_again
        pairs = [(0, known[0])]
    labels = [(number, indices[row.label], row.group) for number, row in pairs]
    return [(result.features[n], index, name) for n, index, name in labels if index is not None]


def _classified(rows: Sequence[CheckedRow], is_whole: bool, classifier: Classifier) -> Result:
    image = rows[0].image
    is_cells = classifier.bundle.task == "cell"
    if is_whole and any(row.position is not None for row in rows):
        raise DataError(f"{image} has rows with and without a position")
    taken_as: TakenAs = "auto" if not is_cells else "cell" if is_whole else "field"
    result = classifier.classify(image, taken_as=taken_as)
    if result.status == "error":
        raise DataError(f"the checked image {image} cannot be used: {result.error}")
    return result


def _matched(
    rows: Sequence[CheckedRow],
    result: Result,
    indices: dict[str, int | None],
    left_out: dict[str, int],
) -> list[tuple[int, CheckedRow]]:
    """Return the detected cell of each row, by its index."""
    cells = [Cell(cell.x, cell.y, cell.radius) for cell in result.cells or ()]
    truth = [TrueCell(row.label, *row.position) for row in rows if row.position is not None]
    pairs = match_cells(cells, truth)
    for number, row in enumerate(rows):
        if number in pairs.values():
            continue
        partner = _same_place(number, truth, cells, pairs)
        if partner is None:
            left_out["no cell was found at the position"] += 1
            continue
        _check_agreement([rows[partner], row], indices)
        left_out["named twice"] += 1
    return [(cell, rows[number]) for cell, number in pairs.items()]


def _same_place(
    number: int, truth: Sequence[TrueCell], cells: Sequence[Cell], pairs: dict[int, int]
) -> int | None:
    """Return the row that has the cell of a row, if both name the same place; None if none does.

    Two nuclei that were taken for one are further apart than `SAME_PLACE` radii.
    """
    x, y = truth[number].x, truth[number].y
    for cell, partner in pairs.items():
        distance = math.hypot(truth[partner].x - x, truth[partner].y - y)
        if distance < SAME_PLACE * cells[cell].radius:
            return partner
    return None


def _check_agreement(rows: Sequence[CheckedRow], indices: dict[str, int | None]) -> None:
    """Raise DataError if rows about the same thing contradict each other."""
    first = rows[0]
    for row in rows[1:]:
        if indices[row.label] != indices[first.label]:
            at = "" if row.position is None else " at {:g} {:g}".format(*row.position)
            raise DataError(
                f"the checked labels contradict each other: {row.image}{at} is {first.label!r} "
                f"and {row.label!r}",
                fix="correct or remove one of the rows",
            )


def _check_enough(
    truth: NDArray[np.int64],
    groups: NDArray[np.int64],
    labels: Sequence[str],
    positive: Sequence[str],
    source: Path,
    left_out: dict[str, int],
) -> None:
    without = "; ".join(f"{count} left out: {why}" for why, count in left_out.items())
    without = f" ({without})" if without else ""
    if len(truth) < LEAST_EXAMPLES:
        raise DataError(
            f"{source} leaves {len(truth)} checked examples{without}",
            allowed=f"{LEAST_EXAMPLES} or more",
            fix="check more cells",
        )
    ill = np.isin(truth, [number for number, name in enumerate(labels) if name in positive])
    for side, name in ((ill, "positive"), (~ill, "negative")):
        count = len(np.unique(groups[side]))
        if count < LEAST_GROUPS:
            fix = "check cells of more smears; a column smear says which images belong together"
            if not side.any():
                missing = [label for label in labels if (label in positive) == (side is ill)]
                fix = (
                    f"check smears with {' or '.join(missing)} too: with one side alone nothing "
                    "can be adopted, and the shipped model stays in use"
                )
            raise DataError(
                f"{source} has {int(side.sum())} {name} examples, of {count} smears or images"
                f"{without}",
                allowed=f"positive and negative examples, each of {LEAST_GROUPS} smears or images "
                "or more: a layer is tested on smears that it was not fitted to",
                fix=fix,
            )
