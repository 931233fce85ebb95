"""The short tables, and that the docs' own are what the results beside them say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alledge.benchmarks.internal.docs_tables import short_tables
from alledge.benchmarks.result_file import read_result

DOCS = Path(__file__).resolve().parents[3] / "docs"
RESULTS = sorted(DOCS.glob("six-models*.json"))
Json = dict[str, Any]


def tables(text: str) -> list[list[str]]:
    """Return the rows of a text's tables that have figures, their cells without blanks."""
    rows = [line.strip(" |").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


def test_the_docs_say_what_the_results_beside_them_say() -> None:
    assert RESULTS
    written = tables((DOCS / "benchmarks.md").read_text(encoding="utf-8"))
    for row in tables(short_tables(read_result(path) for path in RESULTS)):
        if not set("".join(row)) <= set("-:"):
            assert row in written


def test_the_docs_results_are_whole_and_every_figure_has_its_samples() -> None:
    for path in RESULTS:
        document = read_result(path)
        assert document["complete"]
        for row in document["rows"]:
            assert row["status"] == "ok"
            assert row["latency"]["p99_ms"] is not None
            assert row["end_to_end"]["p99_ms"] is not None
            assert (row["accuracy"] is None) == row["training"]["generated"], row["bundle"]


def test_an_answer_that_engines_share_is_one_line(document: Json) -> None:
    for row in document["rows"]:
        row["accuracy"], row["accuracy_note"] = None, "not asked"
    assert len(short_tables([document]).splitlines()) == 5
    figure = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 22}
    for row in document["rows"]:
        row["accuracy"] = {
            **dict.fromkeys(("accuracy", "sensitivity", "specificity", "auc"), figure),
            "include_seen": False,
            "images": 22,
            "seen_left_out": 0,
        }
    last = short_tables([document]).splitlines()[-1]
    assert last.count("0.900 (0.800–0.950)") == 4
    engines = list(dict.fromkeys(row["backend"] for row in document["rows"]))
    assert f"| {', '.join(engines)} |" in last
