"""Compares the cells of ``picture.jpg``, as this machine finds them, with those of the export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleError, ImageError
from ..cells.field_cells import FieldCells, find_cells
from ..cells.field_rule import FieldRule
from ..cells.settings import CellSettings
from ..metrics.decisions import apply_temperature, positive_score
from .bundle import Bundle
from .references import PICTURE, PictureCells

if TYPE_CHECKING:
    from ..types import CellsRecord

# Decoders of JPEG round differently by one level, which moves the edge of a nucleus by a part of
# a pixel. Another detector or another scale moves centres by a tenth of a radius and more.
CENTRE_TOLERANCE, RADIUS_TOLERANCE = 0.1, 0.1  # in radii of the nucleus
CROP_TOLERANCE = 3.0  # levels of 255, on average over the squares of all cells
# Squares that differ by rounding give other scores than on the desk; those of int8 differ most.
CELL_MAX_DP = 0.1
FIELD_DIGITS, FIELD_TOLERANCE = 6, 2e-6  # of a stored probability of the field


class CellReplay(NamedTuple):
    """The cells of the picture on this machine.

    Parameters
    ----------
    record : dict
        The ``cells`` of the document of ``alledge verify``.
    crops : (N, S, S, 3) ndarray of uint8
        What the model sees here of the cells that match a stored one.
    matched : (N,) ndarray of int
        The stored cell of each.
    """

    record: CellsRecord
    crops: NDArray[np.uint8]
    matched: NDArray[np.int64]


def replay_cells(bundle: Bundle, stored: PictureCells) -> CellReplay:
    """Find the cells of ``picture.jpg`` and compare them with those of the export.

    Parameters
    ----------
    bundle : Bundle
        Of a cell model.
    stored : PictureCells

    Returns
    -------
    CellReplay

    Raises
    ------
    BundleError
        If the picture cannot be read, or the record has no settings for cells.
    """
    settings = CellSettings.from_json(bundle.record["cells"])
    try:
        field = find_cells(bundle.path / PICTURE, settings)
    except ImageError as error:
        raise BundleError(
            error.what, allowed=error.allowed, fix="export the bundle again"
        ) from None
    pairs = _match(field, stored.cells)
    here, there = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    crops = field.crops[here]
    apart = np.abs(crops.astype(np.int16) - stored.crops[there])
    mean = float(apart.mean()) if len(pairs) else 0.0
    cells = [field.cells[index] for index in here]
    distances = [
        float(np.hypot(cell.x - x, cell.y - y))
        for cell, (x, y, _) in zip(cells, stored.cells[there], strict=True)
    ]
    right = (
        len(field.cells) == stored.total
        and len(pairs) == len(stored.cells)
        and mean <= CROP_TOLERANCE
    )
    record: CellsRecord = {
        "status": "pass" if right else "fail",
        "at_export": stored.total,
        "here": len(field.cells),
        "compared": len(stored.cells),
        "matched": len(pairs),
        "max_distance": max(distances, default=0.0),
        "mean_difference": mean,
    }
    return CellReplay(record, crops, there)


def _match(field: FieldCells, stored: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return pairs of a cell here and the stored cell at the same place with the same radius."""
    pairs: list[tuple[int, int]] = []
    free = set(range(len(stored)))
    for index, cell in enumerate(field.cells):
        for place in sorted(free):
            x, y, radius = map(float, stored[place])
            near = np.hypot(cell.x - x, cell.y - y) <= CENTRE_TOLERANCE * radius
            if near and abs(cell.radius - radius) <= RADIUS_TOLERANCE * radius:
                pairs.append((index, place))
                free.remove(place)
                break
    return pairs


def field_answer(
    scores: NDArray[np.float32],
    labels: tuple[str, ...] | list[str],
    positive: tuple[str, ...] | list[str],
    row: dict[str, Any],
) -> dict[str, Any]:
    """Return what the field rule of a format makes of the scores of the picture's cells.

    Parameters
    ----------
    scores : (K, C) ndarray of float32
        Raw scores.
    labels, positive : sequence of str
    row : dict
        The format's row of ``bundle.json``: temperature and field.

    Returns
    -------
    dict
        ``probability`` of the field, None without a cell; ``positive``, whether it reaches the
        threshold; ``indeterminate``, whether it lies in the band.
    """
    rule = FieldRule.from_json(row["field"])
    calibrated = apply_temperature(scores, row["temperature"])
    p = rule.probability(np.nan_to_num(positive_score(calibrated, labels, positive)))
    low, high = rule.band
    return {
        "probability": None if p is None else round(p, FIELD_DIGITS),
        "positive": p is not None and p >= rule.threshold,
        "indeterminate": p is not None and low <= p < high,
    }


def field_differences(here: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """Return a line if the verdict on the picture differs from that of the export."""
    same = all(here[key] == stored[key] for key in ("positive", "indeterminate"))
    probabilities = here["probability"], stored["probability"]
    if same and (
        probabilities[0] == probabilities[1]
        or (
            None not in probabilities
            and abs(probabilities[0] - probabilities[1]) <= FIELD_TOLERANCE
        )
    ):
        return []
    return [f"field: the picture is {here} and was {stored} at the export"]


def cells_line(cells: CellsRecord) -> str:
    """Return the record of the cells as a line for a person."""
    return (
        f"cells      {cells['status']}: {cells['here']} found in {PICTURE}, {cells['at_export']} "
        f"at the export; {cells['matched']} of {cells['compared']} at the same place (centres at "
        f"most {cells['max_distance']:.2f} pixels apart), mean difference of their squares "
        f"{cells['mean_difference']:.3f} (allowed {CROP_TOLERANCE:g})"
    )
