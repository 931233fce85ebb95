"""The doctor: each finding says what was found, and what to type where it is not well."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices import doctor
from alledge.devices.doctor import FAIL, OK, WARN, examine
from alledge.devices.keys import generate_keys
from alledge.runtime.bundle import file_digest

SCHEMA = Path(__file__).resolve().parents[2] / "runtime" / "schemas" / "doctor.json"


@pytest.fixture
def bundle(tmp_path, tiny_artifacts):
    """A bundle of the tiny network, as far as the doctor looks."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    names = ("model.tflite", "model.onnx", "model.xml", "model.bin")
    for name in names:
        (folder / name).write_bytes((tiny_artifacts / name).read_bytes())
    record = {
        **{"schema": "alledge/bundle", "schema_version": 1, "name": "tiny", "task": "field"},
        **{"labels": ["healthy", "blast"], "positive": ["blast"]},
        "image_path": {"size": 224, "geometry": "squash", "draft": 448},
        "formats": {
            "tflite": {"file": "model.tflite"},
            "onnx": {"file": "model.onnx"},
            "openvino": {"file": "model.xml"},
        },
        "files": {name: file_digest(folder / name) for name in names},
    }
    (folder / "bundle.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_the_document_obeys_its_schema_and_every_trouble_has_a_fix(bundle):
    done = CliRunner().invoke(main, ["doctor", str(bundle), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    for row in document["findings"]:
        assert row["status"] == OK or row["fix"]


def test_a_bundle_is_loaded_by_every_engine_and_its_operators_are_known(bundle):
    found = {row["what"]: row for row in examine(bundle)["findings"]}
    assert "loads on ai-edge-litert" in found["loading model.tflite"]["found"]
    assert "loads on openvino" in found["loading model.xml"]["found"]
    assert found["operators on tflite-runtime 2.14.0"]["status"] == OK


def test_a_damaged_bundle_fails_before_it_is_copied(bundle):
    (bundle / "model.tflite").write_bytes(b"x")
    done = CliRunner().invoke(main, ["doctor", str(bundle)])
    assert done.exit_code == 1
    assert "fail  bundle" in done.output
    assert "copy the bundle again" in done.output


def test_an_operator_that_is_too_new_warns_for_another_machine_and_fails_here(
    tmp_path, tiny_model, monkeypatch
):
    known = {"some-runtime 1.0": {"SOFTMAX": 1}}
    monkeypatch.setattr(doctor, "known_versions", lambda: known)
    (row,) = doctor._opcodes(tiny_model)
    assert row.status == WARN
    assert "FULLY_CONNECTED" in row.found
    monkeypatch.setattr(doctor, "_tflite_engine", lambda: "some-runtime 1.0")
    (row,) = doctor._opcodes(tiny_model)
    assert row.status == FAIL
    assert "ai-edge-litert" in row.fix


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path / "file" / "cache"))
    assert doctor._cache().status == WARN
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path / "cache"))
    assert doctor._cache().status == OK


def test_a_small_memory_and_a_small_quota_say_what_to_do():
    assert doctor._memory(300.0).status == WARN
    assert doctor._memory(1000.0).status == OK
    machine = {"quota_cores": 1.5, "cores_physical": 4, "cores_usable": 1}
    assert "docker run --cpus 4" in doctor._quota(machine).fix


def test_trusted_keys_are_told(tmp_path, monkeypatch):
    generate_keys(tmp_path / "lab")
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path))
    assert "lab.pub" in doctor._keys().found
    (tmp_path / "bad.pub").write_text("x", encoding="ascii")
    assert doctor._keys().status == FAIL
