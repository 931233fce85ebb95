"""The check of documents gives the verdicts of jsonschema, and names the key."""

import copy
import json
import random

import jsonschema
import pytest

from alledge.errors import DataError
from alledge.runtime.json_schema import (
    KEYWORDS,
    SCHEMAS,
    check_document,
    find_violation,
    load_schema,
)

KINDS = sorted(path.stem for path in SCHEMAS.glob("*.json"))
IGNORED = {"$schema", "$defs", "title", "description", "default", "then", "else", "examples"}
# The format only of a date, which is shown as it is; the length only of labels of a bundle, which
# `runtime.bundle.validation` checks.
CHECKED_ELSEWHERE = {"format", "maxLength"}


def keywords(schema):
    """Return the keywords of a schema and of the schemas in it."""
    if not isinstance(schema, dict):
        return set()
    names = set(schema)
    for key in ("properties", "$defs"):
        for part in schema.get(key, {}).values():
            names |= keywords(part)
    for key in ("items", "additionalProperties", "propertyNames", "not", "if", "then", "else"):
        names |= keywords(schema.get(key))
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key, []):
            names |= keywords(part)
    return names


@pytest.mark.parametrize("kind", KINDS)
def test_every_keyword_of_a_schema_is_checked(kind):
    assert keywords(load_schema(kind)) <= set(KEYWORDS) | IGNORED | CHECKED_ELSEWHERE


def example(schema, root, rng):
    """Return a value that mostly keeps to a schema."""
    if not isinstance(schema, dict):
        return rng.choice([1, "x", None])
    if "$ref" in schema:
        return example(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, rng)
    for key in ("const", "enum"):
        if key in schema:
            return schema[key] if key == "const" else rng.choice(schema[key])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return example(rng.choice(schema[key]), root, rng)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = rng.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        value = {
            key: example(part, root, rng) for key, part in schema.get("properties", {}).items()
        }
        extra = schema.get("additionalProperties")
        names = ["a", "b", "c", "d", "e"] if isinstance(extra, dict) else []
        return value | {name: example(extra, root, rng) for name in names}
    if kind == "array":
        return [example(schema.get("items", {}), root, rng) for _ in range(rng.randint(0, 3))]
    return {
        "string": rng.choice(["x", "a" * 64, "sha256:" + "0" * 64, "3.11", ""]),
        "number": rng.choice([0, 0.5, 1, 3.7]),
        "integer": rng.choice([0, 1, 2, 10]),
        "boolean": rng.choice([True, False]),
        "null": None,
    }[kind]


VALUES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    0.5,
    1e300,
    "",
    "x",
    [],
    {},
    [1],
    {"a": 1},
    [1, 1],
    [True, 1],
)


def changed(value, rng):
    """Return a copy of a value with one part replaced, removed or added."""
    value = copy.deepcopy(value)
    part = value
    while isinstance(part, (dict, list)) and part:
        key = rng.choice(list(part)) if isinstance(part, dict) else rng.randrange(len(part))
        if not isinstance(part[key], (dict, list)) or not part[key] or rng.random() < 0.3:
            break
        part = part[key]
    if isinstance(part, (dict, list)) and part:
        action = rng.random()
        if action < 0.6:
            part[key] = rng.choice(VALUES)
        elif action < 0.8:
            del part[key]
        elif isinstance(part, dict):
            part["unknown"] = rng.choice(VALUES)
        else:
            part.append(rng.choice(VALUES))
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_is_that_of_jsonschema(kind):
    schema, rng = load_schema(kind), random.Random(kind)
    validator = jsonschema.Draft202012Validator(schema)
    verdicts = {True: 0, False: 0}
    for _ in range(30):
        document = example(schema, schema, rng)
        for value in (document, *(changed(document, rng) for _ in range(5))):
            expected = validator.is_valid(value)
            verdicts[expected] += 1
            assert (find_violation(value, schema) is None) == expected, json.dumps(value)[:2000]
    assert verdicts[False]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"const": 1}, 1, True),
        ({"enum": [0, None]}, None, False),
        ({"type": "integer"}, 2.0, 2.5),
        ({"uniqueItems": True}, [1, True, "1"], [[1], [1]]),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 3}}, 3, "a"),
        ({"if": {"type": "string"}, "else": {"minimum": 3}}, "a", 2),
        ({"oneOf": [{"minimum": 1}, {"maximum": 3}]}, 0, 2),
        ({"not": {"pattern": "\\.\\."}}, "a.b", "a..b"),
        ({"propertyNames": {"pattern": "^a"}}, {"ab": 1}, {"b": 1}),
        ({"additionalProperties": False, "properties": {"a": {}}}, {"a": None}, {"b": 1}),
        ({"exclusiveMinimum": 0}, 0.1, 0),
    ],
)
def test_a_keyword_has_the_meaning_of_the_standard(schema, good, bad):
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(good)
    assert find_violation(good, schema) is None
    assert not validator.is_valid(bad)
    assert find_violation(bad, schema) is not None


def test_a_pattern_ends_at_the_end_of_the_text():
    assert find_violation("ab\n", {"pattern": "^ab$"}) is not None


def test_a_violation_names_the_key():
    schema = {
        "properties": {"rows": {"items": {"anyOf": [{"type": "null"}, {"required": ["p50"]}]}}}
    }
    assert str(find_violation({"rows": [None, {}]}, schema)) == "rows[1].p50: it is missing"


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ([], "it is array"),
        ({}, "a document without a schema"),
        ({"schema": "other"}, "is \"other\", not 'alledge/phantom'"),
        ({"schema": "alledge/phantom", "schema_version": 2}, "a later version of alledge wrote it"),
        ({"schema": "alledge/phantom", "schema_version": True}, "version true"),
        ({"schema": "alledge/phantom", "schema_version": 1}, "it is missing"),
    ],
)
def test_a_document_of_another_kind_or_version_is_refused(document, part):
    with pytest.raises(DataError) as error:
        check_document(document, "phantom", "x.json", error=DataError)
    assert str(error.value).startswith("x.json is ")
    assert part in str(error.value)
