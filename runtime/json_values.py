"""Checks of values that were read from JSON; the error names key and value; standard library only.

Written by hand: a device has no schema library, and a bundle is checked at every start.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import BundleError

LARGEST = 1e12  # no number of a document is larger; float64 squares it without an overflow
SHOWN_CHARS = 60
MISSING = "is missing"
JOINERS = "\u200c\u200d"  # invisible, but part of words in Persian and Hindi


class InvalidValueError(ValueError):
    """A value of a JSON document has the wrong type or range, or is missing.

    Parameters
    ----------
    key : str
        Where it is, for example ``"guards.blurred.sharpness[0]"``.
    what : str
        What is wrong, for example ``'is "x"'``.
    allowed : str
    """

    def __init__(self, key: str, what: str, allowed: str) -> None:
        self.key, self.what, self.allowed = key, what, allowed
        self.is_missing = what == MISSING
        super().__init__(f"{key} {what}; allowed: {allowed}")


def invalid(key: str, value: object, allowed: str) -> InvalidValueError:
    """Return the error for a value; a long value is shortened."""
    return InvalidValueError(key, f"is {shown(value)}", allowed)


def check_stored(check: Callable[[object, str], None], value: object, key: str) -> None:
    """Check the settings or the rule that a bundle or a run stores.

    Parameters
    ----------
    check : callable
        Called with the value and its key.
    value : object
    key : str
        The key that it was read from.

    Raises
    ------
    BundleError
        If `check` raises InvalidValueError: a key is missing, has the wrong type or range, or is
        unknown to this version.
    """
    try:
        check(value, key)
    except InvalidValueError as error:
        raise BundleError(
            f"{error.key} {error.what}",
            allowed=error.allowed,
            fix="update alledge on this machine, or train and export again",
        ) from None


def shown(value: object) -> str:
    """Return a value as JSON in ASCII, shortened to 60 characters."""
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "a list"
        value = value if len(value) <= SHOWN_CHARS else f"{kind} of {len(value)} values"
    text = json.dumps(value, default=repr)
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}..."


def check_object(value: object, key: str, required: Iterable[str] = ()) -> dict[str, Any]:
    """Return an object that has the required keys.

    Raises
    ------
    InvalidValueError
        As all checks of this module.
    """
    if not isinstance(value, dict):
        raise invalid(key or "the document", value, "an object")
    for name in required:
        if name not in value:
            raise InvalidValueError(f"{key}.{name}" if key else name, MISSING, "a value")
    return value


def check_known_keys(
    value: object, key: str, known: Iterable[str], noun: str = "setting"
) -> dict[str, Any]:
    """Return an object that has exactly the known keys.

    An unknown setting cannot be ignored, because the model would then see other pixels than in
    training. For the same reason a missing one has no default.
    """
    known = list(known)
    for name, entry in check_object(value, key).items():
        if name not in known:
            what = f"is {shown(entry)}, a {noun} that this version does not know"
            raise InvalidValueError(f"{key}.{name}", what, ", ".join(known))
    return check_object(value, key, known)


def check_list(value: object, key: str, least: int = 0, most: int | None = None) -> list[Any]:
    """Return a list with a number of items between two limits."""
    if not isinstance(value, list):
        raise invalid(key, value, "a list")
    if len(value) < least or (most is not None and len(value) > most):
        allowed = (
            str(least) if most == least else f"{least} to {most}" if most else f"{least} or more"
        )
        raise InvalidValueError(key, f"has {len(value)} values", allowed)
    return value


def check_text(value: object, key: str, most: int = 200) -> str:
    """Return a text without control characters, which is not empty and not long."""
    if not isinstance(value, str):
        raise invalid(key, value, "text")
    is_printable = value.isprintable() or all(c.isprintable() or c in JOINERS for c in value)
    if not (value.strip() and len(value) <= most and is_printable):
        raise invalid(key, value, f"1 to {most} characters, no control characters")
    return value


def check_choice(value: object, key: str, allowed: Iterable[str]) -> str:
    """Return a text that is one of those allowed."""
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise invalid(key, value, ", ".join(allowed))
    return value


def check_integer(value: object, key: str, low: int, high: int) -> int:
    """Return an integer in [low, high]; true and 3.0 are none."""
    if type(value) is not int or not low <= value <= high:
        raise invalid(key, value, f"an integer from {low} to {high}")
    return value


def check_boolean(value: object, key: str) -> bool:
    """Return true or false; 1 and 0 are neither."""
    if not isinstance(value, bool):
        raise invalid(key, value, "true or false")
    return value


def check_number(value: object, key: str, low: float = -LARGEST, high: float = LARGEST) -> float:
    """Return a finite number in [low, high]."""
    if not _is_number(value, low, high):
        raise invalid(key, value, _range(low, high))
    return value  # type: ignore[return-value]


def check_numbers(
    value: object, key: str, count: int, low: float = -LARGEST, high: float = LARGEST
) -> list[float]:
    """Return a list of `count` finite numbers in [low, high]."""
    numbers = check_list(value, key, count, count)
    for number, item in enumerate(numbers):
        if not _is_number(item, low, high):
            raise invalid(f"{key}[{number}]", item, _range(low, high))
    return numbers


def check_hex(value: object, key: str, digits: int) -> str:
    """Return a text of so many hexadecimal digits, in lower case."""
    if not isinstance(value, str) or len(value) != digits or not is_hex(value):
        raise invalid(key, value, f"{digits} hexadecimal digits")
    return value


def is_hex(text: str) -> bool:
    """Return whether a text is bytes in hexadecimal digits, in lower case and without spaces."""
    try:
        return 2 * len(bytes.fromhex(text)) == len(text) and text == text.lower()
    except ValueError:
        return False


def check_items(
    value: object, key: str, check: Callable[[object, str], object], least: int = 0
) -> list[Any]:
    """Return a list whose items all pass a check."""
    items = check_list(value, key, least)
    for number, item in enumerate(items):
        check(item, f"{key}[{number}]")
    return items


def _is_number(value: object, low: float, high: float) -> bool:
    # NaN is in no range; true and false are integers in Python
    return type(value) in (float, int) and low <= value <= high  # type: ignore[operator]


def _range(low: float, high: float) -> str:
    return (
        "a number" if (low, high) == (-LARGEST, LARGEST) else f"a number from {low:g} to {high:g}"
    )
