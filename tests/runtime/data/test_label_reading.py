"""The meaning of a label follows from its words; what is not clear is refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.errors import DataError, UsageError
from alledge.runtime.data.label_reading import label_meaning, read_labels, words_of


def words(text: str) -> list[str]:
    """Return labels, with _ for a separator that the test varies."""
    return text.split()


POSITIVE = words("""
    blast blasts cancer Cancer leukemia leukaemia Leukämie leucémie leucemia malignant ALL all AML
    not_normal not_healthy not-benign abnormal unhealthy notnormal ungesund krank malade positive
    pos blast1 Blast_cells T-ALL ALL_L1 [Malignant]_Pre-B [Malignant]_early_Pre-B NotNormal
    leukemia_positive ALL_positive ALL+ blast+ Ph+ALL Ph-ALL (blast+) Ph-positive_ALL
    non_sano nicht_gesund pas_sain
""")
NEGATIVE = words("""
    healthy Healthy HEALTHY normal benign hem control controls gesund sain saine sano sana
    non-cancer Not_Cancer NotCancer noncancer no_blast blast-free cancer_free nicht_krank kein_Krebs
    sin_leucemia sans_cancer senza_leucemia negative neg healthy_2 normal_cells Normal_lymphocytes
    healthy_donors blast_negative blast− blast– no_signs_of_leukemia control_group non_leukemic
""")
UNCLEAR = words("""
    Ph-negative_ALL MRD-negative ALL_normal_karyotype not_non-cancer pre-leukemia healthy_blast
    normal_karyotype neutrophil lymphocyte monocyte 0 1 class_0 a A1 ALL-negative not_ALL non-AML
    ALL_remission suspected_cancer cancer_or_normal CD19_negative CD10_positive normal_abnormal
    lymphoma hemolysis blasted controlled hematopoietic ALL_images positive_control unknown
    not_ph_normal healthy+ CD10+ MRD− 1+ non-Hodgkin_lymphoma early pre pro mixed relapse_free_ALL
""")
TABLE = [
    *((label, "positive") for label in POSITIVE),
    *((label, "negative") for label in NEGATIVE),
    *((label, "unclear") for label in UNCLEAR),
]


@pytest.mark.parametrize(("label", "meaning"), TABLE)
@pytest.mark.parametrize("space", ["_", " ", "-"])
def test_a_label_means_what_its_words_mean(label: str, meaning: str, space: str) -> None:
    result = label_meaning(label.replace("_", space))
    assert result.meaning == meaning, result.why


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (["Benign", "Early", "Pre", "Pro"], ["Early", "Pre", "Pro"]),
        (["Benign", "Early Pre-B", "Pre-B", "Pro-B"], ["Early Pre-B", "Pre-B", "Pro-B"]),
        (["hem", "all"], ["all"]),
        (["normal", "not_normal", "blast"], ["blast", "not_normal"]),
        (["Not_Cancer", "Cancer"], ["Cancer"]),
        (["negative", "positive"], ["positive"]),
    ],
)
def test_the_labels_of_known_sets_are_read(labels: list[str], positive: list[str]) -> None:
    reading = read_labels("DATA", labels)
    assert list(reading.positive) == positive
    assert reading.labels[: -len(positive)] == tuple(sorted(set(labels) - set(positive)))
    positive_line, negative_line = reading.lines()
    assert all(label in positive_line for label in positive)
    assert negative_line.startswith("negative: ")


@pytest.mark.parametrize(
    "labels",
    [
        ["healthy", "Ph-negative ALL", "Ph-positive ALL"],
        ["0", "1"],
        ["neutrophil", "lymphocyte"],
        ["healthy", "blast", "all"],
        ["healthy", "Early", "Pre"],
    ],
)
def test_unclear_labels_are_refused_with_the_option_that_says_it(labels: list[str]) -> None:
    with pytest.raises(DataError, match=r"not clear(.|\n)*--positive"):
        read_labels("DATA", labels)


def test_the_user_names_the_positive_labels() -> None:
    labels = ["healthy", "Ph-negative ALL", "Ph-positive ALL"]
    reading = read_labels("DATA", labels, labels[1:])
    assert reading.labels[0] == "healthy"
    assert set(reading.positive) == set(labels[1:])
    contrary = read_labels("DATA", ["healthy", "blast"], ["healthy"])
    assert "although 'healthy'" in contrary.lines()[0]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (["Ph-positive AL"], "did you mean 'Ph-positive ALL'"),
        (["healthy", "Ph-positive ALL"], "names all labels"),
    ],
)
def test_an_unknown_label_and_all_labels_are_refused(named: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_labels("DATA", ["healthy", "Ph-positive ALL"], named)


@given(st.sampled_from(NEGATIVE + POSITIVE), st.sampled_from(["mrd", "ph", "cd10", "karyotype"]))
def test_a_word_of_a_test_never_makes_a_label_healthy(label: str, marker: str) -> None:
    assert label_meaning(f"{marker} {label}").meaning != "negative"


@given(st.text(max_size=30))
def test_every_text_has_a_meaning(label: str) -> None:
    assert label_meaning(label).meaning in ("positive", "negative", "unclear")
    assert all(word for word in words_of(label))


@pytest.mark.parametrize(
    ("label", "meaning"),
    [("ALL-", "unclear"), ("Ph- ALL", "unclear"), ("blast-", "negative"), ("(ALL-)", "unclear")],
)
def test_a_minus_at_the_end_is_a_negative_result(label: str, meaning: str) -> None:
    assert label_meaning(label).meaning == meaning


def test_positive_names_a_class_in_any_spelling() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Leukämie") for form in ("NFC", "NFD"))
    for given_label in (composed, decomposed, "LEUKÄMIE", " leukämie "):
        reading = read_labels("DATA", [decomposed, "gesund"], [given_label])
        assert reading.positive == (decomposed,)
