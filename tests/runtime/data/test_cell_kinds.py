"""Labels of cells: kinds of leucocytes, what is none, and what is ignored."""

import pytest

from alledge.errors import DataError
from alledge.runtime.data.cell_kinds import read_cell_labels
from alledge.runtime.data.label_reading import LabelReading


def meanings(reading: LabelReading) -> dict[str, str]:
    return {row.label: row.meaning for row in reading.meanings}


def test_the_classes_of_public_sets_of_cells_are_known() -> None:
    barcelona = ("neutrophil", "eosinophil", "basophil", "ig", "lymphocyte", "monocyte")
    reading = read_cell_labels("DATA", (*barcelona, "platelet", "erythroblast"))
    assert meanings(reading) == {
        **dict.fromkeys(barcelona, "negative"),
        "platelet": "no leucocyte",
        "erythroblast": "no leucocyte",
    }
    assert reading.positive == ()
    assert reading.lines()[-1].startswith("no leucocyte: erythroblast")
    boxes = read_cell_labels("DATA", ["WBC", "RBC", "Platelets"])
    assert meanings(boxes) == {"WBC": "negative", "RBC": "ignored", "Platelets": "no leucocyte"}


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("Immature Granulocytes", "negative"),
        ("white blood cells", "negative"),
        ("band_neutrophil", "negative"),
        ("normal lymphocyte", "negative"),
        ("Red Blood Cells", "ignored"),
        ("nucleated red blood cell", "no leucocyte"),
        ("NRBC", "no leucocyte"),
        ("smudge cell", "no leucocyte"),
        ("stain deposit", "no leucocyte"),
        ("artefact", "no leucocyte"),
        ("other", "no leucocyte"),
        ("lymphoblast", "positive"),
        ("malignant lymphocyte", "positive"),
    ],
)
def test_a_label_means_what_it_says(label: str, meaning: str) -> None:
    assert meanings(read_cell_labels("DATA", [label, "blast"]))[label] == meaning


@pytest.mark.parametrize("label", ["atypical lymphocyte", "class_3", "cell", "stem cell"])
def test_an_unclear_label_is_refused_with_the_fix(label: str) -> None:
    with pytest.raises(DataError, match="not clear") as error:
        read_cell_labels("DATA", [label, "neutrophil"])
    assert "--positive" in str(error.value.fix)


def test_named_labels_are_positive_and_kinds_of_cells_keep_their_meaning() -> None:
    reading = read_cell_labels(
        "DATA", ["type 1", "type 2", "platelet", "monocyte"], ["Type 1", "of another set"]
    )
    assert meanings(reading) == {
        "type 1": "positive",
        "type 2": "negative",
        "platelet": "no leucocyte",
        "monocyte": "negative",
    }
    (named,) = read_cell_labels("D", ["WBC"], ["WBC"]).meanings
    assert named.meaning == "positive"
    assert "although" in named.why


def test_the_stages_of_the_kaggle_set_are_blasts() -> None:
    reading = read_cell_labels("DATA", ["Benign", "Early", "Pre", "Pro"])
    assert reading.positive == ("Early", "Pre", "Pro")
