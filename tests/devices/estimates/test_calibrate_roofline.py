"""The calibration of the roofline: measured rows, and peaks of known processors only."""

import json

import pytest

from alledge.devices.estimates import calibrate_roofline
from alledge.devices.estimates.calibrate_roofline import (
    KNOWN_PEAKS,
    CorePeaks,
    ProcessorId,
    calibration_document,
    check_same_machine,
    known_peaks,
    processor_id,
)
from alledge.errors import UsageError
from support.results import complete_result

MACHINE = {"cpu": "AMD EPYC", "arch": "x86_64", "flags": ["avx2", "fma"], "cores_physical": 2}
ROW = {
    "kind": "measured",
    "status": "ok",
    "model": "vgg16",
    "precision": "int8",
    "backend": "tflite",
    "threads": 1,
    "latency": {"p50_ms": 12.5},
    "peak_mib": 80.0,
}


def result() -> dict:
    """Return the part of a benchmark document that the calibration reads."""
    failed = {**ROW, "status": "failed", "latency": None}
    machine = {**MACHINE, "versions": {}}
    return {"created": "2026-01-01T00:00:00Z", "machine": machine, "rows": [ROW, failed]}


def test_the_calibration_contains_the_successful_rows_and_the_peaks_of_the_machine():
    zen_3 = ProcessorId(vendor="AuthenticAMD", family=25, model=1)
    peaks = known_peaks(zen_3, ["avx2"])
    document = calibration_document(result(), [], zen_3, peaks)
    assert [row["ms"] for row in document["rows"]] == [12.5]
    assert document["machine"]["family"] == 25
    assert document["machine"]["flags"] == ["avx2", "fma"]
    assert document["machine"]["peaks"]["f32_flops_per_cycle"] == 32
    assert document["machine"]["peaks"]["source"].startswith("nominal")


@pytest.mark.parametrize(
    ("vendor", "family", "flags"),
    [
        ("GenuineIntel", 6, ["avx2"]),
        ("AuthenticAMD", 25, ["avx2", "avx512_vnni"]),
        (None, None, []),
    ],
)
def test_an_unknown_processor_is_refused_and_the_option_for_its_peaks_named(vendor, family, flags):
    processor = ProcessorId(vendor=vendor, family=family)
    with pytest.raises(UsageError, match="are not known") as caught:
        known_peaks(processor, flags)
    assert "--peaks GHZ" in caught.value.fix


def test_a_result_of_another_machine_is_refused():
    check_same_machine(MACHINE, MACHINE)
    with pytest.raises(UsageError, match="measured on another machine"):
        check_same_machine(MACHINE, {**MACHINE, "flags": ["avx2"]})


def test_a_processor_is_identified_by_vendor_family_and_model(tmp_path, boards):
    text = "processor: 0\nvendor_id: AuthenticAMD\ncpu family: 25\nmodel: 1\nmodel name: AMD EPYC\n"
    boards.put(tmp_path, "proc/cpuinfo", text)
    assert processor_id(tmp_path) == ProcessorId(vendor="AuthenticAMD", family=25, model=1)
    assert processor_id(tmp_path / "nowhere") == ProcessorId()


def test_every_known_processor_names_the_source_of_its_peaks():
    assert all(isinstance(peaks, CorePeaks) and peaks.source for peaks in KNOWN_PEAKS.values())


def test_the_command_writes_the_calibration_with_the_named_peaks(tmp_path, monkeypatch, capsys):
    file = tmp_path / "result.json"
    document = complete_result(MACHINE, result()["rows"])
    file.write_text(json.dumps(document), encoding="utf-8")
    words = ["calibrate_roofline", str(file), "--peaks", "3", "16", "64", "20", "a guide"]
    monkeypatch.setattr(calibrate_roofline.sys, "argv", words)
    written = {}
    monkeypatch.setattr(
        calibrate_roofline, "write_json", lambda path, document: written.update(document)
    )
    calibrate_roofline.main()
    assert written["machine"]["peaks"]["ghz"] == 3
    assert written["machine"]["vendor"] is None
    assert "1 rows" in capsys.readouterr().out
