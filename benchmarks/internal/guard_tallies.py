"""How often guards raise each flag: the types of the evaluation, and the counting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from ...runtime.metrics.intervals import wilson

NAMES = ("blurred", "exposure", "too_small", "off_domain", "unfamiliar_microscope")
ANY = "any"

Flags = Sequence[str]


class FlagShare(TypedDict):
    """On how many images a flag was raised, and Wilson's 95 % interval of the share."""

    count: int
    share: float
    low: float
    high: float


class Tally(TypedDict):
    """How often each flag, and any flag, was raised on some images."""

    images: int
    flags: dict[str, FlagShare]


class OutOfFoldTally(Tally):
    """False alarms: the guards of each fold were fitted on the other folds."""

    folds: int


class CameraPair(TypedDict):
    """Guards fitted on one camera, applied to the images of another."""

    fitted_on: str
    asked: str
    named: Tally
    nameless: Tally  # with the camera's name removed


class HalfTally(Tally):
    """One half of the non-smear images, and the same for each source."""

    kinds: dict[str, Tally]


class Evaluation(TypedDict):
    """The document that ``--json`` prints. None means that no data was named."""

    schema: str
    schema_version: int
    run: str
    model: str
    false_alarms: OutOfFoldTally | None
    between_cameras: list[CameraPair] | None
    foreign: dict[str, HalfTally]
    smears: Tally | None
    fields: dict[str, dict[str, Tally]] | None  # by group and kind of change


def tally(flags: Sequence[Flags]) -> Tally:
    """Count on how many images each flag was raised.

    Parameters
    ----------
    flags : sequence of tuple of str
        What `Guards.flags` returned for each image.
    """
    counts = {name: sum(name in raised for raised in flags) for name in NAMES}
    counts[ANY] = sum(map(bool, flags))
    shares: dict[str, FlagShare] = {}
    for name, count in counts.items():
        low, high = wilson(count, len(flags))
        share = count / len(flags) if flags else 0.0
        shares[name] = {"count": count, "share": share, "low": low, "high": high}
    return {"images": len(flags), "flags": shares}
