"""A result that was changed or damaged is refused with the file and the key, never a traceback."""

import json
import os
from pathlib import Path

import pytest

from alledge.benchmarks.result_file import read_result
from alledge.errors import DataError
from alledge.runtime.json_schema import find_violation, load_schema
from support.changed_documents import tracebacks

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def small(document):
    """The result with two rows."""
    document["rows"] = document["rows"][:2]
    return document


def test_no_changed_result_ends_the_report_in_a_traceback(small, tmp_path):
    file = tmp_path / "changed.json"
    command = ("report", file, "--out", tmp_path / "out" / "report.html")
    assert tracebacks(small, 60, file, *command) == []


def test_no_changed_result_ends_the_recommendation_in_a_traceback(small, tmp_path):
    file = tmp_path / "changed.json"
    command = ("devices", "recommend", "--results", file, "--device", "raspberry-pi-5")
    assert tracebacks(small, 40, file, *command) == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("p50_ms", -3, r"rows\[0\].latency.p50_ms: -3 is not above 0"),
        ("p50_ms", "fast", r'rows\[0\].latency.p50_ms: it is "fast" \(string\), not number'),
        ("p95_ms", 1e300, r"rows\[0\].latency.p95_ms: 1e\+300 is not at most"),
        ("p50_ms", None, r"rows\[0\].latency.p50_ms: it is null, not number"),
        ("ci", {"low": 5, "high": 2}, r"rows\[0\].latency.ci is not between its low and its high"),
        ("ci", [], r"rows\[0\].latency"),
        ("n", 2.5, r"rows\[0\].latency"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_key(small, tmp_path, key, value, message):
    small["rows"][0]["latency"][key] = value
    file = tmp_path / "x.json"
    file.write_text(json.dumps(small), encoding="utf-8")
    with pytest.raises(DataError, match=message) as error:
        read_result(file)
    assert "x.json" in str(error.value)
    assert error.value.fix


def test_a_proportion_outside_its_interval_is_refused(small, tmp_path):
    small["rows"][0]["accuracy"]["sensitivity"] = {"value": 0.2, "low": 0.5, "high": 0.9, "n": 8}
    file = tmp_path / "x.json"
    file.write_text(json.dumps(small), encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\[0\].accuracy.sensitivity is not between"):
        read_result(file)


def test_a_result_of_a_later_version_says_that_alledge_is_too_old(small, tmp_path):
    small["schema_version"] = 2
    (tmp_path / "x.json").write_text(json.dumps(small), encoding="utf-8")
    with pytest.raises(DataError, match="a later version of alledge wrote it") as error:
        read_result(tmp_path / "x.json")
    assert "update alledge" in str(error.value)


@pytest.mark.skipif(os.name != "posix", reason="POSIX special files")
@pytest.mark.timeout(20)
def test_a_device_and_a_fifo_are_refused_at_once(run, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in ("/dev/zero", tmp_path / "fifo"):
        answer = run("report", path, "--out", tmp_path / "report.html")
        assert answer.exit_code == 1
        assert "not a regular file" in answer.output


@pytest.mark.parametrize("path", sorted(DOCS.glob("six-models*.json")), ids=lambda path: path.name)
def test_the_results_in_the_documentation_keep_to_the_schema(path):
    assert find_violation(read_result(path), load_schema("benchmark")) is None
