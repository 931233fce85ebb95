"""Reads labels of single cells: kinds of leucocytes, and what is none, beside the usual labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...errors import DataError
from .label_reading import (
    IGNORED,
    NAMED,
    NEGATIVE,
    NO_LEUCOCYTE,
    NOT_NAMED,
    POSITIVE,
    UNCLEAR,
    LabelMeaning,
    LabelReading,
    guess_meanings,
    positive_options,
    words_of,
)
from .label_spelling import label_key


def _words(text: str) -> frozenset[str]:
    """Return the words of a text, and their plurals."""
    return frozenset(form for word in text.split() for form in (word, f"{word}s"))


# Each label needs one word of its kind, and no word outside the kind and `NEUTRAL`.
LEUCOCYTES = _words(
    "neutrophil neutrophile eosinophil eosinophile basophil basophile monocyte lymphocyte "
    "granulocyte ig myelocyte metamyelocyte promyelocyte pmn macrophage "
    # the short names of the set of the Hospital Clinic of Barcelona
    "sne bne mmy my pmy ba eo ly mo"
)
OF_NO_NAMED_KIND = _words("wbc leukocyte leucocyte")
NO_LEUCOCYTES = _words(
    "other platelet thrombocyte plt erythroblast normoblast nrbc erb artefact artifact smudge "
    "basket shadow debris deposit"
)
ERYTHROCYTES = _words("rbc erythrocyte")
NEUTRAL = _words(
    "cell nucleus immature mature segmented seg band stab large small giant clump stain "
    "normal healthy"
)


def cell_kind(label: str) -> tuple[str, str]:
    """Return the meaning of the name of a kind of blood cell, and why; "unclear" if it is none.

    Examples
    --------
    >>> cell_kind("immature granulocytes")
    ('negative', 'a kind of leucocyte')
    >>> cell_kind("lymphoblast")[0]
    'unclear'
    """
    text = " ".join(word for word in words_of(label) if not word.isdecimal())
    text = text.replace("nucleated red blood cell", "nrbc").replace("red blood cell", "rbc")
    words = set(text.replace("white blood cell", "wbc").split())
    for kind, meaning, why in (
        (NO_LEUCOCYTES, NO_LEUCOCYTE, "no leucocyte"),
        (ERYTHROCYTES, IGNORED, "no nucleus"),
        (LEUCOCYTES, NEGATIVE, "a kind of leucocyte"),
        (OF_NO_NAMED_KIND, NEGATIVE, "leucocytes, and no disease is named"),
    ):
        if words & kind and words <= kind | NEUTRAL:
            return meaning, why
    return UNCLEAR, "no word of it is known"


def read_cell_labels(
    source: object, labels: Collection[str], positive: Sequence[str] = ()
) -> LabelReading:
    """Return what the labels of cells mean. A source may have labels of one side only.

    Parameters
    ----------
    source : object
        What the labels belong to, for the error message.
    labels : collection of str
    positive : sequence of str
        Labels that mean leukaemia, if the user named them. Those of other data sets are ignored.
        Beside a label that is named, labels that are not clear are negative.

    Returns
    -------
    LabelReading

    Raises
    ------
    DataError
        If it is not clear what a label means.

    Examples
    --------
    >>> read_cell_labels("DATA", ["platelet", "blast", "ig"]).labels
    ('ig', 'blast', 'platelet')
    """
    named = {label_key(name) for name in positive} & {label_key(label) for label in labels}
    meanings = [_meaning(row, named) for row in guess_meanings(sorted(labels))]
    if unclear := [row for row in meanings if row.meaning == UNCLEAR]:
        doubts = "; ".join(f"{row.label!r}: {row.why}" for row in unclear)
        raise DataError(
            f"{source} has cells of the classes {', '.join(sorted(labels))}: it is not clear which "
            f"of them mean leukaemia ({doubts})",
            allowed=sorted(labels),
            fix="name each class that means leukaemia: "
            f"{positive_options(row.label for row in unclear)}; or rename it to a kind of cell, "
            "for example lymphocyte or platelet",
        )
    order = (NEGATIVE, POSITIVE, NO_LEUCOCYTE, IGNORED)
    return LabelReading(tuple(sorted(meanings, key=lambda row: order.index(row.meaning))))


def _meaning(row: LabelMeaning, named: set[str]) -> LabelMeaning:
    """Return the meaning of a label of cells from its meaning as a label of fields."""
    meaning, why = cell_kind(row.label)
    if label_key(row.label) in named:
        known = row if row.meaning != UNCLEAR else LabelMeaning(row.label, meaning, why)
        although = f", although {known.why}" if known.meaning not in (POSITIVE, UNCLEAR) else ""
        return LabelMeaning(row.label, POSITIVE, NAMED + although)
    if meaning in (NO_LEUCOCYTE, IGNORED) or row.meaning == UNCLEAR != meaning:
        return LabelMeaning(row.label, meaning, why)
    if row.meaning == UNCLEAR and named:
        return LabelMeaning(row.label, NEGATIVE, NOT_NAMED)
    return row
