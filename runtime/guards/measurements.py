"""What the guards compare of one image, kept for its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..imaging import Header
    from ..types import Statistics


@dataclass(frozen=True)
class Measurements:
    """What was measured of one image, beside its scores.

    Parameters
    ----------
    header : Header
        Of its file.
    statistics : dict
        As `image_statistics`, or `field_statistics` of a field of a cell bundle.
    """

    header: Header
    statistics: Statistics
