"""Checks a document against its schema in ``schemas/``; standard library only.

The keywords that the schemas use are implemented here, and not by the package jsonschema, because
three commands of the base installation check documents: `benchmark`, which continues its log of
rounds on a board, `pack --check` and `devices recommend`. There jsonschema would be five packages,
one of them compiled (rpds-py). Its messages also contain whole values, and its ``$`` accepts a line
end. The tests compare the verdicts with jsonschema's.

`json_values` checks ``bundle.json`` and ``parity.json`` instead: a schema cannot state their rules
between keys, such as the files of a format or one score for each label.

References
----------
JSON Schema, draft 2020-12: https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence, Sized
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import AlledgeError
from .json_values import shown

SCHEMAS = Path(__file__).resolve().parent / "schemas"
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
UPDATE = "update alledge: pip install --upgrade alledge"


class Violation(NamedTuple):
    """Where a document breaks its schema, and how.

    Parameters
    ----------
    path : tuple of str or int
        Keys and indices from the top of the document.
    message : str
    """

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path)
        return f"{keys.lstrip('.')}: {self.message}" if keys else self.message


def check_document(
    document: Any,
    kind: str,
    name: str | Path,
    *,
    error: type[AlledgeError],
    fix: str | None = None,
    required: Sequence[str] | None = None,
) -> None:
    """Raise an error that names the file and the key, unless a document keeps to its schema.

    Parameters
    ----------
    document : JSON value
    kind : str
        Name of a file in ``runtime/schemas``, without its suffix.
    name : str or Path
        What the error calls the document.
    error : subclass of AlledgeError
    fix : str, optional
        Of the error, unless a later version of alledge wrote the document.
    required : sequence of str, optional
        The keys that the caller reads. By default those that the schema requires.

    Raises
    ------
    AlledgeError
        Of the type `error`.
    """
    schema = load_schema(kind)
    schema = schema if required is None else {**schema, "required": required}
    properties = schema["properties"]
    identity, version = (properties[key]["const"] for key in ("schema", "schema_version"))
    allowed = f"{identity!r} version {version}"
    if not isinstance(document, dict):
        raise error(
            f"{name} is not {identity!r}: {_wrong_type(document)}", allowed=allowed, fix=fix
        )
    actual = document.get("schema_version")
    if document.get("schema") != identity:
        what = shown(document["schema"]) if "schema" in document else "a document without a schema"
        raise error(f"{name} is {what}, not {identity!r}", allowed=allowed, fix=fix)
    if type(actual) is int and actual > version:
        raise error(
            f"{name} is {identity!r} version {actual}: a later version of alledge wrote it",
            allowed=allowed,
            fix=UPDATE,
        )
    if actual != version or isinstance(actual, bool):
        raise error(f"{name} is {identity!r} version {shown(actual)}", allowed=allowed, fix=fix)
    if violation := find_violation(document, schema):
        raise error(f"{name} is not a valid {identity!r}: {violation}", fix=fix)


@lru_cache
def load_schema(kind: str) -> dict[str, Any]:
    """Return the schema of a kind of document."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))
    return schema


def find_violation(value: Any, schema: dict[str, Any]) -> Violation | None:
    """Return the first place where a value breaks a schema; None if it keeps to it.

    Parameters
    ----------
    value : JSON value
    schema : dict
        A schema whose keywords are those of `KEYWORDS`; annotations such as ``description`` are
        ignored.
    """
    return next(_violations(value, schema, schema, ()), None)


def _violations(
    value: Any, schema: Any, root: Any, path: tuple[str | int, ...]
) -> Iterator[Violation]:
    """Yield the violations of one part of a document."""
    if isinstance(schema, bool):
        if not schema:
            yield Violation(path, "this key is not allowed")
        return
    for keyword, expected in schema.items():
        if check := KEYWORDS.get(keyword):
            yield from check(value, expected, schema, root, path)


def _ok(value: Any, schema: Any, root: Any) -> bool:
    return next(_violations(value, schema, root, ()), None) is None


# A keyword's function yields the violations of `value`. `expected` is the value of the keyword,
# `schema` the object that has the keyword, `root` the whole schema, `path` that of `value`.
Check = Callable[[Any, Any, Any, Any, tuple[str | int, ...]], Iterator[Violation]]


def _type(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    names = [expected] if isinstance(expected, str) else expected
    if not any(_is_type(value, name) for name in names):
        yield Violation(path, f"{_wrong_type(value)}, not {' or '.join(names)}")


def _properties(
    value: Any, expected: Any, schema: Any, root: Any, path: Any
) -> Iterator[Violation]:
    if isinstance(value, dict):
        for key, part in expected.items():
            if key in value:
                yield from _violations(value[key], part, root, (*path, key))


def _additional(
    value: Any, expected: Any, schema: Any, root: Any, path: Any
) -> Iterator[Violation]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in schema.get("properties", {}):
                yield from _violations(item, expected, root, (*path, key))


def _required(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    if isinstance(value, dict):
        for key in expected:
            if key not in value:
                yield Violation((*path, key), "it is missing")


def _property_names(
    value: Any, expected: Any, schema: Any, root: Any, path: Any
) -> Iterator[Violation]:
    if isinstance(value, dict):
        for key in value:
            for violation in _violations(key, expected, root, ()):
                yield Violation((*path, key), f"the key: {violation.message}")


def _items(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _violations(item, expected, root, (*path, number))


def _unique(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    if expected and isinstance(value, list):
        texts: set[str] = set()  # a run has a hash of each of its images: thousands
        others: list[Any] = []
        for number, item in enumerate(value):
            if isinstance(item, str):
                is_known = item in texts
                texts.add(item)
            else:
                is_known = any(_equal(item, other) for other in others)
                others.append(item)
            if is_known:
                yield Violation((*path, number), f"{shown(item)} occurs twice")


def _enum(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    if not any(_equal(value, item) for item in expected):
        yield Violation(path, f"{shown(value)} is not one of {', '.join(map(shown, expected))}")


def _const(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    if not _equal(value, expected):
        yield Violation(path, f"{shown(value)} is not {shown(expected)}")


def _pattern(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    # In JSON Schema `$` is the end of the text; in Python also the place before a line end.
    if isinstance(value, str) and not re.search(re.sub(r"(?<!\\)\$$", r"\\Z", expected), value):
        yield Violation(path, f"{shown(value)} does not match {expected}")


def _reference(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    part = root
    for key in expected.removeprefix("#/").split("/"):
        part = part[key]
    yield from _violations(value, part, root, path)


def _all_of(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    for part in expected:
        yield from _violations(value, part, root, path)


def _any_of(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    """Yield the violation that is deepest in the document: of the alternative that was meant."""
    first = [next(_violations(value, part, root, path), None) for part in expected]
    violations = [violation for violation in first if violation is not None]
    if len(violations) == len(first):
        yield max(violations, key=lambda violation: len(violation.path))


def _one_of(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    yield from _any_of(value, expected, schema, root, path)
    if sum(_ok(value, part, root) for part in expected) > 1:
        yield Violation(path, f"{shown(value)} can be read in two ways")


def _not(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    if _ok(value, expected, root):
        yield Violation(path, f"{shown(value)} is not allowed")


def _if(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
    branch = "then" if _ok(value, expected, root) else "else"
    yield from _violations(value, schema.get(branch, True), root, path)


def _limit(word: str, within: Callable[[Any, Any], bool]) -> Check:
    """Return the check of a limit of numbers."""

    def check(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
        if _is_type(value, "number") and not within(value, expected):
            yield Violation(path, f"{shown(value)} is not {word} {expected}")

    return check


def _length(kind: type[Sized], word: str, within: Callable[[int, int], bool]) -> Check:
    """Return the check of a limit of lengths."""
    unit = "characters" if kind is str else "entries"

    def check(value: Any, expected: Any, schema: Any, root: Any, path: Any) -> Iterator[Violation]:
        if isinstance(value, kind) and not within(len(value), expected):
            yield Violation(path, f"it has {len(value)} {unit}, not {word} {expected}")

    return check


def _at_least(value: Any, limit: Any) -> bool:
    return bool(value >= limit)


def _at_most(value: Any, limit: Any) -> bool:
    return bool(value <= limit)


KEYWORDS: dict[str, Check] = {
    "type": _type,
    "const": _const,
    "enum": _enum,
    "minimum": _limit("at least", _at_least),
    "maximum": _limit("at most", _at_most),
    "exclusiveMinimum": _limit("above", lambda value, limit: value > limit),
    "pattern": _pattern,
    "minLength": _length(str, "at least", _at_least),
    "maxLength": _length(str, "at most", _at_most),
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "minProperties": _length(dict, "at least", _at_least),
    "items": _items,
    "minItems": _length(list, "at least", _at_least),
    "maxItems": _length(list, "at most", _at_most),
    "uniqueItems": _unique,
    "$ref": _reference,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
}


def _is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name in ("number", "integer"):
        return False
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def _equal(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal; Python alone takes True for 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _wrong_type(value: Any) -> str:
    name = next(name for name in ("boolean", *TYPES) if _is_type(value, name))
    return (
        f"it is {shown(value)} ({name})"
        if name not in ("object", "array", "null")
        else f"it is {name}"
    )
