"""Every JSON document has a valid schema.

That the documents keep to their schemas is tested where they are written.
"""

import ast
import json
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("runtime", "train", "export", "devices", "benchmarks")
SCHEMAS = sorted((ROOT / "runtime" / "schemas").glob("*.json"))
PREFIX = "alledge/"


def document_kinds() -> set[str]:
    """Return the kinds of documents that the code names, such as ``bundle``."""
    constants = [
        node.value
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    names = {text.removeprefix(PREFIX) for text in constants if text.startswith(PREFIX)}
    return {name for name in names if name.replace("-", "").isalpha()}


def test_every_document_has_a_schema_and_every_schema_a_document():
    documents = {path.stem for path in SCHEMAS} - {"classify"}  # a record has no `schema` key
    assert document_kinds() == documents


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_a_schema_is_valid_and_refuses_an_empty_document(path):
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid({})


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_a_schema_names_its_document(path):
    schema = json.loads(path.read_text(encoding="utf-8"))
    if path.stem != "classify":
        kind = schema["properties"]["schema"]["const"]
        assert kind == f"{PREFIX}{path.stem}"
