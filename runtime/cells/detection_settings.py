"""The settings of cell detection; standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..json_values import InvalidValueError, check_integer, check_object, shown

MAX_CELLS = 100_000


@dataclass(frozen=True)
class DetectionSettings:
    """How the nucleated cells of a field are found.

    Parameters
    ----------
    max_cells : int
        Greatest number of cells of one field.
    """

    max_cells: int = 1000

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return asdict(self)


def check_detection_settings(value: object, key: str) -> None:
    """Check detection settings that were read from JSON.

    Parameters
    ----------
    value : object
        A dict, if it is right.
    key : str
        The key that it was read from.

    Raises
    ------
    InvalidValueError
        If a setting is missing, unknown, of the wrong type or outside its range.
    """
    known = [field.name for field in fields(DetectionSettings)]
    for name, setting in check_object(value, key).items():
        if name not in known:
            what = f"is {shown(setting)}, a setting that this version does not know"
            raise InvalidValueError(f"{key}.{name}", what, ", ".join(known))
    settings = check_object(value, key, known)
    check_integer(settings["max_cells"], f"{key}.max_cells", 1, MAX_CELLS)
