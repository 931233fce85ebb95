"""The settings of cell detection, which runs and bundles store; standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..json_values import check_integer, check_known_keys, check_number

MAX_CELLS = 100_000


@dataclass(frozen=True)
class DetectionSettings:
    """The settings with which the nucleated cells of a field are found.

    Lengths are in erythrocyte diameters of the field, so that they hold at any magnification.

    Parameters
    ----------
    min_stain : float
        Least optical density of a nucleus in the nuclear stain, as a multiple of the
        erythrocytes' green density. It keeps a field without a leucocyte empty.
    min_radius, max_radius : float
        Limits of the radius of a nucleus, > 0.
    max_cells : int
        Greatest number of cells of one field; further cells are only counted.
    """

    min_stain: float = 1.6
    min_radius: float = 0.27
    max_radius: float = 2.5
    max_cells: int = 1000

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return asdict(self)


def check_detection_settings(value: object, key: str) -> None:
    """Check settings that were read from JSON.

    An unknown setting cannot be ignored, because other cells would then be found than in training.
    For the same reason a missing one has no default.

    Parameters
    ----------
    value : object
        A dict, if it is right.
    key : str
        The key that it was read from.

    Raises
    ------
    InvalidValueError
    """
    known = [field.name for field in fields(DetectionSettings)]
    settings = check_known_keys(value, key, known)
    check_number(settings["min_stain"], f"{key}.min_stain", 0.1, 100)
    least = check_number(settings["min_radius"], f"{key}.min_radius", 0.1, 10)
    check_number(settings["max_radius"], f"{key}.max_radius", least, 100)
    check_integer(settings["max_cells"], f"{key}.max_cells", 1, MAX_CELLS)
