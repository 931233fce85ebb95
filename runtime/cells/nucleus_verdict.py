"""Tells nuclei of cells from platelets, stain deposits and smudges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .detection_settings import DetectionSettings
from .nucleus_measures import NucleusMeasures

Mask = NDArray[np.bool_]
# Below this radius, in erythrocyte diameters, a stained body may be a platelet or a deposit.
SMALL = 0.6
MAX_BLUE_SHARE = 0.6  # of a nucleus; drawn black arrows and scale bars have 1
# A logistic regression of log radius, texture and log stain, and its constant. It was fitted on
# bodies of ALL-IDB1 and the half of the Barcelona cells that is for development: nuclei of small
# cells against platelets and deposits.
RADIUS, TEXTURE, STAIN, CONSTANT = 9.0, -16.5, 4.26, 6.2
# A smudge is redder and paler than the other nuclei of its field. At this limit 1 % of the
# leucocytes of ALL-IDB1 are flagged, 60 % of the smudges of one camera, 93 % of the other's.
SMUDGE_HUE = 0.28
REFERENCE_RADIUS = 0.45  # of nuclei that give the stain of the field
REFERENCE_QUANTILE = 0.75


def is_nucleus(measures: NucleusMeasures, settings: DetectionSettings) -> Mask:
    """Return which stained bodies are nuclei, those of smudges included."""
    score = RADIUS * np.log(measures.radius) + TEXTURE * measures.texture
    score += STAIN * np.log(np.maximum(measures.stain, 1e-3)) + CONSTANT
    in_range = (measures.radius >= settings.min_radius) & (measures.radius <= settings.max_radius)
    in_range &= measures.blue_share <= MAX_BLUE_SHARE
    return np.asarray(in_range & ((score >= 0) | (measures.radius >= SMALL)))


def is_smudge(measures: NucleusMeasures) -> Mask:
    """Return which nuclei are broken, by their hue and their stain beside the field's others.

    Where there is no other nucleus, none is: a magenta stain alone does not make a smudge.
    """
    if np.count_nonzero(_gives_reference(measures)) < 2:
        return np.zeros(len(measures.hue), bool)
    return np.asarray(measures.hue * relative_stain(measures) < SMUDGE_HUE)


def relative_stain(measures: NucleusMeasures) -> NDArray[np.float64]:
    """Return each nucleus' stain over that of the field's darker nuclei."""
    large = measures.stain[_gives_reference(measures)]
    reference = np.quantile(large, REFERENCE_QUANTILE) if len(large) else 1.0
    return np.asarray(measures.stain / max(float(reference), 1e-6))


def _gives_reference(measures: NucleusMeasures) -> Mask:
    """Return which bodies are large enough for the stain of a field, and not drawn in black."""
    is_large = measures.radius >= REFERENCE_RADIUS
    return np.asarray(is_large & (measures.blue_share <= MAX_BLUE_SHARE))
