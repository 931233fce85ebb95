"""Metrics of fields that are judged by their cells."""

import json

import numpy as np
import pytest

from alledge.runtime.metrics.field_metrics import (
    JudgedFields,
    count_metrics,
    sensitivity_at,
    summarize_fields,
)

NAN = float("nan")


def judged(
    positive: list[bool],
    probability: list[float],
    counted: list[int] | None = None,
    true: list[int] | None = None,
) -> JudgedFields:
    count = len(positive)
    names = tuple(f"field{n}" for n in range(count))
    blasts = np.array(counted or [0] * count)
    return JudgedFields(
        names,
        tuple("AB"[n % 2] for n in range(count)),
        names,
        np.array(positive),
        np.array(probability, dtype=float),
        np.full(count, 0.5),
        blasts + 1,
        blasts,
        np.array(true if true is not None else [-1] * count),
        blasts,
        np.zeros(count, dtype=np.int64),
    )


def test_a_positive_field_without_an_answer_is_missed_and_a_negative_one_is_left_out() -> None:
    fields = judged([True, True, True, False, False, False], [0.9, 0.8, NAN, 0.1, 0.7, NAN])
    summary = summarize_fields(fields)
    assert summary["fields"] == 6
    assert summary["images"] == 5
    assert summary["no_answer"] == {"positive": 1, "negative": 1}
    assert summary["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert summary["specificity"]["n"] == 2
    assert summary["lost"] == ["field2"]
    assert summary["auc"]["value"] == pytest.approx(4 / 6)
    assert summary["counts"] is None
    json.dumps(summary, allow_nan=False)


def test_without_any_answer_of_a_negative_field_there_is_nothing_to_measure() -> None:
    assert summarize_fields(judged([False], [NAN])) is None


def test_the_count_is_compared_where_the_truth_is_known() -> None:
    fields = judged([True, True, False, True], [0.9] * 4, counted=[3, 5, 1, 9], true=[3, 4, 0, -1])
    counts = count_metrics(fields)
    assert (counts["fields"], counts["true"], counts["counted"]) == (3, 7, 9)
    assert counts["mean_error"]["value"] == pytest.approx(2 / 3)
    assert counts["pearson"]["value"] == pytest.approx(np.corrcoef([3, 4, 0], [3, 5, 1])[0, 1])
    assert counts["cameras"]["A"]["mean_error"]["value"] == pytest.approx(0.5)
    assert counts["cameras"]["B"]["pearson"] is None  # one field does not vary


def test_the_sensitivity_at_a_specificity_allows_its_false_alarms() -> None:
    positive = np.array([True] * 4 + [False] * 20)
    p = np.array([0.9, 0.8, 0.55, 0.2, 0.6, 0.5, *[0.1] * 18])
    assert sensitivity_at(positive, p, 0.95)["value"] == pytest.approx(3 / 4)
    assert sensitivity_at(positive, p, 1.0)["value"] == pytest.approx(2 / 4)
    assert sensitivity_at(np.ones(3, dtype=bool), np.ones(3)) is None
