"""Every JSON document has a schema, and the schemas are sound; their documents are validated
where they are written, by the tests of that room."""

import json
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = sorted((Path(__file__).resolve().parent.parent / "runtime" / "schemas").glob("*.json"))
WRITTEN = {
    *("audit", "benchmark", "bundle", "classify", "evaluate", "export-log", "guards", "metrics"),
    *("models", "parity", "phantom", "rejected", "run", "study", "suite-baseline", "verify"),
}


def test_every_document_has_a_schema():
    assert {path.stem for path in SCHEMAS} >= WRITTEN


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_a_schema_is_sound_and_refuses_an_empty_document(path):
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid({})
