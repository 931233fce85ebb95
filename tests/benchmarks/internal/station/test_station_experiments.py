"""The experiments of the workstation, in small: they run, and what they report is true."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alledge.benchmarks.internal.station import day, faults, latency, load, rate
from alledge.benchmarks.internal.station.processes import Place, audit, picture, write_pictures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="experiments for Linux")


def rows(command: Any, *words: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", [name for name in faults.FAULTS if name != "locked"])
def test_a_fault_loses_nothing_and_does_nothing_twice(name: str, bundle: Path) -> None:
    try:
        found = faults.run_fault(name, bundle, 0.02)
    except faults.Skipped as reason:
        pytest.skip(str(reason))
    assert found.is_good, found
    assert found.files == found.results > 0 or name == "rename_storm"


def test_a_locked_history_is_one_error_and_nothing_is_lost(bundle: Path) -> None:
    found = faults.run_fault("locked", bundle, 0.1)
    assert found.is_good, found
    assert found.notes["code"] == 1
    assert "locked" in found.notes["error"]


def test_an_audit_finds_what_is_lost_and_what_was_changed(bundle: Path, tmp_path: Path) -> None:
    place = Place.below(tmp_path, bundle)
    write_pictures(place.camera, 3)
    assert place.once().returncode == 0
    assert audit("none", place).is_good
    (place.camera / "late.png").write_bytes(picture(99))
    assert (audit("none", place).lost, audit("none", place).is_good) == (1, False)
    database = sqlite3.connect(place.home / "history.sqlite3")
    database.execute("UPDATE entries SET label = 'x' WHERE number = 1")
    database.commit()
    database.close()
    assert audit("none", place).problems


def test_clients_are_answered_and_the_answers_are_counted(bundle: Path) -> None:
    (row,) = rows(load.main, "clients", str(bundle), "--clients", "4", "--seconds", "2")
    assert row["statuses"]["200"] > 0
    assert set(row["statuses"]) <= {"200", "429"}
    assert row["health_failures"] == 0


@pytest.mark.slow  # a slow body is given a minute
def test_misuse_is_ended_and_the_server_lives(bundle: Path) -> None:
    words = ["--idle", "600", "--slow-seconds", "75", "--huge-mib", "100"]
    (row,) = rows(load.main, "misuse", str(bundle), *words)
    assert row["alive"]
    assert row["health_failures_beside_idle"] == 0
    assert row["slow_body"]["status"] == 408
    assert row["huge_body"]["status"] in (0, 413)
    assert row["huge_body"]["sent_mib"] < 100


def test_a_short_day_leaves_nothing_out(bundle: Path) -> None:
    words = [str(bundle), "--files", "40", "--every-ms", "20", "--keep", "10"]
    last = rows(day.main, *words)[-1]
    assert (last["results"], last["lost"], last["double"], last["problems"]) == (40, 0, 0, [])


def test_the_rate_is_that_of_two_processes(bundle: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    shutil.copy(tmp_path / "000000.png", tmp_path / "copy.png")
    (row,) = rows(rate.main, str(bundle), str(tmp_path), "--rounds", "1")
    assert row["files"] == 4
    assert row["rate_of_watch"] > 0


def test_the_latency_is_that_with_events_and_without(bundle: Path) -> None:
    words = ("--files", "1", "--settle", "0", "--interval", "0.1")
    with_events, without = rows(latency.main, str(bundle), *words)
    assert (with_events["events"], without["events"]) == (True, False)
    assert min(with_events["least_s"], without["least_s"]) > 0
