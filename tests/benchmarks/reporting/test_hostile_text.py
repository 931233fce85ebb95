"""The text and the CSV of a result stay in their lines, whatever its names are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from alledge.benchmarks.reporting.text_tables import csv_text, terminal
from alledge.runtime.csv_cells import read_csv
from alledge.runtime.terminal import show
from support.hostile_text import HOSTILE, is_harmless, make_hostile

KEEP = ("status", "kind", "os", "schema", "measured_on", "verdict", "precision", "backend")


def test_the_text_of_a_result_stays_in_its_lines(
    document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    show(document, False, terminal)
    usual = capsys.readouterr().out
    show(make_hostile(document, KEEP), False, terminal)
    output = capsys.readouterr().out
    assert is_harmless(output)
    assert output.count("\n") == usual.count("\n")
    assert "\\x1b[31m" in output


def test_the_answer_of_report_stays_in_its_lines(
    run: Callable[..., Result], document: dict[str, Any], tmp_path: Path
) -> None:
    for row in document["rows"]:
        row["bundle"] += HOSTILE.replace("\ud800", "")
        row["model"] += HOSTILE.replace("\ud800", "")
    document["machine"]["cpu"] = HOSTILE.replace("\ud800", "")
    file = tmp_path / "hostile.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    result = run("report", file, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert is_harmless(result.output)
    assert not any(line.startswith("slide.jpg") for line in result.output.splitlines())


def test_the_csv_of_a_report_has_no_formulas() -> None:
    text = csv_text([{"bundle": "=HYPERLINK(1)", "ms": -1.5, "why": ["@a", "b"]}])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row == {"bundle": "'=HYPERLINK(1)", "ms": "-1.5", "why": "'@a; b"}
    assert next(read_csv(io.StringIO(text)))["bundle"] == "=HYPERLINK(1)"
