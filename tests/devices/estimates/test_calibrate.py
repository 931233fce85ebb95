"""Calibration: keeps what was measured, and takes no peaks of a processor it does not know."""

import json

import pytest

from alledge.devices.estimates import calibrate
from alledge.devices.estimates.calibrate import KNOWN, Peaks, check_same_machine, distil, identity
from alledge.errors import UsageError

MACHINE = {"cpu": "AMD EPYC", "arch": "x86_64", "flags": ["avx2", "fma"], "cores_physical": 2}
ROW = {
    **{"kind": "measured", "status": "ok", "model": "vgg16", "precision": "int8"},
    **{"backend": "tflite", "threads": 1, "latency": {"p50_ms": 12.5}, "peak_mib": 80.0},
}


def result() -> dict:
    """Return a benchmark's document, as far as it is read here."""
    failed = {**ROW, "status": "failed", "latency": None}
    machine = {**MACHINE, "versions": {}}
    return {"created": "2026-01-01T00:00:00Z", "machine": machine, "rows": [ROW, failed]}


def test_what_was_measured_is_kept_with_the_machines_peaks_and_nothing_that_failed():
    said = {"vendor": "AuthenticAMD", "family": 25, "model": 1}
    peaks = calibrate.known_peaks(said, ["avx2"])
    kept = distil(result(), [], said, peaks)
    assert [row["ms"] for row in kept["rows"]] == [12.5]
    assert kept["machine"]["family"] == 25
    assert kept["machine"]["flags"] == ["avx2", "fma"]
    assert kept["machine"]["peaks"]["f32_flops_per_cycle"] == 32
    assert kept["machine"]["peaks"]["source"].startswith("nominal")


@pytest.mark.parametrize(
    ("vendor", "family", "flags"),
    [
        ("GenuineIntel", 6, ["avx2"]),
        ("AuthenticAMD", 25, ["avx2", "avx512_vnni"]),
        (None, None, []),
    ],
)
def test_the_peaks_of_an_unknown_processor_are_asked_for(vendor, family, flags):
    said = {"vendor": vendor, "family": family, "model": None}
    with pytest.raises(UsageError, match="are not known") as caught:
        calibrate.known_peaks(said, flags)
    assert "--peaks GHZ" in caught.value.fix


def test_a_result_of_another_machine_is_refused():
    check_same_machine(MACHINE, MACHINE)
    with pytest.raises(UsageError, match="measured on another machine"):
        check_same_machine(MACHINE, {**MACHINE, "flags": ["avx2"]})


def test_a_processor_is_told_by_vendor_family_and_model(tmp_path, boards):
    text = "processor: 0\nvendor_id: AuthenticAMD\ncpu family: 25\nmodel: 1\nmodel name: AMD EPYC\n"
    boards.put(tmp_path, "proc/cpuinfo", text)
    assert identity(tmp_path) == {"vendor": "AuthenticAMD", "family": 25, "model": 1}
    assert identity(tmp_path / "nowhere") == {"vendor": None, "family": None, "model": None}


def test_every_known_processor_names_the_source_of_its_peaks():
    assert all(isinstance(peaks, Peaks) and peaks.source for peaks in KNOWN.values())


def test_the_command_writes_what_it_was_told_and_says_how_much(tmp_path, monkeypatch, capsys):
    file = tmp_path / "result.json"
    file.write_text(json.dumps(result()), encoding="utf-8")
    words = ["calibrate", str(file), "--peaks", "3", "16", "64", "20", "a guide"]
    monkeypatch.setattr(calibrate.sys, "argv", words)
    kept = {}
    monkeypatch.setattr(calibrate, "write_json", lambda path, document: kept.update(document))
    calibrate.main()
    assert kept["machine"]["peaks"]["ghz"] == 3
    assert kept["machine"]["vendor"] is None
    assert "1 rows" in capsys.readouterr().out
