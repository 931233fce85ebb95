"""The answers of a bundle on its reference images: what the record makes of stored scores.

The export stores them, and `verify` computes them again. The comparison needs no engine: it shows
whether labels, positive labels, temperature, threshold, band and guards are those of the export.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..guards.guards import Guards
from ..guards.image_statistics import image_statistics
from ..metrics.decisions import Thresholds, apply_temperature, decide

if TYPE_CHECKING:
    from ..types import AnswersRecord

DIGITS, MAX_DIFFERENCE = 6, 2e-6  # of a stored probability


def answers(
    scores: NDArray[np.float32], labels: Sequence[str], positive: Sequence[str], row: dict[str, Any]
) -> AnswersRecord:
    """Return what the decision of a format makes of scores.

    Parameters
    ----------
    scores : (N, C) ndarray of float32
        Raw scores of one artifact.
    labels, positive : sequence of str
    row : dict
        The format's row of ``bundle.json``: temperature, threshold and band.

    Returns
    -------
    dict
        The ``answers`` of ``parity.json``: for each image the label, the positive probability,
        and whether it lies in the band. The probability of scores that are not finite is 0.
    """
    low, high = row["band"]
    calibrated = apply_temperature(scores, row["temperature"])
    verdicts = decide(calibrated, labels, positive, Thresholds(row["threshold"], (low, high)))
    return {
        "labels": [verdict.label for verdict in verdicts],
        "probabilities": [
            round(float(np.nan_to_num(verdict.probability)), DIGITS) for verdict in verdicts
        ],
        "indeterminate": [verdict.indeterminate for verdict in verdicts],
    }


def guard_flags(images: NDArray[np.uint8], guards: Any) -> list[list[str]]:
    """Return the flags that the guards of a bundle give each image.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
    guards : dict or None
        The ``guards`` of ``bundle.json``.

    Raises
    ------
    BundleError
        As `Guards`.
    """
    active = Guards(guards)
    return [list(active.flags(image_statistics(image))) for image in images]


def differences(here: AnswersRecord, stored: AnswersRecord) -> list[str]:
    """Return a line for each kind of answer that differs from the stored answers."""
    lines = []
    for key in ("labels", "indeterminate"):
        pairs = list(zip(here[key], stored[key], strict=True))  # type: ignore[literal-required]
        if wrong := [number for number, (one, other) in enumerate(pairs) if one != other]:
            one, other = pairs[wrong[0]]
            lines.append(
                f"{key}: {len(wrong)} of {len(pairs)} differ, "
                f"image {wrong[0]} is {one!r} and was {other!r} at the export"
            )
    apart = np.abs(np.subtract(here["probabilities"], stored["probabilities"]))
    if apart.max() > MAX_DIFFERENCE:
        lines.append(f"probabilities: up to {apart.max():.6f} apart")
    return lines
