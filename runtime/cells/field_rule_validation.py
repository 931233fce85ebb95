"""Checks of the field rule of a bundle or a run; standard library only."""

from __future__ import annotations

from ..json_values import (
    check_integer,
    check_known_keys,
    check_number,
    check_numbers,
    invalid,
)

KEYS = ("bias", "largest", "total", "threshold", "band", "smear_cells")
MAX_WEIGHT = 1e6
MAX_SMEAR_CELLS = 1_000_000


def check_field_rule(value: object, key: str) -> None:
    """Check a field rule that was read from JSON.

    Parameters
    ----------
    value : object
        A dict, if it is right.
    key : str
        The key that it was read from.

    Raises
    ------
    InvalidValueError
        If a number is missing, unknown, of the wrong type or outside its range.
    """
    rule = check_known_keys(value, key, KEYS, "number")
    check_number(rule["bias"], f"{key}.bias", -MAX_WEIGHT, MAX_WEIGHT)
    check_number(rule["largest"], f"{key}.largest", 0, MAX_WEIGHT)
    check_number(rule["total"], f"{key}.total", 0, MAX_WEIGHT)
    check_number(rule["threshold"], f"{key}.threshold", 0, 1)
    low, high = check_numbers(rule["band"], f"{key}.band", 2, 0, 1)
    if low > high:
        raise invalid(f"{key}.band", rule["band"], "the lower end first")
    check_integer(rule["smear_cells"], f"{key}.smear_cells", 0, MAX_SMEAR_CELLS)
