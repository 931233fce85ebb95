"""The doctor: each finding says what was found, and what to type where it is not well."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices import doctor
from alledge.devices.detection import describe_machine
from alledge.devices.doctor import FAIL, OK, WARN, examine
from alledge.devices.pack.signing_keys import generate_keys
from alledge.runtime.digests import file_digest

SCHEMA = Path(__file__).resolve().parents[2] / "runtime" / "schemas" / "doctor.json"


@pytest.fixture
def bundle(tmp_path, artifacts):
    """A bundle of the tiny network, as far as the doctor looks."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    names = ("model.tflite", "model.onnx", "model.xml", "model.bin")
    for name in names:
        (folder / name).write_bytes((artifacts / name).read_bytes())
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
    monkeypatch.setattr(doctor, "supported_versions", lambda: known)
    (row,) = doctor._opcodes(tiny_model)
    assert row.status == WARN
    assert "FULLY_CONNECTED" in row.found
    monkeypatch.setattr(doctor, "_tflite_engine", lambda: ("some-runtime", "1.0"))
    (row,) = doctor._opcodes(tiny_model)
    assert row.status == FAIL
    assert "ai-edge-litert" in row.fix
    monkeypatch.setattr(doctor, "_tflite_engine", lambda: ("some-runtime", "1.10.2"))
    (row,) = doctor._opcodes(tiny_model)
    assert row.what == "operators on some-runtime 1.0 (here 1.10.2)"
    assert row.status == WARN  # it may know more: loading it tells


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


def machine(**changes):
    """Return this machine's description, changed."""
    return {**describe_machine(engines=False), "flags": ["avx2"], "arch": "x86_64", **changes}


def versions(**changes):
    """Return versions of packages that are all missing but these."""
    names = {name.replace("_", "-"): version for name, version in changes.items()}
    return {"numpy": "2.0", **names}


def named(rows):
    """Return findings by what was looked at."""
    return {row.what: row for row in rows}


def test_a_machine_that_is_too_old_or_small_is_told_so_in_every_way(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))
    nano = {"board": "NVIDIA Jetson Nano", "arch": "aarch64", "memory_mib": 300.0}
    found = named(doctor._machine(machine(**nano, quota_cores=1.0, cores_physical=4)))
    assert {name: row.status for name, row in found.items()} == {
        **{"Python": FAIL, "board": FAIL, "instructions": OK, "memory": WARN, "cgroup": WARN}
    }
    assert all(row.fix for row in found.values() if row.status != OK)
    found = named(doctor._machine(machine(flags=["sse4_2"], memory_mib=None, quota_cores=None)))
    assert found["instructions"].status == WARN
    assert found["memory"].found == "the system does not say"
    assert doctor._quota(machine(quota_cores=8.0, cores_physical=4)).status == OK


def test_engines_are_told_by_version_the_gpu_wheel_too_and_their_absence_with_a_fix(monkeypatch):
    here = {"tflite": [], "onnx": ["onnxruntime"], "openvino": []}
    monkeypatch.setattr(doctor, "installed_packages", here.__getitem__)
    found = named(doctor._engines(machine(versions=versions(onnxruntime_gpu="1.23.0"))))
    assert found["engine onnx"].found == "onnxruntime 1.23.0"
    assert (found["engine tflite"].status, "alledge[tflite]" in found["engine tflite"].fix) == (
        *(OK, True),
    )
    here["onnx"] = []
    assert {row.status for row in doctor._engines(machine(versions=versions()))} == {FAIL}


def test_the_old_runtime_with_a_new_numpy_fails(monkeypatch):
    here = {"tflite": ["tflite_runtime"], "onnx": [], "openvino": []}
    monkeypatch.setattr(doctor, "installed_packages", here.__getitem__)
    found = named(doctor._engines(machine(versions=versions(tflite_runtime="2.14.0"))))
    assert found["numpy"].status == FAIL


def test_a_full_disk_warns_and_no_cache_is_no_trouble(tmp_path, monkeypatch):
    assert doctor._disk(tmp_path).status == OK
    monkeypatch.setattr(doctor, "LEAST_FREE_MIB", 10**12)
    assert doctor._disk(tmp_path).status == WARN
    monkeypatch.setenv("ALLEDGE_CACHE", "off")
    assert doctor._cache().status == OK


def test_a_device_without_keys_says_that_bundles_need_no_signature(monkeypatch):
    monkeypatch.delenv("ALLEDGE_TRUSTED_KEYS", raising=False)
    assert doctor._keys().found.startswith("none")


def test_what_cannot_be_loaded_is_told_for_each_format(bundle, monkeypatch):
    monkeypatch.setattr(doctor, "installed_packages", lambda name: [] if name == "onnx" else ["x"])
    (bundle / "model.xml").write_text("<net/>", encoding="utf-8")
    record = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    record["files"]["model.xml"] = file_digest(bundle / "model.xml")
    (bundle / "bundle.json").write_text(json.dumps(record), encoding="utf-8")
    found = named(doctor._bundle(bundle))
    assert found["bundle"].status == OK
    assert "no engine" in found["loading model.onnx"].found
    assert found["loading model.xml"].status == FAIL


def test_a_model_that_cannot_be_read_fails_at_its_operators(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"x")
    (row,) = doctor._opcodes(tmp_path / "x.tflite")
    assert (row.what, row.status) == ("operators", FAIL)
