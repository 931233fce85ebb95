"""From the scores of cells to their labels, and to the verdict on a field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.errors import BundleError
from alledge.runtime.cells.field_rule import CellCounts, FieldRule
from alledge.runtime.cells.results import CellResult, judge_cells, judge_field, judge_smear
from alledge.runtime.cells.tables import COUNT_COLUMNS, cell_rows, count_row, counts_text
from alledge.runtime.cells.types import Cell
from alledge.runtime.metrics.decisions import Thresholds

LABELS, POSITIVE = ("healthy", "blast", "other"), ("blast",)
PROBABILITIES = st.floats(0, 1)


def cell(label: str, probability: float, *flags: str) -> CellResult:
    return CellResult(10.4, 20.6, 5.6, label, probability, flags)


def test_a_cell_keeps_the_flags_of_the_detector_and_gets_those_of_model_and_guards() -> None:
    cells = [Cell(1, 2, 3, ("clipped",)), Cell(4, 5, 6), Cell(7, 8, 9)]
    scores = [[0.1, 0.9, 0], [0.5, 0.5, 0], [0.2, 0.2, 0.6]]
    results = judge_cells(
        cells, scores, LABELS, POSITIVE, Thresholds(0.5, (0.4, 0.6)), [True, False, False]
    )
    assert [result.label for result in results] == ["blast", "blast", "other"]
    flags = [("clipped", "unfamiliar"), ("indeterminate",), ()]
    assert [result.flags for result in results] == flags
    assert (results[2].x, results[2].y, results[2].radius) == (7, 8, 9)
    assert judge_cells([], [], LABELS, POSITIVE, Thresholds()) == ()


def test_other_below_its_least_probability_is_a_leucocyte_with_a_flag() -> None:
    labels = ("lymphocyte", "monocyte", "blast", "other")
    scores = [
        [0.1, 0.2, 0.1, 0.6],
        [0.1, 0.1, 0.1, 0.7],
        [0.1, 0.0, 0.6, 0.3],
        [0.5, 0.1, 0.1, 0.3],
    ]
    cells = [Cell(1, 2, 3)] * 4
    results = judge_cells(cells, scores, labels, POSITIVE, Thresholds(), least_other=0.7)
    assert [row.label for row in results] == ["monocyte", "other", "blast", "lymphocyte"]
    assert [row.flags for row in results] == [("unfamiliar",), (), (), ()]
    assert [row.probability for row in results] == [0.1, 0.1, 0.6, 0.1]
    assert [row.is_leucocyte for row in results] == [True, False, True, True]


def test_other_cells_and_smudge_cells_decide_nothing() -> None:
    cells = [cell("healthy", 0.2), cell("other", 0.45), cell("blast", 0.99, "smudge")]
    verdict = judge_field(cells, FieldRule(), LABELS, POSITIVE)
    assert verdict == judge_field(cells[:1], FieldRule(), LABELS, POSITIVE)
    assert verdict.counts == CellCounts(1, 0)
    assert verdict.label == "healthy"
    assert verdict.scores is not None
    assert list(verdict.scores) == ["healthy", "blast"]


def test_a_field_without_a_leucocyte_gets_no_label() -> None:
    for cells in ([], [cell("other", 0.1)], [cell("blast", 0.9, "smudge")]):
        verdict = judge_field(cells, FieldRule(bias=9), LABELS, POSITIVE, more=2)
        assert (verdict.label, verdict.probability, verdict.scores) == (None, None, None)
        assert verdict.counts == CellCounts(0, 0, more=2)
        assert not verdict.indeterminate


def test_the_label_of_a_field_is_the_most_frequent_one_of_its_side() -> None:
    labels, positive = ("lymphocyte", "monocyte", "early", "pre", "other"), ("early", "pre")
    cells = [cell("pre", 0.9), cell("pre", 0.8), cell("early", 0.95), cell("monocyte", 0.1)]
    verdict = judge_field(cells, FieldRule(), labels, positive)
    assert verdict.label == "pre"
    assert verdict.scores is not None
    assert verdict.scores["pre"] + verdict.scores["early"] == pytest.approx(verdict.probability)
    assert sum(verdict.scores.values()) == pytest.approx(1)
    healthy = judge_field(cells[3:], FieldRule(), labels, positive)
    assert healthy.label == "monocyte"


@given(st.lists(PROBABILITIES, min_size=1, max_size=20), PROBABILITIES, PROBABILITIES)
def test_the_label_follows_the_threshold_of_the_rule(
    probabilities: list[float], threshold: float, end: float
) -> None:
    band = (min(threshold, end), max(threshold, end))
    rule = FieldRule(threshold=threshold, band=band)
    cells = [cell("blast" if p >= 0.5 else "healthy", p) for p in probabilities]
    verdict = judge_field(cells, rule, LABELS, POSITIVE)
    assert verdict.probability is not None
    assert (verdict.label == "blast") == (verdict.probability >= threshold)
    assert verdict.indeterminate == (band[0] <= verdict.probability < band[1])


@given(st.lists(PROBABILITIES, min_size=1, max_size=20), PROBABILITIES, st.floats(0, 5))
def test_one_more_blast_never_makes_a_field_healthier(
    probabilities: list[float], more: float, total: float
) -> None:
    rule = FieldRule(total=total)
    cells = [cell("healthy", p) for p in probabilities]
    before = judge_field(cells, rule, LABELS, POSITIVE).probability
    after = judge_field([*cells, cell("blast", more)], rule, LABELS, POSITIVE).probability
    assert before is not None
    assert after is not None
    assert after >= before - 1e-12


@given(st.floats(0, 0.5), st.integers(1, 200), st.floats(0, 5))
def test_the_number_of_healthy_cells_does_not_make_a_field_positive(
    probability: float, number: int, total: float
) -> None:
    rule = FieldRule(total=total)
    one = judge_field([cell("healthy", probability)], rule, LABELS, POSITIVE)
    many = judge_field([cell("healthy", probability)] * number, rule, LABELS, POSITIVE)
    assert many.probability == pytest.approx(one.probability)


@given(st.lists(PROBABILITIES, min_size=1, max_size=5), st.integers(1, 50))
def test_many_fields_like_one_have_its_verdict(probabilities: list[float], number: int) -> None:
    rule = FieldRule(bias=-1, largest=0.6, total=1.9)
    cells = [cell("blast" if p >= 0.5 else "healthy", p) for p in probabilities]
    one = judge_field(cells, rule, LABELS, POSITIVE)
    many = judge_smear([cells] * number, rule, LABELS, POSITIVE)
    assert many.probability == pytest.approx(one.probability, abs=1e-5)
    assert many.counts == CellCounts(
        number * one.counts.leucocytes, number * one.counts.blasts, number
    )


def test_counts_say_how_many_fields_are_missing() -> None:
    counts = CellCounts(23, 9)
    assert counts_text(counts) == (
        "9 blasts of 23 leucocytes: 39.1 % (22.2 to 59.2); 4 more fields for 100 leucocytes"
    )
    assert counts.to_json() == {
        "leucocytes": 23, "blasts": 9, "blast_percent": 39.1, "interval": [22.2, 59.2],
        "fields": 1, "fields_short": 4, "more": 0,
    }  # fmt: skip
    assert "more field for 100" in counts_text(CellCounts(60, 1))
    assert "for 100" not in counts_text(CellCounts(100, 1))
    none = "no leucocyte found; 7 more cells were not judged"
    assert counts_text(CellCounts(0, 0, more=7)) == none
    smudges = [cell("other", 0.1, "smudge"), cell("blast", 0.9, "smudge")]
    instead = "no leucocyte found, only smudge cells; 7 more cells were not judged"
    assert counts_text(CellCounts(0, 0, more=7), smudges) == instead
    bodies = [cell("other", 0.1)]
    assert counts_text(CellCounts(0, 0), bodies) == "no leucocyte found, only cells called other"
    assert counts_text(CellCounts(0, 0), bodies + smudges).endswith(
        "smudge cells and cells called other"
    )
    total = sum([CellCounts(3, 1, 1, 2)] * 4, CellCounts(0, 0, 0))
    assert total == CellCounts(12, 4, 4, 8)
    assert total.fields_short() == 30


def test_rows_of_csv_have_the_columns_of_their_header() -> None:
    for counts in (None, CellCounts(0, 0), CellCounts(5, 2)):
        assert len(count_row(counts)) == len(COUNT_COLUMNS)
    assert cell_rows("a.jpg", [cell("blast", 0.25, "clipped", "smudge")]) == [
        ["a.jpg", 1, 10, 21, 6, "blast", 0.25, "clipped smudge"]
    ]


def test_a_rule_is_read_as_it_was_written() -> None:
    rule = FieldRule(-1.5, 0.7, 0.2, 0.6, (0.5, 0.7), 200)
    assert FieldRule.from_json(rule.to_json()) == rule


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bias", "1"), ("largest", -0.1), ("total", float("nan")), ("threshold", 1.1),
        ("band", [0.9, 0.1]), ("band", [0.1]), ("smear_cells", 1.5), ("median", 1),
    ],
)  # fmt: skip
def test_a_damaged_rule_is_refused(key: str, value: Any) -> None:
    with pytest.raises(BundleError, match=rf"field\.{key}"):
        FieldRule.from_json({**FieldRule().to_json(), key: value})
    with pytest.raises(BundleError, match=r"field\.bias is missing"):
        FieldRule.from_json({})
