"""`alledge report`: merging, the recommendation, and the page in a real browser."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import Result

from alledge.benchmarks.merge import merge
from alledge.benchmarks.paper import REPORTED
from alledge.benchmarks.recommendation import Limits, recommend
from alledge.train.architectures import ARCHITECTURES

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
Json = dict[str, Any]
Run = Callable[..., Result]


def elsewhere(document: Json, **changes: Any) -> Json:
    """Return the document as another machine would have written it."""
    other = copy.deepcopy(document)
    other["machine"].update({"cpu": "Cortex-A76", "board": "Raspberry Pi 5", **changes})
    return other


def estimated(document: Json) -> Json:
    """Return the document with its rows as estimates for another board."""
    other = elsewhere(document, board="Jetson Nano", cpu="Cortex-A57")
    for row in other["rows"]:
        nothing = dict.fromkeys(("end_to_end", "throughput", "cold_start_ms", "steady_mib"))
        row |= {"kind": "estimated", "basis": "from cycles", **nothing, "accuracy": None}
        row["latency"] |= {"n": 0, "ci": None, "p95_ms": None}
    return other


@pytest.fixture
def page(run: Run, measured: Path, document: Json, tmp_path: Path) -> Path:
    """The page of a measured machine, and of one that was only estimated."""
    document["rows"][0]["model"] = "<b>tiny</b> & co"
    files = []
    for name, made in (("here", document), ("there", estimated(document))):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(made), encoding="utf-8")
    answer = run("report", *files, "--out", tmp_path / "report.html")
    assert answer.exit_code == 0, answer.output
    return tmp_path / "report.html"


def test_unlike_machines_stay_apart_and_like_ones_are_never_averaged(document: Json) -> None:
    newer = copy.deepcopy(document)
    newer["created"] = "2999-01-01T00:00:00+00:00"
    for row in newer["rows"]:
        row["measured_at"], row["latency"]["p50_ms"] = newer["created"], 123.0
    sites = merge([newer, elsewhere(document), document])
    assert [site.results for site in sites] == [2, 1]
    assert len({site.title for site in sites}) == 2
    assert {row["latency"]["p50_ms"] for row in sites[0].rows} == {123.0}
    assert all(row["repeats"]["times"] == 2 for row in sites[0].rows)
    assert {row["backend"]: row["latency"] for row in sites[1].rows} == {
        row["backend"]: row["latency"] for row in document["rows"]
    }


def test_another_version_of_an_engine_is_another_machine(document: Json) -> None:
    other = copy.deepcopy(document)
    other["machine"]["versions"]["onnxruntime"] = "0.1"
    assert len(merge([document, other])) == 2
    ours = copy.deepcopy(document)
    ours["machine"]["versions"]["alledge"] = "9.9"
    assert len(merge([document, ours])) == 1


def test_the_quickest_within_the_limits_is_recommended_with_its_reason(document: Json) -> None:
    for row, wait in zip(document["rows"], (30.0, 10.0, 20.0), strict=True):
        row["end_to_end"]["p95_ms"] = wait
    advice = recommend(merge([document]), Limits(latency_ms=25.0))
    assert advice.row is not None
    assert advice.row["end_to_end"]["p95_ms"] == 10.0
    assert "2 of 3 configurations" in " ".join(advice.reasons)


def test_a_row_without_a_95th_percentile_says_what_it_gives_instead(document: Json) -> None:
    for row in document["rows"]:
        row["end_to_end"]["p95_ms"] = None
    reasons = recommend(merge([document]), Limits()).reasons
    assert "(from the file, median)" in reasons[0]


def test_a_sensitivity_that_was_not_measured_meets_no_limit(document: Json) -> None:
    for row in document["rows"]:
        row["accuracy"], row["accuracy_note"] = None, "no --data was given"
    advice = recommend(merge([document]), Limits(sensitivity=0.1))
    assert advice.row is None
    assert "3 of 3 have no measured sensitivity" in " ".join(advice.reasons)
    without = recommend(merge([document]), Limits())
    assert without.row is not None
    assert "says nothing about how well it finds leukaemia" in " ".join(without.reasons)


def test_a_sensitivity_on_seen_images_meets_no_limit(document: Json) -> None:
    for row in document["rows"]:
        row["accuracy"]["include_seen"] = True
    assert recommend(merge([document]), Limits(sensitivity=0.0)).row is None


def test_the_more_sensitive_comes_before_the_quicker(document: Json) -> None:
    for row, (wait, value) in zip(
        document["rows"], ((10.0, 0.8), (20.0, 0.9), (30.0, 0.9)), strict=True
    ):
        row["end_to_end"]["p95_ms"] = wait
        row["accuracy"]["sensitivity"] = {"value": value, "low": 0.5, "high": 1.0, "n": 8}
    advice = recommend(merge([document]), Limits())
    assert advice.row is not None
    assert advice.row["end_to_end"]["p95_ms"] == 20.0


def test_where_nothing_is_within_the_limits_the_nearest_is_named(document: Json) -> None:
    advice = recommend(merge([document]), Limits(memory_mib=1.0))
    assert advice.row is None
    assert "Nearest is tiny float32" in " ".join(advice.reasons)


def test_measured_rows_come_before_estimated_ones(document: Json) -> None:
    guessed = estimated(document)
    for row in guessed["rows"]:
        row["latency"]["p50_ms"] = 0.001
    advice = recommend(merge([guessed, document]), Limits())
    assert advice.row is not None
    assert advice.row["kind"] == "measured"
    alone = recommend(merge([guessed]), Limits())
    assert "(estimated, not measured)" in alone.reasons[0]


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


def test_markdown_and_csv_say_the_same(page: Path, document: Json) -> None:
    rows = list(csv.DictReader(io.StringIO(page.with_suffix(".csv").read_text(encoding="utf-8"))))
    assert len(rows) == 6
    found = {row["backend"]: float(row["latency.p50_ms"]) for row in rows[:3]}
    assert found == {row["backend"]: row["latency"]["p50_ms"] for row in document["rows"]}
    words = page.with_suffix(".md").read_text(encoding="utf-8")
    assert words.count("| tiny | float32 | ") == 5  # one of them in short
    assert "Estimated:" in words


def test_the_picture_is_also_a_file_of_its_own(page: Path) -> None:
    for number in (1, 2):
        picture = ElementTree.parse(page.with_name(f"report-{number}.svg")).getroot()
        assert len(picture.findall(".//*[@class]")) > 3


def test_the_papers_accuracies_are_of_the_six_models() -> None:
    assert set(REPORTED) == set(ARCHITECTURES)


def test_what_is_no_result_is_refused_with_a_fix(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"schema": "alledge/run"}', encoding="utf-8")
    answer = run("report", tmp_path / "other.json", "--out", tmp_path / "report.html")
    assert answer.exit_code == 1
    assert "alledge/benchmark" in answer.output
    assert "fix: " in answer.output
    assert run("report", tmp_path / "none.json").exit_code == 1


def browse(page: Path, width: int, *more: str) -> str:
    """Return the document as a browser has it after its scripts ran."""
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--window-size={width},900", "--virtual-time-budget=2000", *more, page.as_uri()]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


PROBE = """<script>
const style = getComputedStyle(document.body), wide = document.querySelector(".wide");
const seen = {
  background: style.backgroundColor, overflow: document.documentElement.scrollWidth > innerWidth,
  wide: getComputedStyle(wide).display, rows: document.querySelectorAll("#rows tbody tr").length,
};
const heads = [...document.querySelectorAll("#rows thead button")];
const column = heads.findIndex((head) => head.textContent === "p50 ms");
heads[column].click();
const all = [...document.querySelectorAll("#rows tbody tr")];
const values = () => [...document.querySelectorAll("#rows tbody tr")]
  .map((row) => Number(row.cells[column].dataset.v));
seen.up = values(); heads[column].click(); seen.down = values();
const search = document.querySelector("#words");
search.value = "openvino estimated"; search.dispatchEvent(new Event("input", {bubbles: true}));
seen.left = all.filter((row) => !row.hidden).length;
document.body.dataset.seen = JSON.stringify(seen);
</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_sorts_and_filters_it(page: Path, width: int, dark: bool) -> None:
    text = page.read_text(encoding="utf-8").replace("</body>", PROBE)
    probed = page.with_name("probed.html")
    probed.write_text(text, encoding="utf-8")
    more = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    dom = browse(probed, width, *more)
    found = re.search(r'data-seen="([^"]*)"', dom)
    assert found is not None, "a script of the page failed"
    seen = json.loads(found[1].replace("&quot;", '"'))
    assert seen["rows"] == 6
    assert seen["up"] == sorted(seen["up"])
    assert seen["down"] == sorted(seen["down"], reverse=True)
    assert seen["left"] == 1
    assert not seen["overflow"], "the page is wider than the window"
    assert (seen["wide"] == "none") == (width < 720)
    light = sum(map(int, re.findall(r"\d+", seen["background"])[:3])) > 384
    assert light == (not dark)
