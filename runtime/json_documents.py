"""Reads JSON documents and JSON lines strictly; standard library only.

Strict means: a regular file of limited size and depth, in UTF-8, with finite numbers and without
duplicate keys. A byte order mark is accepted, since editors on Windows write one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ..errors import AlledgeError
from .regular_files import read_regular_file

LIMIT_BYTES = 64 << 20
LIMIT_DEPTH = 64
LARGEST_INTEGER = (1 << 64) - 1
MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))  # PowerShell's `>` writes UTF-16


class _Damage(ValueError):
    """What is wrong with a text, without the name of its file."""


@dataclass(frozen=True)
class JsonLines:
    """The content of a file of JSON lines.

    Parameters
    ----------
    records : list
        One parsed value a line; empty lines are left out.
    numbers : list of int
        The number of each record's line, from 1.
    note : str or None
        What was wrong with the last line, if it was dropped.
    valid_bytes : int
        Length of the file up to the end of the last valid line and its line end.
    ends_with_newline : bool
        Whether that line has a line end, so that a line can be appended.
    """

    records: list[Any] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    note: str | None = None
    valid_bytes: int = 0
    ends_with_newline: bool = True


def read_json(
    path: str | Path,
    *,
    error: type[AlledgeError],
    fix: str | None = None,
    limit_bytes: int = LIMIT_BYTES,
    limit_depth: int = LIMIT_DEPTH,
    file_names: bool = False,
) -> Any:
    """Return the value of a JSON document.

    Parameters
    ----------
    path : str or Path
    error : subclass of AlledgeError
        Raised if the document cannot be read.
    fix : str, optional
        Of the error.
    limit_bytes : int
        A larger file is refused.
    limit_depth : int
        More objects and arrays within each other are refused.
    file_names : bool
        Whether texts may be names of files that are no UTF-8, as `write_json` writes them. For
        records of alledge about folders of the user.

    Raises
    ------
    AlledgeError
        Of the type `error`; it names the file, and the line and column where there is one.

    Notes
    -----
    To have the bytes too, call `read_regular_file` and `parse_json`.
    """
    content = read_regular_file(path, limit_bytes=limit_bytes, error=error, fix=fix)
    return parse_json(
        content, path, error=error, fix=fix, limit_depth=limit_depth, file_names=file_names
    )


def parse_json(
    content: bytes,
    name: str | Path,
    *,
    error: type[AlledgeError],
    fix: str | None = None,
    limit_depth: int = LIMIT_DEPTH,
    file_names: bool = False,
) -> Any:
    """Return the value of a JSON document in memory.

    Parameters
    ----------
    content : bytes
    name : str or Path
        What the error calls the document.
    error, fix, limit_depth, file_names
        As in `read_json`.

    Raises
    ------
    AlledgeError
        Of the type `error`.
    """
    try:
        return _parse(content, limit_depth, file_names)
    except _Damage as damage:
        raise error(f"{name} is not a JSON document: {damage}", fix=fix) from None


def read_json_lines(
    path: str | Path,
    *,
    error: type[AlledgeError],
    fix: str | None = None,
    limit_bytes: int = LIMIT_BYTES,
    limit_depth: int = LIMIT_DEPTH,
    file_names: bool = False,
) -> JsonLines:
    """Return the records of a file that is written line by line.

    A process that is killed leaves an incomplete last line. It is dropped, with a note.

    Parameters
    ----------
    path, error, fix, limit_bytes, limit_depth, file_names
        As in `read_json`.

    Returns
    -------
    JsonLines

    Raises
    ------
    AlledgeError
        Of the type `error`: the file cannot be read, or a line before the last is damaged.
    """
    content = read_regular_file(path, limit_bytes=limit_bytes, error=error, fix=fix)
    records: list[Any] = []
    numbers: list[int] = []
    valid_bytes = end = 0
    damage: tuple[int, str] | None = None
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        end += len(line)
        if not line.strip():
            continue
        if damage is not None:
            raise error(f"line {damage[0]} of {path} is damaged: {damage[1]}", fix=fix)
        try:
            records.append(_parse(line, limit_depth, file_names, lines=False))
            numbers.append(number)
            valid_bytes = end
        except _Damage as reason:
            damage = number, str(reason)
    note = damage and f"the last line of {path}, line {damage[0]}, is incomplete and was dropped"
    has_end = not valid_bytes or content[valid_bytes - 1 : valid_bytes] in (b"\n", b"\r")
    return JsonLines(records, numbers, note, valid_bytes, has_end)


def _parse(content: bytes, limit_depth: int, file_names: bool, lines: bool = True) -> Any:
    """Return the value of a text; raise _Damage with the position in it."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            raise _Damage(f"it is in {encoding}, not in UTF-8")
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_number,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as reason:
        raise _Damage(f"byte {reason.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as reason:
        place = f"line {reason.lineno}, " if lines else ""
        raise _Damage(f"{place}column {reason.colno}: {reason.msg}") from None
    except RecursionError:
        raise _Damage(f"more than {limit_depth} levels of objects and arrays") from None
    # Only an escape can give half a character, which cannot be written again. The bytes of a file
    # name that are no UTF-8 are such halves: U+DC80 to U+DCFF, which surrogateescape encodes.
    has_halves = "\\ud" in text or "\\uD" in text
    errors = "surrogateescape" if file_names else "strict"
    _check_values(value, limit_depth, errors if has_halves else None)
    return value


def _check_values(value: Any, limit_depth: int, errors: str | None) -> None:
    """Raise _Damage if a value is nested too deeply or, given `errors`, has half a character."""
    level = [value]
    for _ in range(limit_depth + 1):
        if errors is not None:
            _check_strings(level, errors)
        parents = [item for item in level if isinstance(item, (dict, list))]
        if not parents:
            return
        level = [
            item
            for parent in parents
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
    raise _Damage(f"more than {limit_depth} levels of objects and arrays")


def _check_strings(values: list[Any], errors: str) -> None:
    """Raise _Damage if a text or a key has half of a surrogate pair."""
    for value in values:
        for text in (
            (value,) if isinstance(value, str) else value if isinstance(value, dict) else ()
        ):
            try:
                text.encode("utf-8", errors)
            except UnicodeEncodeError:
                raise _Damage(f"the text {text!a} has half of a surrogate pair") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raise _Damage if a key occurs twice."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Damage(f"the key {twice!r} occurs twice in one object")
    return result


def _float(text: str) -> float:
    """Return a number; raise _Damage if it is too large for a float."""
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _integer(text: str) -> int:
    """Return an integer; raise _Damage if it has more than 64 bits."""
    if len(text) <= 21 and abs(value := int(text)) <= LARGEST_INTEGER:
        return value
    return _refuse_number(text)


def _refuse_number(text: str) -> NoReturn:
    """Raise _Damage for a number that is not finite or too large."""
    raise _Damage(f"the number {text[:24]}{'…' if len(text) > 24 else ''} is not allowed")
