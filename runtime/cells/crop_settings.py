"""The settings with which a cell becomes the square that the model sees; standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..json_values import (
    InvalidValueError,
    check_choice,
    check_integer,
    check_known_keys,
    check_number,
    shown,
)

UNITS = ("erythrocyte", "nucleus")
MIN_SIZE, MAX_SIZE = 32, 512
MIN_WIDTH, MAX_WIDTH = 0.5, 20.0


@dataclass(frozen=True)
class CropSettings:
    """How a cell is cut out of its field.

    Parameters
    ----------
    size : int
        Side of the square that the model sees, in pixels.
    unit : {"erythrocyte", "nucleus"}
        The length that `width` counts: the diameter of an erythrocyte of the field, or the
        diameter of the cell's own nucleus.
    width : float
        Side of the square in the field, in units.
    white_balance : bool
        Multiply each channel so that the empty background of the field becomes `WHITE`.
    """

    size: int = 96
    unit: str = "erythrocyte"
    width: float = 2.5
    white_balance: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return asdict(self)


def check_crop_settings(value: object, key: str) -> None:
    """Check crop settings that were read from JSON.

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
    known = [field.name for field in fields(CropSettings)]
    settings = check_known_keys(value, key, known)
    check_integer(settings["size"], f"{key}.size", MIN_SIZE, MAX_SIZE)
    check_choice(settings["unit"], f"{key}.unit", UNITS)
    check_number(settings["width"], f"{key}.width", MIN_WIDTH, MAX_WIDTH)
    if not isinstance(settings["white_balance"], bool):
        what = f"is {shown(settings['white_balance'])}"
        raise InvalidValueError(f"{key}.white_balance", what, "true or false")
