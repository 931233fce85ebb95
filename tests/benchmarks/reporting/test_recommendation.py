"""Merging of results, and the recommendation made from them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from alledge.benchmarks.reporting.formatting import notes
from alledge.benchmarks.reporting.recommendation import recommend
from alledge.benchmarks.reporting.result_merging import merge
from alledge.benchmarks.reporting.selection_criteria import Limits

Json = dict[str, Any]


def test_different_machines_are_separate_sites_and_nothing_is_averaged(
    document: Json, elsewhere: Callable[..., Json]
) -> None:
    newer = copy.deepcopy(document)
    newer["created"] = "2999-01-01T00:00:00+00:00"
    for row in newer["rows"]:
        row["measured_at"], row["latency"]["p50_ms"] = newer["created"], 123.0
    sites = merge([newer, elsewhere(document), document])
    assert [len(site.documents) for site in sites] == [2, 1]
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


def test_times_of_another_image_are_a_separate_site(document: Json) -> None:
    other = copy.deepcopy(document)
    other["settings"]["image"] |= {"sha256": "0" * 64, "width": 640, "height": 480}
    first, second = merge([document, other])
    assert first.title.endswith("image")
    assert second.title.endswith("640 × 480 image")
    assert not any("repeats" in row for row in (*first.rows, *second.rows))


def test_a_newer_document_without_accuracy_keeps_the_measured_one(document: Json) -> None:
    newer = copy.deepcopy(document)
    newer["created"], newer["data"] = "2999-01-01T00:00:00+00:00", None
    for row in newer["rows"]:
        row |= {"measured_at": newer["created"], "accuracy": None, "accuracy_note": "no data"}
    (site,) = merge([newer, document])
    for row, before in zip(site.rows, document["rows"], strict=True):
        assert row["measured_at"] == newer["created"]
        assert row["accuracy"] == before["accuracy"]
        assert row["accuracy_note"] is None
        assert row["judged"] == {"at": before["measured_at"], "data": document["data"]}
    other = copy.deepcopy(newer)
    for row in other["rows"]:
        row["digest"] = "sha256:" + "0" * 64
    assert [row["accuracy"] for row in merge([document, other])[0].rows[3:]] == [None] * 3


def test_the_quickest_within_the_limits_is_recommended_with_the_reason(document: Json) -> None:
    for row, wait in zip(document["rows"], (30.0, 10.0, 20.0), strict=True):
        row["end_to_end"]["p95_ms"] = wait
    advice = recommend(merge([document]), Limits(latency_ms=25.0))
    assert advice.row is not None
    assert advice.row["end_to_end"]["p95_ms"] == 10.0
    assert "2 of 3 configurations" in " ".join(advice.reasons)


def test_a_row_without_a_95th_percentile_says_that_it_gives_the_median(document: Json) -> None:
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


def test_a_more_sensitive_row_comes_before_a_quicker_one(document: Json) -> None:
    for row, (wait, value) in zip(
        document["rows"], ((10.0, 0.8), (20.0, 0.9), (30.0, 0.9)), strict=True
    ):
        row["end_to_end"]["p95_ms"] = wait
        row["accuracy"]["sensitivity"] = {"value": value, "low": 0.5, "high": 1.0, "n": 8}
    advice = recommend(merge([document]), Limits())
    assert advice.row is not None
    assert advice.row["end_to_end"]["p95_ms"] == 20.0


def judge(row: Json, value: float, specific: float = 1.0) -> None:
    for name, figure in (("sensitivity", value), ("specificity", specific)):
        row["accuracy"][name] = {"value": figure, "low": 0.0, "high": 1.0, "n": 8}


def test_of_equally_sensitive_rows_the_more_specific_is_chosen(document: Json) -> None:
    for row, wait, specific in zip(
        document["rows"], (10.0, 20.0, 30.0), (0.2, 0.9, 0.9), strict=True
    ):
        row["end_to_end"]["p95_ms"] = wait
        judge(row, 1.0, specific)
    advice = recommend(merge([document]), Limits())
    assert advice.row is not None
    assert advice.row["end_to_end"]["p95_ms"] == 20.0
    assert "its specificity 0.900" in " ".join(advice.reasons)
    alone = recommend(merge([document]), Limits(latency_ms=15.0))
    assert "calls most healthy smears leukaemic" in " ".join(alone.reasons)


def test_a_row_that_failed_parity_is_never_recommended(document: Json) -> None:
    for row in document["rows"][:2]:
        row["parity"] = "fail"
        row["end_to_end"]["p95_ms"] = 0.001
    advice = recommend(merge([document]), Limits())
    assert advice.row is not None
    assert advice.row["backend"] == document["rows"][2]["backend"]
    assert "2 of 3 failed parity" in " ".join(advice.reasons)
    document["rows"][2]["parity"] = "fail"
    assert recommend(merge([document]), Limits()).row is None


def test_accuracies_on_different_data_are_not_ranked(document: Json) -> None:
    other = copy.deepcopy(document)
    other["data"] |= {"fingerprint": "sha256:other", "generated": False, "images": 5}
    for row in document["rows"]:
        judge(row, 1.0)
    for row in other["rows"]:
        row["digest"] = "sha256:" + "1" * 64
        judge(row, 0.7)
    advice = recommend(merge([document, other]), Limits())
    assert advice.row is not None
    assert advice.row["digest"] == other["rows"][0]["digest"]  # real images come first
    assert "3 others were judged on other data" in " ".join(advice.reasons)
    assert advice.kicker == "Recommendation"


def test_a_recommendation_on_generated_images_says_so(document: Json) -> None:
    advice = recommend(merge([document]), Limits())
    assert advice.kicker == "Recommendation, on generated images"
    assert "These images are generated" in " ".join(advice.reasons)


def test_without_a_sensitivity_the_quickest_is_not_called_a_recommendation(document: Json) -> None:
    for row in document["rows"]:
        row["accuracy"], row["accuracy_note"] = None, "no --data was given"
    limited = recommend(merge([document]), Limits(memory_mib=1e6))
    assert limited.kicker == "Quickest within the limits"
    assert recommend(merge([document]), Limits()).kicker == "Quickest of all"


def test_the_nearest_row_is_named_if_none_is_within_the_limits(document: Json) -> None:
    advice = recommend(merge([document]), Limits(memory_mib=1.0))
    assert advice.row is None
    assert "Nearest is tiny float32" in " ".join(advice.reasons)


def test_measured_rows_come_before_estimated_ones(
    document: Json, estimated: Callable[[Json], Json]
) -> None:
    estimates = estimated(document)
    for row in estimates["rows"]:
        row["latency"]["p50_ms"] = 0.001
    advice = recommend(merge([estimates, document]), Limits())
    assert advice.row is not None
    assert advice.row["kind"] == "measured"
    alone = recommend(merge([estimates]), Limits())
    assert "(estimated, not measured)" in alone.reasons[0]


def test_a_result_that_is_given_twice_counts_once(document: Json) -> None:
    (site,) = merge([document, copy.deepcopy(document)])
    assert len(site.documents) == 1
    assert not any({"repeats", "conflict"} & set(row) for row in site.rows)


def test_a_measurement_in_two_documents_counts_once(document: Json) -> None:
    longer = copy.deepcopy(document)
    longer["created"] = "2999-01-01T00:00:00+00:00"  # written again when more was measured
    (site,) = merge([longer, document])
    assert len(site.documents) == 2
    assert not any({"repeats", "conflict"} & set(row) for row in site.rows)


def test_two_results_that_disagree_about_one_measurement_are_marked(document: Json) -> None:
    other = copy.deepcopy(document)
    other["rows"][0]["latency"]["p50_ms"] = 123.0
    (site,) = merge([document, other])
    assert [name for name, _ in notes(site.rows[0])].count("conflict") == 1
    assert site.rows[0]["conflict"]["high_ms"] == 123.0
    assert not any("conflict" in row for row in site.rows[1:])
