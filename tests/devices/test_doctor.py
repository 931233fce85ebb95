"""`alledge doctor`: every check, its status, and the fix that it names."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.devices import doctor
from alledge.devices.detection import describe_machine
from alledge.devices.doctor import FAIL, OK, WARN, examine
from alledge.devices.operator_support import model_with_operator
from alledge.devices.pack.signing_keys import generate_keys
from alledge.errors import MissingPackageError
from alledge.runtime.imaging.readers import READERS, Reader
from alledge.runtime.imaging.refusals import FORMAT_NAMES
from alledge.runtime.tflite_graph import operator_codes
from support.bundles import reseal, write_bundle

SCHEMA = Path(__file__).resolve().parents[2] / "runtime" / "schemas" / "doctor.json"


@pytest.fixture
def bundle(tmp_path, artifacts):
    """A bundle of the tiny network."""
    return write_bundle(tmp_path / "tiny", artifacts)


def test_the_document_matches_its_schema_and_every_warning_and_failure_names_a_fix(bundle):
    result = CliRunner().invoke(main, ["doctor", str(bundle), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    for row in document["findings"]:
        assert row["status"] == OK or row["fix"]


def test_every_installed_engine_loads_the_bundle_and_its_operators_are_supported(bundle):
    by_check = {row["what"]: row for row in examine(bundle)["findings"]}
    assert "loads on ai-edge-litert" in by_check["loading model.tflite"]["found"]
    assert "loads on openvino" in by_check["loading model.xml"]["found"]
    assert by_check["operators on tflite-runtime 2.14.0"]["status"] == OK


def test_a_bundle_is_named_by_what_it_judges(bundle, cell_bundle):
    texts = [named(doctor.check_bundle(path))["bundle"].found for path in (bundle, cell_bundle)]
    assert "judges whole fields: " in texts[0]
    assert "judges the cells of fields: " in texts[1]
    assert {row.status for row in doctor.check_bundle(cell_bundle)} == {OK}


def test_every_image_format_is_listed_with_its_reader_or_what_to_install(monkeypatch):
    by_check = {row["what"]: row for row in examine()["findings"]}
    assert ", ".join(FORMAT_NAMES) in by_check["images of Pillow"]["found"]
    assert "Zeiss CZI" in by_check["images of other formats"]["found"]
    for reader in READERS:
        row = by_check[f"images {reader.format}"]
        assert (f"{reader.package} " if reader.installed else "no reader") in row["found"]
    monkeypatch.setattr(Reader, "installed", False)
    rows = [row for row in doctor.check_formats() if row.what.endswith(("HEIC", "AVIF", "DICOM"))]
    assert {(row.status, row.fix) for row in rows} == {(OK, 'pip install "alledge[formats]"')}
    assert len(rows) == len(READERS)


def test_folder_events_are_tried_and_without_the_library_it_is_named(monkeypatch):
    assert "new files are announced" in doctor.check_folder_events().found
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    finding = doctor.check_folder_events()
    assert finding.status == OK
    assert "listed in turn" in finding.found
    assert finding.fix == 'pip install "alledge[station]"'


def test_a_damaged_bundle_fails(bundle):
    (bundle / "model.tflite").write_bytes(b"x")
    result = CliRunner().invoke(main, ["doctor", str(bundle)])
    assert result.exit_code == 1
    assert "fail  bundle" in result.output
    assert "copy the whole bundle again" in result.output


def test_an_unsupported_operator_warns_for_other_runtimes_and_fails_for_the_installed_one(
    tmp_path, tiny_model, monkeypatch
):
    table = {"some-runtime 1.0": {"SOFTMAX": 1}}
    monkeypatch.setattr(doctor, "supported_versions", lambda: table)
    (row,) = doctor.check_operators(tiny_model)
    assert row.status == WARN
    assert "FULLY_CONNECTED" in row.found
    monkeypatch.setattr(doctor, "installed_tflite_runtime", lambda: ("some-runtime", "1.0"))
    (row,) = doctor.check_operators(tiny_model)
    assert row.status == FAIL
    assert "ai-edge-litert" in row.fix
    monkeypatch.setattr(doctor, "installed_tflite_runtime", lambda: ("some-runtime", "1.10.2"))
    (row,) = doctor.check_operators(tiny_model)
    assert row.what == "operators on some-runtime 1.0 (here 1.10.2)"
    assert row.status == WARN  # it may support more; loading the model decides


def test_a_cache_folder_that_cannot_be_written_warns(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path / "file" / "cache"))
    assert doctor.check_cache().status == WARN
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path / "cache"))
    assert doctor.check_cache().status == OK


def test_little_memory_and_a_cpu_limit_warn_with_a_fix():
    assert doctor.check_memory(300.0).status == WARN
    assert doctor.check_memory(1000.0).status == OK
    machine = {"quota_cores": 1.5, "cores_physical": 4, "cores_usable": 1}
    assert "docker run --cpus 4" in doctor.check_cpu_limit(machine).fix


def test_trusted_keys_are_listed_and_a_damaged_key_fails(tmp_path, monkeypatch):
    generate_keys(tmp_path / "lab")
    monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(tmp_path))
    assert "lab.pub" in doctor.check_keys().found
    (tmp_path / "bad.pub").write_text("x", encoding="ascii")
    assert doctor.check_keys().status == FAIL


def machine(**changes):
    """Return this machine's description, changed."""
    return {**describe_machine(engines=False), "flags": ["avx2"], "arch": "x86_64", **changes}


def versions(**changes):
    """Return package versions as if only numpy and these were installed."""
    names = {name.replace("_", "-"): version for name, version in changes.items()}
    return {"numpy": "2.0", **names}


def named(rows):
    """Return findings by what was checked."""
    return {row.what: row for row in rows}


def test_each_check_of_the_machine_reports_its_own_problem(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))
    nano = machine(board="NVIDIA Jetson Nano", arch="aarch64", quota_cores=1.0, cores_physical=4)
    python, board = doctor.check_python(nano), doctor.check_board(nano)
    assert (python.status, board.status) == (FAIL, FAIL)
    assert python.fix
    assert board.fix
    assert doctor.check_instructions(nano).status == OK
    assert doctor.check_cpu_limit(nano).status == WARN
    assert doctor.check_cpu_limit(nano).fix
    assert doctor.check_memory(300.0).fix
    assert doctor.check_instructions(machine(flags=["sse4_2"])).status == WARN
    assert doctor.check_instructions(machine(flags=["sse4_2"])).fix
    assert doctor.check_memory(None).found == "not reported"
    assert doctor.check_cpu_limit(machine(quota_cores=8.0, cores_physical=4)).status == OK


def test_without_the_schema_the_operators_are_not_compared_and_the_model_is_still_loaded(
    bundle, monkeypatch
):
    def operator_versions(path):
        raise MissingPackageError("ai-edge-litert", "tflite", "reading a TFLite graph")

    monkeypatch.setattr(doctor, "operator_versions", operator_versions)
    by_check = named(doctor.check_bundle(bundle))
    assert by_check["operators"].status == OK
    assert "ai-edge-litert" in by_check["operators"].found
    assert by_check["loading model.tflite"].status == OK


def test_an_engine_is_listed_with_its_version_or_with_the_extra_that_installs_it(monkeypatch):
    here = {"tflite": [], "onnx": ["onnxruntime"], "openvino": []}
    monkeypatch.setattr(doctor, "installed_packages", here.__getitem__)
    by_check = named(doctor.check_engines(machine(versions=versions(onnxruntime_gpu="1.23.0"))))
    assert by_check["engine onnx"].found == "onnxruntime 1.23.0"
    assert by_check["engine tflite"].status == OK
    assert "alledge[tflite]" in by_check["engine tflite"].fix
    here["onnx"] = []
    assert {row.status for row in doctor.check_engines(machine(versions=versions()))} == {FAIL}


def test_the_old_runtime_with_a_new_numpy_fails(monkeypatch):
    here = {"tflite": ["tflite_runtime"], "onnx": [], "openvino": []}
    monkeypatch.setattr(doctor, "installed_packages", here.__getitem__)
    by_check = named(doctor.check_engines(machine(versions=versions(tflite_runtime="2.14.0"))))
    assert by_check["numpy"].status == FAIL


def test_a_full_disk_warns_and_a_switched_off_cache_does_not(tmp_path, monkeypatch):
    assert doctor.check_disk(tmp_path).status == OK
    monkeypatch.setattr(doctor, "MIN_FREE_MIB", 10**12)
    assert doctor.check_disk(tmp_path).status == WARN
    monkeypatch.setenv("ALLEDGE_CACHE", "off")
    assert doctor.check_cache().status == OK


def test_a_cache_on_a_full_disk_warns_even_if_the_disk_of_python_has_space(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path / "cache" / "below"))

    def disk_usage(folder):
        free = 1 << 20 if Path(folder) == tmp_path else 1 << 40
        return SimpleNamespace(total=1 << 41, used=0, free=free)

    monkeypatch.setattr(doctor.shutil, "disk_usage", disk_usage)
    assert doctor.check_disk(Path("/")).status == OK
    (row,) = doctor.check_cache_disk()
    assert (row.what, row.status) == ("cache disk", WARN)
    assert "1.0 MiB free" in row.found
    assert "ALLEDGE_CACHE" in row.fix
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(total=0, used=0, free=1 << 40)
    )
    assert doctor.check_cache_disk()[0].status == OK
    monkeypatch.setenv("ALLEDGE_CACHE", "off")
    assert doctor.check_cache_disk() == []


def test_a_device_without_keys_says_that_bundles_need_no_signature(monkeypatch):
    monkeypatch.delenv("ALLEDGE_TRUSTED_KEYS", raising=False)
    assert doctor.check_keys().found.startswith("none")


def test_each_format_without_an_engine_or_that_does_not_load_is_reported(bundle, monkeypatch):
    monkeypatch.setattr(doctor, "installed_packages", lambda name: [] if name == "onnx" else ["x"])
    (bundle / "model.xml").write_text("<net/>", encoding="utf-8")
    reseal(bundle)
    by_check = named(doctor.check_bundle(bundle))
    assert by_check["bundle"].status == OK
    assert "no engine" in by_check["loading model.onnx"].found
    assert by_check["loading model.xml"].status == FAIL


def test_operators_of_an_unreadable_model_fail(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"x")
    (row,) = doctor.check_operators(tmp_path / "x.tflite")
    assert (row.what, row.status) == ("operators", FAIL)


def test_a_runtime_that_refuses_an_operator_gets_the_advice_for_operators(bundle):
    code = next(code for code, name in operator_codes().items() if name == "FULLY_CONNECTED")
    (bundle / "model.tflite").write_bytes(model_with_operator(code, version=99))
    reseal(bundle)
    finding = named(doctor.check_bundle(bundle))["loading model.tflite"]
    assert finding.status == FAIL
    assert finding.fix == doctor.OPERATOR_FIX
