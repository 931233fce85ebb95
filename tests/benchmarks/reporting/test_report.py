"""`alledge report`: the page, Markdown and CSV of measured and estimated machines."""

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
from alledge.benchmarks.reporting.chart_marks import heaviest, radius
from alledge.benchmarks.reporting.estimated_site import estimated_site
from alledge.benchmarks.reporting.latency_bars import bars, scale
from alledge.benchmarks.reporting.paper_figures import REPORTED
from alledge.benchmarks.reporting.pareto_chart import axis_title, pareto
from alledge.benchmarks.reporting.recommendation import recommend
from alledge.benchmarks.reporting.result_merging import merge
from alledge.benchmarks.reporting.selection_criteria import Limits
from alledge.benchmarks.reporting.table_columns import COLUMNS
from alledge.errors import UsageError
from alledge.train.networks.architectures import ARCHITECTURES

SCHEMA = Path(runtime.__file__).parent / "schemas" / "benchmark.json"
Json = dict[str, Any]
Run = Callable[..., Result]


def test_the_page_reaches_for_nothing_outside_itself(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    outside = re.findall(r"""(?:src|href|url\(|@import)[\s=("']*(?!data:)(\w+:|//|/)""", text)
    assert not outside
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<b>tiny</b>" not in text
    assert text.count("not a medical device") == 1


def test_estimated_rows_are_told_from_measured_ones(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count('<tr class="measured"') == 3
    assert text.count('<tr class="estimated"') == 3
    assert 'title="from cycles"' in text
    assert "hollow: estimated" in text
    assert "<b>1</b>machine<" in text
    assert "<b>1</b>board estimated<" in text


def test_markdown_and_csv_say_the_same(page: Path, document: Json) -> None:
    rows = list(csv.DictReader(io.StringIO(page.with_suffix(".csv").read_text(encoding="utf-8"))))
    assert len(rows) == 6
    found = {row["backend"]: float(row["latency.p50_ms"]) for row in rows[:3]}
    assert found == {row["backend"]: row["latency"]["p50_ms"] for row in document["rows"]}
    words = page.with_suffix(".md").read_text(encoding="utf-8")
    assert "Estimated:" in words
    assert "†" in words  # what failed parity is marked in short, too
    assert "an interval is wider than was asked for (tiny-float32 openvino 1)" in words
    assert "2 disturbed rounds are not in the figures (tiny-float32 openvino 1)" in words
    assert {row["parity"] for row in rows[:3]} == {"pass", "fail"}


def test_every_figure_is_on_the_page_and_in_markdown(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    heads = page.with_suffix(".md").read_text(encoding="utf-8")
    for column in COLUMNS:
        # quantiles that a tenth of a second has too few samples for, and rounds set aside
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


def test_the_page_says_commit_date_and_digest(page: Path, document: Json) -> None:
    text = page.read_text(encoding="utf-8")
    assert document["created"][:10] in text
    if document["commit"]:
        assert document["commit"] in text
    assert document["rows"][0]["digest"].removeprefix("sha256:")[:12] in text


def test_an_older_document_is_read(run: Run, document: Json, tmp_path: Path) -> None:
    for row in document["rows"]:
        del row["parity"]  # results of the first days do not have it
        row |= {"accuracy": None, "accuracy_note": "no --data was given"}
    older = tmp_path / "older.json"
    older.write_text(json.dumps(document), encoding="utf-8")
    answer = run("report", older, "--out", tmp_path / "report.html")
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("Quickest of all: ")


def test_the_picture_is_also_a_file_of_its_own(page: Path) -> None:
    for number in (1, 2):
        picture = ElementTree.parse(page.with_name(f"report-{number}.svg")).getroot()
        assert len(picture.findall(".//*[@class]")) > 3


def test_the_area_of_a_mark_is_proportional_to_memory() -> None:
    assert radius(400.0, 400.0) == pytest.approx(2 * radius(100.0, 400.0))


def test_what_is_estimated_has_its_basis_and_its_band(
    run: Run, measured: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    words = ("report", measured, "--out", page, "--estimate", "raspberry-pi-5")
    answer = run(*words, "--estimate", "intel-n100")
    assert answer.exit_code == 0, answer.output
    rows = list(csv.DictReader(io.StringIO(page.with_suffix(".csv").read_text(encoding="utf-8"))))
    guessed = [row for row in rows if row["kind"] == "estimated"]
    assert {row["machine"].split(" (")[0] for row in guessed} == {
        "Raspberry Pi 5",
        "Mini PC with an Intel N100",
    }
    for row in guessed:
        low, middle, high = (
            float(row[key]) for key in ("band_ms.low", "latency.p50_ms", "band_ms.high")
        )
        assert low < middle < high
        assert "roofline" in row["basis"]
        assert "the model alone" in row["basis"]
    assert "--estimate raspberry-pi-5" in page.read_text(encoding="utf-8")


def test_estimated_rows_are_rows_of_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    one = {"$ref": "#/$defs/row", "$defs": schema["$defs"]}
    site = estimated_site("raspberry-pi-5")
    assert site.rows
    for row in site.rows:
        jsonschema.Draft202012Validator(one).validate(row)


def test_nothing_is_estimated_of_a_board_that_cannot_run_it() -> None:
    with pytest.raises(UsageError, match=r"nothing is estimated of jetson-nano: .*Python 3.6"):
        estimated_site("jetson-nano")
    with pytest.raises(UsageError, match="raspberry-pi-5"):
        estimated_site("raspberry-pi5")


def test_the_model_alone_is_never_drawn_as_the_whole_way(document: Json) -> None:
    guess, (here,) = estimated_site("raspberry-pi-5"), merge([document])
    picture = pareto(guess, 1000, heaviest([guess]))
    assert "ms, the model alone" in picture
    assert "from the file to the answer" not in picture
    assert axis_title([*here.rows, *guess.rows], False).endswith("the model alone")
    mixed = dataclasses.replace(here, rows=(*here.rows, *guess.rows))
    assert "· model alone" in bars(mixed, 1000, scale(mixed, [mixed]))
    assert scale(here, [here, guess]) < scale(guess, [here, guess])


def test_the_model_alone_within_a_limit_on_the_whole_way_is_said() -> None:
    advice = recommend([estimated_site("raspberry-pi-5")], Limits(latency_ms=1000.0))
    assert "decoding and resizing come on top" in " ".join(advice.reasons)
    assert "as far as estimates have been off" in advice.reasons[0]


def test_the_papers_accuracies_are_of_the_six_models() -> None:
    assert set(REPORTED) == set(ARCHITECTURES)


@pytest.mark.parametrize(
    "text", ["[1]", "1", "null", '"x"', '{"schema": "alledge/benchmark", "schema_version": 1}']
)
def test_json_that_is_no_result_is_refused_with_a_fix(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text, encoding="utf-8")
    answer = run("report", tmp_path / "other.json", "--out", tmp_path / "report.html")
    assert answer.exit_code == 1
    assert "result" in answer.output
    assert "fix: " in answer.output


def test_what_is_no_result_is_refused_with_a_fix(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"schema": "alledge/run"}', encoding="utf-8")
    answer = run("report", tmp_path / "other.json", "--out", tmp_path / "report.html")
    assert answer.exit_code == 1
    assert "alledge/benchmark" in answer.output
    assert "fix: " in answer.output
    assert run("report", tmp_path / "none.json").exit_code == 1
