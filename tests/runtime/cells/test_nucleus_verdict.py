"""What is a nucleus, and what is a smudge, by its measures."""

import numpy as np

from alledge.runtime.cells.detection_settings import DetectionSettings
from alledge.runtime.cells.nucleus_measures import NucleusMeasures
from alledge.runtime.cells.nucleus_verdict import is_nucleus, is_smudge

# Rows as they were measured in ALL-IDB1: radius, stain, texture, hue, share of blue.
BLAST = (0.78, 6.0, 0.18, 0.45, 0.1)
LYMPHOCYTE = (0.49, 6.9, 0.17, 0.6, 0.1)
SMUDGE = (0.8, 2.3, 0.23, 0.27, 0.1)
PLATELET = (0.33, 2.7, 0.28, 0.5, 0.2)
DEPOSIT = (0.39, 2.3, 0.34, 0.5, 0.2)
BLACK_ARROW = (0.8, 6.0, 0.1, 1.0, 1.0)


def measures(*rows: tuple[float, ...]) -> NucleusMeasures:
    radius, stain, texture, hue, blue = np.array(rows).T
    zero = np.zeros(len(rows))
    return NucleusMeasures(zero, zero, radius, stain, texture, hue, blue, zero > 0)


def test_nuclei_are_told_from_platelets_deposits_and_drawings() -> None:
    bodies = measures(BLAST, LYMPHOCYTE, SMUDGE, PLATELET, DEPOSIT, BLACK_ARROW)
    expected = [True, True, True, False, False, False]
    assert is_nucleus(bodies, DetectionSettings()).tolist() == expected


def test_the_limits_of_the_radius_are_kept() -> None:
    settings = DetectionSettings(min_radius=0.5, max_radius=0.7)
    assert not is_nucleus(measures(BLAST, LYMPHOCYTE), settings).any()


def test_a_red_and_pale_nucleus_beside_dark_ones_is_a_smudge() -> None:
    assert is_smudge(measures(BLAST, BLAST, LYMPHOCYTE, SMUDGE)).tolist() == [False] * 3 + [True]


def test_a_nucleus_alone_is_compared_with_itself() -> None:
    assert not is_smudge(measures(BLAST)).any()


PALE_LEUCOCYTE = (0.89, 2.81, 0.18, 0.32, 0.1)


def test_a_pale_leucocyte_alone_or_beside_a_drawn_arrow_is_no_smudge() -> None:
    assert not is_smudge(measures(PALE_LEUCOCYTE)).any()
    assert not is_smudge(measures(PALE_LEUCOCYTE, BLACK_ARROW))[0]


def test_a_nucleus_without_others_beside_it_is_no_smudge() -> None:
    assert is_smudge(measures(SMUDGE, PLATELET)).tolist() == [False, False]
    assert is_smudge(measures(SMUDGE, BLAST)).tolist() == [True, False]
