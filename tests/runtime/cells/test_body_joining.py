"""Which near nuclei are of one cell body."""

from __future__ import annotations

import numpy as np
import pytest

from alledge.runtime.cells.body_joining import join_bodies
from alledge.runtime.cells.nuclei import Nuclei
from alledge.runtime.cells.nucleus_measures import NucleusMeasures

UNIT = 16.0
# Rows: place in erythrocyte diameters, radius, hue. Lobes are as those of a monocyte of PBC,
# blasts as neighbours of ALL-IDB1.
LOBES = ((1.0, 1.0, 0.55, 0.45), (1.9, 1.0, 0.65, 0.46))
BLASTS = ((1.0, 1.0, 0.75, 0.45), (2.45, 1.0, 0.8, 0.49))


def field(*rows: tuple[float, ...]) -> tuple[Nuclei, NucleusMeasures]:
    x, y, radius, hue = np.array(rows).T
    number = np.arange(len(rows))
    zero = np.zeros(len(rows))
    nuclei = Nuclei(np.rint(y * UNIT).astype(int), np.rint(x * UNIT).astype(int), number, len(rows))
    return nuclei, NucleusMeasures(
        x * UNIT, y * UNIT, radius, zero + 5, zero, hue, zero + 0.1, zero > 0
    )


def joined(*rows: tuple[float, ...]) -> list[int]:
    nuclei, measures = field(*rows)
    return join_bodies(nuclei, measures, np.arange(len(rows)), UNIT).number.tolist()


def test_lobes_of_one_body_are_joined() -> None:
    assert joined(*LOBES) == [0, 0]


@pytest.mark.parametrize(
    "rows",
    [
        BLASTS,
        (LOBES[0], (2.7, 1.0, 0.65, 0.46)),  # far apart
        (LOBES[0], (1.9, 1.0, 0.65, 0.62)),  # of another stain
        (LOBES[0], (1.9, 1.0, 1.00, 0.46)),  # too large together
    ],
)
def test_nuclei_of_two_bodies_are_not(rows: tuple[tuple[float, ...], ...]) -> None:
    assert joined(*rows) == [0, 1]


def test_only_candidates_are_joined() -> None:
    nuclei, measures = field(*LOBES)
    assert join_bodies(nuclei, measures, np.array([1]), UNIT).count == 2


def test_a_nucleus_is_joined_to_one_other_at_most() -> None:
    third = (2.85, 1.0, 0.55, 0.46)
    assert len(set(joined(*LOBES, third))) == 2


def test_a_field_without_nuclei_stays_empty() -> None:
    nothing = np.zeros(0)
    measures = NucleusMeasures(*[nothing] * 7, nothing > 0)
    empty = Nuclei(*[np.zeros(0, int)] * 3, 0)
    assert join_bodies(empty, measures, np.zeros(0, int), UNIT).count == 0
