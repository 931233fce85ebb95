"""``alledge archive report``: the page, its figures, and drift that is there or is not."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from alledge.benchmarks.internal.archive.generated_results import (
    ABOUT,
    IDENTITY,
    generated_rows,
    write_results,
)
from alledge.runtime.archive.reporting.drift import Point, find_changes, largest_change
from alledge.runtime.archive.reporting.fields import add_fields, open_partition
from alledge.runtime.archive.reporting.figures import read_figures
from alledge.runtime.archive.results.result_set import PartWriter, ResultSet
from support.archives import archive, rows, write_fields

FIELDS = 2000


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "results"
    write_results(str(folder), FIELDS)
    return folder


def test_the_page_stands_alone_and_shows_drift_and_rates(tmp_path: Path, results: Path) -> None:
    out = tmp_path / "page.html"
    result = archive("report", results, "--out", out)
    assert result.exit_code == 0, result.output
    page = out.read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert f"<h1>{FIELDS} fields</h1>" in page
    for words in ("microscope-1", "yellow cast", "a lamp that yellows", "red of the stain"):
        assert words in page
    assert page.count("<svg") >= 8
    assert archive("report", results, "--out", out).exit_code == 2
    assert archive("report", results, "--out", out, "--force").exit_code == 0


def test_figures_are_those_of_the_rows(results: Path) -> None:
    with duckdb.connect() as connection:
        add_fields(connection, "fields", open_partition(str(results)))
        figures = read_figures(connection)
    found = rows(results)
    positive = [row for row in found if row["label"] == "blast"]
    assert figures.total.fields == len(found) == FIELDS
    assert figures.total.errors == sum(row["status"] == "error" for row in found)
    assert figures.total.positive.part == len(positive)
    south = next(group for group in figures.sites if group.name == "south")
    assert south.fields == sum(row["site"] == "south" for row in found)
    assert south.blasts.part == sum(
        row["counts"]["blasts"] for row in found if row["site"] == "south" and row["counts"]
    )
    distances = [abs(row["probability"] - row["threshold"]) for row in figures.doubtful]
    assert distances == sorted(distances)
    assert figures.reasons[0]["fields"] == figures.total.errors


def test_a_step_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.2, 24)

    def points(values: np.ndarray) -> list[Point]:
        return [
            Point(f"{2020 + n // 12}-{n % 12 + 1:02d}", 9, v - 1, v, v + 1)
            for n, v in enumerate(values.tolist())
        ]

    step = noise + np.where(np.arange(24) >= 10, 5.0, 0.0)
    change = largest_change("m", "light", points(step))
    assert change is not None
    assert change.month == "2020-11"
    assert change.after - change.before == pytest.approx(5, abs=0.5)
    assert find_changes({"light": {"m": points(noise)}}) == []
    assert largest_change("m", "light", points(noise[:1])) is None


def test_a_page_of_one_field_and_of_text_that_is_no_html(tmp_path: Path, bundle: Path) -> None:
    write_fields(tmp_path / "<b>site" / "<i>", 1)
    archive(tmp_path / "<b>site", "--out", tmp_path / "out", "--bundle", bundle)
    result = archive("report", tmp_path / "out", "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<i>" not in page.split("<h2>Rates")[1].split("By microscope")[0]


def test_the_latest_partition_is_shown_and_the_others_are_named(tmp_path: Path) -> None:
    results = ResultSet(str(tmp_path / "out"))
    results.claim()
    table = generated_rows(3, np.random.default_rng(0), 1)
    for backend in ("onnx", "tflite"):
        identity = type(IDENTITY)("generated", IDENTITY.digest, backend)
        writer = PartWriter(results.create(identity, ABOUT), 10)
        writer.add(table)
        writer.flush()
    archive("report", tmp_path / "out", "--out", tmp_path / "page.html")
    assert "1 more partition" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_results_that_are_none_are_refused(tmp_path: Path) -> None:
    result = archive("report", tmp_path, "--out", tmp_path / "page.html")
    assert result.exit_code == 1
    assert "has no results of alledge archive" in result.stderr
