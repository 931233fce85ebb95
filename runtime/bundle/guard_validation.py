"""Checks of the ``guards`` of ``bundle.json``: types, ranges and lengths; standard library only.

`Guards` checks the rest when it is created: the version, and the names of the statistics.
"""

from __future__ import annotations

from ..json_values import (
    InvalidValueError,
    check_integer,
    check_items,
    check_list,
    check_number,
    check_numbers,
    check_object,
    check_text,
    invalid,
)

DISTANCES = ("off_domain", "unfamiliar_microscope")
RANGES = ("blurred", "exposure", "frame", "stain")
KEYS = ("schema_version", "images", "cameras", "sizes", *DISTANCES, *RANGES)
DISTANCE_KEYS = ("features", "centres", "scale", "precision", "limit")
SIZE_KEYS = ("usual", "shorter_side", "aspect")
MAX_SIDE = 1 << 32  # pixels
LEAST_SCALE = 1e-9  # training adds 1e-3 to every scale


def validate_guards(value: object, key: str = "guards") -> None:
    """Check the values of the guards of a bundle.

    Parameters
    ----------
    value : object
        A dict, if it is right.
    key : str
        The key that it was read from.

    Raises
    ------
    InvalidValueError
        It names the key and the value.
    """
    guards = check_object(value, key, KEYS)
    if unknown := sorted(set(guards) - set(KEYS)):
        raise invalid(f"{key}.{unknown[0]}", guards[unknown[0]], ", ".join(KEYS))
    check_integer(guards["schema_version"], f"{key}.schema_version", 1, 1 << 40)
    check_integer(guards["images"], f"{key}.images", 1, 1 << 40)
    for number, camera in enumerate(check_list(guards["cameras"], f"{key}.cameras")):
        if not isinstance(camera, str) or not camera:  # as in EXIF, with any character
            raise invalid(f"{key}.cameras[{number}]", camera, "text")
    if guards["sizes"] is not None:
        _check_sizes(guards["sizes"], f"{key}.sizes")
    for name in DISTANCES:
        _check_distance(guards[name], f"{key}.{name}")
    for name in RANGES:
        _check_ranges(guards[name], f"{key}.{name}")


def _check_sizes(value: object, key: str) -> None:
    """Check the sizes of the training images, in pixels."""
    row = check_object(value, key, SIZE_KEYS)
    for number, sides in enumerate(check_list(row["usual"], f"{key}.usual")):
        where = f"{key}.usual[{number}]"
        check_items(sides, where, lambda v, k: check_integer(v, k, 1, MAX_SIDE))
        if len(sides) != 2 or sides[0] < sides[1]:
            raise invalid(where, sides, "two sides, the longer first")
    for name in ("shorter_side", "aspect"):
        low, high = check_numbers(row[name], f"{key}.{name}", 2, low=0)
        if low > high:
            raise invalid(f"{key}.{name}", row[name], "the lower limit first")


def _check_distance(value: object, key: str) -> None:
    row = check_object(value, key, DISTANCE_KEYS)
    features = check_items(row["features"], f"{key}.features", check_text, least=1)
    if len(set(features)) < len(features):
        raise invalid(f"{key}.features", features, "each feature once")
    count = len(features)
    centres = check_list(row["centres"], f"{key}.centres", least=1)
    for number, centre in enumerate(centres):
        check_numbers(centre, f"{key}.centres[{number}]", count)
    check_numbers(row["scale"], f"{key}.scale", count, low=LEAST_SCALE)
    for number, line in enumerate(check_list(row["precision"], f"{key}.precision", count, count)):
        check_numbers(line, f"{key}.precision[{number}]", count)
        if line[number] <= 0:
            raise invalid(f"{key}.precision[{number}][{number}]", line[number], "above 0")
    check_number(row["limit"], f"{key}.limit", low=LEAST_SCALE)


def _check_ranges(value: object, key: str) -> None:
    """Check the lowest and highest usual value of statistics; null is no limit."""
    ranges = check_object(value, key)
    if not ranges:
        raise invalid(key, ranges, "the limits of a statistic")
    for name, limits in ranges.items():
        check_list(limits, f"{key}.{name}", 2, 2)
        for number, limit in enumerate(limits):
            _check_limit(limit, f"{key}.{name}[{number}]")
        low, high = limits
        if (low is None and high is None) or (None not in limits and low > high):
            raise invalid(f"{key}.{name}", limits, "one limit or two, the lower first")


def _check_limit(value: object, key: str) -> None:
    if value is not None:
        try:
            check_number(value, key)
        except InvalidValueError:
            raise invalid(key, value, "a number or null") from None
