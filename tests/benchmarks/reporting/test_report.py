"""`alledge report`: the page, Markdown, CSV and charts of measured and estimated machines."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from click.testing import Result

from alledge import runtime
from alledge.benchmarks.reporting.chart_marks import largest_peak_mib, mark_radius
from alledge.benchmarks.reporting.estimated_site import estimated_site
from alledge.benchmarks.reporting.latency_bars import latency_chart, longest_bar_ms
from alledge.benchmarks.reporting.paper_figures import REPORTED
from alledge.benchmarks.reporting.pareto_chart import pareto_chart, time_axis_title
from alledge.benchmarks.reporting.recommendation import recommend
from alledge.benchmarks.reporting.result_merging import merge
from alledge.benchmarks.reporting.selection_criteria import Limits
from alledge.benchmarks.reporting.table_columns import COLUMNS
from alledge.devices.estimates.cell_estimate import estimated_cell_rows
from alledge.devices.profiles import get_profile
from alledge.errors import UsageError
from alledge.train.networks.architectures import ARCHITECTURES

SCHEMA = Path(runtime.__file__).parent / "schemas" / "benchmark.json"
Json = dict[str, Any]
Run = Callable[..., Result]


def test_the_page_loads_nothing_from_outside(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    outside = re.findall(r"""(?:src|href|url\(|@import)[\s=("']*(?!data:)(\w+:|//|/)""", text)
    assert not outside
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "<b>tiny</b>" not in text
    assert text.count("not a medical device") == 1


def test_estimated_rows_look_different_from_measured_ones(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count('<tr class="measured"') == 3
    assert text.count('<tr class="estimated"') == 3
    assert 'title="from cycles"' in text
    assert "hollow: estimated" in text
    assert "<b>1</b>machine<" in text
    assert "<b>1</b>board estimated<" in text


def test_markdown_and_csv_have_the_figures_of_the_result(page: Path, document: Json) -> None:
    rows = list(csv.DictReader(io.StringIO(page.with_suffix(".csv").read_text(encoding="utf-8"))))
    assert len(rows) == 6
    medians = {row["backend"]: float(row["latency.p50_ms"]) for row in rows[:3]}
    assert medians == {row["backend"]: row["latency"]["p50_ms"] for row in document["rows"]}
    words = page.with_suffix(".md").read_text(encoding="utf-8")
    assert "Estimated:" in words
    assert "†" in words  # what failed parity is marked in short, too
    assert "an interval is wider than was asked for (tiny-float32 openvino 1)" in words
    assert "2 disturbed rounds are not in the figures (tiny-float32 openvino 1)" in words
    assert {row["parity"] for row in rows[:3]} == {"pass", "fail"}


def test_every_figure_is_on_the_page_and_in_the_markdown_tables(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    heads = page.with_suffix(".md").read_text(encoding="utf-8")
    of_cells = ("cells", "decode ms", "detect ms", "judge ms", "judge a cell ms", "cells judged")
    for column in COLUMNS:
        if column.name in of_cells or column.name.startswith("cell "):
            continue  # of bundles of cells
        # A tenth of a second has too few samples for these percentiles.
        if column.name not in ("p99 ms", "end to end p90 ms", "end to end p95 ms"):
            named = column.name in ("end to end p99 ms",) or f'data-name="{column.name}"' in text
            assert named, column.name
    for name in ("accuracy", "AUC", "load ms", "first ms", "mean ± sd ms", "steady MiB", "CPU ms"):
        assert f"| {name} |" in heads


def test_a_column_that_no_row_has_is_left_out(run: Run, document: Json, tmp_path: Path) -> None:
    for row in document["rows"]:
        row["steady_mib"], row["accuracy"], row["accuracy_note"] = None, None, "no data"
    (tmp_path / "one.json").write_text(json.dumps(document), encoding="utf-8")
    run("report", tmp_path / "one.json", "--out", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'data-name="steady MiB"' not in text
    assert 'data-name="sensitivity"' not in text
    assert 'data-name="accuracy"' in text
    assert ">not measured<" in text
    assert 'title="no data"' in text


def test_the_page_names_commit_date_and_digest(page: Path, document: Json) -> None:
    text = page.read_text(encoding="utf-8")
    assert document["created"][:10] in text
    if document["commit"]:
        assert document["commit"] in text
    assert document["rows"][0]["digest"].removeprefix("sha256:")[:12] in text


def test_a_result_without_parity_is_read(run: Run, document: Json, tmp_path: Path) -> None:
    for row in document["rows"]:
        del row["parity"]
        row |= {"accuracy": None, "accuracy_note": "no --data was given"}
    older = tmp_path / "older.json"
    older.write_text(json.dumps(document), encoding="utf-8")
    answer = run("report", older, "--out", tmp_path / "report.html")
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("Quickest of all: ")


def test_the_chart_is_also_a_file_with_tooltips_and_both_colour_schemes(page: Path) -> None:
    for number in (1, 2):
        picture = ElementTree.parse(page.with_name(f"report-{number}.svg")).getroot()
        marks = picture.findall(".//*[@class='mark']")
        assert len(marks) == 3
        assert all(mark[0].tag.endswith("title") and mark[0].text for mark in marks)
        assert "prefers-color-scheme" in (picture[0].text or "")


def test_the_area_of_a_mark_is_proportional_to_the_peak_memory() -> None:
    assert mark_radius(400.0, 400.0) == pytest.approx(2 * mark_radius(100.0, 400.0))


def test_an_estimate_has_its_basis_and_its_error_band(
    run: Run, measured: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    words = ("report", measured, "--out", page, "--estimate", "raspberry-pi-5")
    answer = run(*words, "--estimate", "intel-n100")
    assert answer.exit_code == 0, answer.output
    rows = list(csv.DictReader(io.StringIO(page.with_suffix(".csv").read_text(encoding="utf-8"))))
    estimates = [row for row in rows if row["kind"] == "estimated"]
    assert {row["machine"].split(" (")[0] for row in estimates} == {
        "Raspberry Pi 5",
        "Mini PC with an Intel N100",
    }
    for row in estimates:
        low, middle, high = (
            float(row[key]) for key in ("band_ms.low", "latency.p50_ms", "band_ms.high")
        )
        assert low < middle < high
        assert "roofline" in row["basis"]
        assert "the model alone" in row["basis"]
    assert "--estimate raspberry-pi-5" in page.read_text(encoding="utf-8")


def test_estimated_rows_agree_with_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    one = {"$ref": "#/$defs/row", "$defs": schema["$defs"]}
    sites = [estimated_site("raspberry-pi-5", cells) for cells in (None, 0, 20)]
    assert all(site.rows for site in sites)
    for row in (row for site in sites for row in site.rows):
        jsonschema.Draft202012Validator(one).validate(row)


def test_an_estimate_of_cells_is_that_of_the_recommendation_for_as_many_cells(
    run: Run, measured: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    words = ("report", measured, "--out", page, "--estimate", "raspberry-pi-5", "--cells")
    answer = run(*words, 40)
    assert answer.exit_code == 0, answer.output
    board = get_profile("raspberry-pi-5")
    rows = list(csv.DictReader(io.StringIO(page.with_suffix(".csv").read_text(encoding="utf-8"))))
    estimates = [row for row in rows if row["kind"] == "estimated"]
    for row, wanted in zip(estimates, estimated_cell_rows([board], 40), strict=True):
        assert (row["model"], row["precision"]) == (wanted["model"], wanted["precision"])
        assert (row["task"], row["stages.cells"]) == ("cell", "40")
        stages = [float(row[f"stages.{name}_ms"]) for name in ("decode", "detect", "judge")]
        whole, one = float(row["end_to_end.p50_ms"]), float(row["latency.p50_ms"])
        assert whole == pytest.approx(wanted["ms"], rel=1e-4)
        assert whole == pytest.approx(sum(stages), rel=1e-4)
        assert stages[2] == pytest.approx(40 * one, rel=1e-3, abs=0.01)
        assert float(row["band_ms.low"]) < whole < float(row["band_ms.high"])
        assert "40 cells of 96 pixels" in row["basis"]
        assert "the model alone" not in row["basis"]
    text = page.read_text(encoding="utf-8")
    assert "--cells 40" in text
    assert "Estimates are of the\nmodel alone" not in text
    refused = run("report", measured, "--out", page, "--force", "--cells", 40)
    assert refused.exit_code == 2
    assert "--estimate DEVICE --cells 40" in refused.output


def test_no_estimate_for_a_board_that_cannot_run_alledge() -> None:
    with pytest.raises(UsageError, match=r"nothing is estimated of jetson-nano: .*Python 3.6"):
        estimated_site("jetson-nano")
    with pytest.raises(UsageError, match="raspberry-pi-5"):
        estimated_site("raspberry-pi5")


def test_a_chart_never_shows_the_model_alone_as_the_time_from_the_file(document: Json) -> None:
    estimate, (here,) = estimated_site("raspberry-pi-5"), merge([document])
    picture = pareto_chart(estimate, 1000, largest_peak_mib([estimate]))
    assert "ms, the model alone" in picture
    assert "from the file to the answer" not in picture
    assert time_axis_title([*here.rows, *estimate.rows], False).endswith("the model alone")
    mixed = dataclasses.replace(here, rows=(*here.rows, *estimate.rows))
    assert "· model alone" in latency_chart(mixed, 1000, longest_bar_ms(mixed, [mixed]))
    assert longest_bar_ms(here, [here, estimate]) < longest_bar_ms(estimate, [here, estimate])


@pytest.mark.parametrize("ms", [None, 0.0, float("nan")])
def test_a_row_without_a_waiting_time_is_not_in_the_charts(document: Json, ms: float) -> None:
    for row in document["rows"][:2]:
        row["end_to_end"] = None
        row["latency"] |= {"p50_ms": ms, "p95_ms": None}
    (site,) = merge([document])
    assert pareto_chart(site, 1000, 1.0).count('class="mark"') == 1
    assert latency_chart(site, 1000, 100.0).count('class="bar"') == 1
    empty = dataclasses.replace(site, rows=site.rows[:2])
    assert pareto_chart(empty, 1000, 1.0) == latency_chart(empty, 1000, 100.0) == ""


def test_a_recommendation_says_that_only_the_model_alone_is_within_the_limit() -> None:
    advice = recommend([estimated_site("raspberry-pi-5")], Limits(latency_ms=1000.0))
    assert "decoding and resizing come on top" in " ".join(advice.reasons)
    assert "as far as estimates have been off" in advice.reasons[0]


def test_the_paper_reports_an_accuracy_for_each_of_the_six_models() -> None:
    assert set(REPORTED) == set(ARCHITECTURES)


@pytest.mark.parametrize(
    "text", ["[1]", "1", "null", '"x"', '{"schema": "alledge/benchmark", "schema_version": 1}']
)
def test_json_that_is_not_a_result_is_refused_with_a_fix(
    run: Run, tmp_path: Path, text: str
) -> None:
    (tmp_path / "other.json").write_text(text, encoding="utf-8")
    answer = run("report", tmp_path / "other.json", "--out", tmp_path / "report.html")
    assert answer.exit_code == 1
    assert "result" in answer.output
    assert "fix: " in answer.output


def test_a_document_of_another_kind_is_refused_with_a_fix(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"schema": "alledge/run"}', encoding="utf-8")
    answer = run("report", tmp_path / "other.json", "--out", tmp_path / "report.html")
    assert answer.exit_code == 1
    assert "alledge/benchmark" in answer.output
    assert "fix: " in answer.output
    assert run("report", tmp_path / "none.json").exit_code == 1
