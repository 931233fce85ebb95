"""Decides from the names of a data set's labels which of them mean leukaemia.

Whole words are compared, negations are applied, and what is not clear is refused.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ...errors import DataError, UsageError, unknown_name
from .label_spelling import label_key
from .label_words import (
    ABNORMAL_WORDS,
    DOUBTFUL_WORDS,
    FILLERS,
    HEALTHY_WORDS,
    ILL_ABBREVIATION,
    ILL_WORDS,
    KINDS_OF_LEUKAEMIA,
    NEGATING_PREFIXES,
    NEGATIONS_AFTER,
    NEGATIONS_BEFORE,
    NEGATIVE_WORDS,
    NEUTRAL_WORDS,
    POSITIVE_WORDS,
    STAGE_COMPANIONS,
    STAGE_WORDS,
)

POSITIVE, NEGATIVE, UNCLEAR = "positive", "negative", "unclear"
# Of cells: what is no leucocyte, and what is no nucleated cell.
NO_LEUCOCYTE, IGNORED = "no leucocyte", "ignored"
NAMED = "named with --positive"
NOT_NAMED = "not named with --positive"

# The result of a test: "ALL-", "blast+", "Ph+ ALL". A hyphen between two words is none.
_RESULT_SIGN = re.compile(r"(?<=[^\W\d_])(?:\++|[-\u2212\u2013](?=[\s_)\].,]|$))")


@dataclass(frozen=True)
class LabelMeaning:
    """What one label means.

    Parameters
    ----------
    label : str
    meaning : {"positive", "negative", "unclear", "no leucocyte", "ignored"}
        Positive means leukaemia. The last two occur among labels of cells only.
    why : str
    """

    label: str
    meaning: str
    why: str


@dataclass(frozen=True)
class LabelReading:
    """What the labels of a data set mean, negative labels first.

    Parameters
    ----------
    meanings : tuple of LabelMeaning
    """

    meanings: tuple[LabelMeaning, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, negative ones first."""
        return tuple(row.label for row in self.meanings)

    @property
    def positive(self) -> tuple[str, ...]:
        """The labels that mean leukaemia."""
        return tuple(row.label for row in self.meanings if row.meaning == POSITIVE)

    def lines(self) -> list[str]:
        """Return the reading as text: which labels are positive, which negative, and why."""
        used = {row.meaning for row in self.meanings} & {NO_LEUCOCYTE, IGNORED}
        return [
            f"{meaning}: "
            + ", ".join(
                f"{row.label} ({row.why})" for row in self.meanings if row.meaning == meaning
            )
            for meaning in (POSITIVE, NEGATIVE, *sorted(used, reverse=True))
        ]


def words_of(label: str) -> list[str]:
    """Return the words of a label: lower case, without accents, separated at capitals too.

    Examples
    --------
    >>> words_of("NotCancer_B-Zellen")
    ['not', 'cancer', 'b', 'zellen']
    >>> words_of("Ph- ALL")
    ['ph', 'negative', 'all']
    """
    label = _RESULT_SIGN.sub(
        lambda match: " positive " if match[0].startswith("+") else " negative ", label
    )
    plain = unicodedata.normalize("NFKD", label.replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", plain)  # MRDnegative stays one word
    return re.findall(r"[^\W\d_]+|\d+", plain.casefold())


def label_meaning(label: str) -> LabelMeaning:
    """Return what a label means by its own words."""
    return LabelMeaning(label, *_meaning(label))


def read_labels(
    source: object,
    labels: Collection[str],
    positive: Sequence[str] = (),
    *,
    of_boxes: bool = False,
) -> LabelReading:
    """Return what the labels of a data set mean.

    Parameters
    ----------
    source : object
        The data set, for the error message.
    labels : collection of str
        Two or more.
    positive : sequence of str
        The labels that mean leukaemia, if the user named them; all others are negative.
    of_boxes : bool
        The labels are those of boxes in a field, so all of them may mean leukaemia.

    Returns
    -------
    LabelReading

    Raises
    ------
    UsageError
        If the user named an unknown label, or all labels.
    DataError
        If it is not clear what a label means, or all labels mean the same.

    Examples
    --------
    >>> read_labels("DATA", ["cancer", "not_cancer"]).positive
    ('cancer',)
    """
    if positive:
        meanings = _named_meanings(source, sorted(labels), positive, of_boxes)
    else:
        meanings = guess_meanings(sorted(labels))
        _refuse_unclear(source, meanings, of_boxes)
    meanings.sort(key=lambda row: row.meaning == POSITIVE)
    return LabelReading(tuple(meanings))


def _named_meanings(
    source: object, labels: Sequence[str], positive: Sequence[str], of_boxes: bool
) -> list[LabelMeaning]:
    keys, wanted = set(map(label_key, labels)), set(map(label_key, positive))
    for name in positive:
        if label_key(name) not in keys:
            raise unknown_name("label", name, labels)
    if wanted == keys and not of_boxes:
        raise UsageError(
            f"--positive names all labels of {source}: {', '.join(labels)}",
            fix="name only those that mean leukaemia",
        )
    guessed = {row.label: row for row in guess_meanings(labels)}
    meanings = []
    for label in labels:
        is_named = label_key(label) in wanted
        meaning = POSITIVE if is_named else NEGATIVE
        why = NAMED if is_named else NOT_NAMED
        if guessed[label].meaning not in (meaning, UNCLEAR):
            why += f", although {guessed[label].why}"
        meanings.append(LabelMeaning(label, meaning, why))
    return meanings


def guess_meanings(labels: Sequence[str]) -> list[LabelMeaning]:
    """Return what each label means by its own words, and by the other labels where they say it."""
    meanings = [label_meaning(label) for label in labels]
    if any("benign" in words_of(row.label) and row.meaning == NEGATIVE for row in meanings):
        meanings = [_stage(row) for row in meanings]
    others = [row for row in meanings if row.meaning == POSITIVE and row.label != ILL_ABBREVIATION]
    return [
        LabelMeaning(row.label, UNCLEAR, "'all' may be the disease or the word, beside 'blast'")
        if row.label == ILL_ABBREVIATION and any("blast" in words_of(o.label) for o in others)
        else row
        for row in meanings
    ]


def _stage(row: LabelMeaning) -> LabelMeaning:
    """Return the meaning of a stage of the Kaggle data set of ALL, beside its class Benign."""
    words = [word for word in words_of(row.label) if word not in NEUTRAL_WORDS]
    stages = [word for word in words if word in STAGE_WORDS]
    if row.meaning == UNCLEAR and stages and set(words) <= STAGE_WORDS | STAGE_COMPANIONS:
        return LabelMeaning(row.label, POSITIVE, f"a stage of ALL ('{stages[0]}') beside 'Benign'")
    return row


def _refuse_unclear(source: object, meanings: Sequence[LabelMeaning], of_boxes: bool) -> None:
    labels = [row.label for row in meanings]
    certain = [row.label for row in meanings if row.meaning == POSITIVE]
    if unclear := [row for row in meanings if row.meaning == UNCLEAR]:
        doubts = "; ".join(f"{row.label!r}: {row.why}" for row in unclear)
        raise DataError(
            f"{source} has the classes {', '.join(labels)}: it is not clear which of them mean "
            f"leukaemia ({doubts})",
            allowed=labels,
            fix=f"name each class that means leukaemia: {positive_options(certain)}; add "
            f"{positive_options(row.label for row in unclear)} if they do. The classes that are "
            "not named count as healthy",
        )
    if not certain or (len(certain) == len(labels) and not of_boxes):
        raise DataError(
            f"{source} has the classes {', '.join(labels)}: {'none' if certain else 'all'} of them "
            "mean healthy",
            fix="--positive LABEL, once for each class that means leukaemia; or name the folder of "
            "the healthy class 'healthy'",
        )


def positive_options(labels: Iterable[str]) -> str:
    """Return what to type to name these labels with ``--positive``."""
    return " ".join(f"--positive {shlex.quote(label)}" for label in labels) or "--positive LABEL"


def _meaning(label: str) -> tuple[str, str]:
    """Return the meaning of a label by its own words, and why."""
    words = words_of(label)
    if not words or all(word.isdecimal() or word in NEUTRAL_WORDS for word in words):
        return UNCLEAR, "it says nothing about the disease"
    signs: list[tuple[str, str]] = []
    rest: list[str] = []
    polarity: list[str] = []
    used: set[int] = set()
    for index, word in enumerate(words):
        if word in POSITIVE_WORDS | NEGATIVE_WORDS:
            polarity.append(word)
        elif side := _side(word, words):
            negation = _negation(words, index)
            used |= {index, *negation}
            if len(negation) > 1:
                return UNCLEAR, "it negates twice"
            if negation and word in KINDS_OF_LEUKAEMIA:
                return UNCLEAR, f"who has not {word.upper()} may have another leukaemia"
            opposite = NEGATIVE if side == POSITIVE else POSITIVE
            text = " ".join(words[i] for i in sorted({index, *negation}))
            signs.append((opposite if negation else side, text))
        else:
            rest.append(word)
    free = [
        word
        for index, word in enumerate(words)
        if word in NEGATIONS_BEFORE | NEGATIONS_AFTER and index not in used
    ]
    rest = [
        word
        for word in rest
        if word not in NEUTRAL_WORDS | FILLERS | NEGATIONS_BEFORE | NEGATIONS_AFTER
    ]
    if free:
        return UNCLEAR, f"what {free[0]!r} negates is not known"
    if polarity:
        return _polar_meaning(polarity, signs, rest, words)
    return _plain_meaning(signs, rest)


def _plain_meaning(signs: list[tuple[str, str]], rest: list[str]) -> tuple[str, str]:
    sides = {side for side, _ in signs}
    if not signs:
        return UNCLEAR, "no word of it is known to mean healthy or ill"
    if len(sides) == 2:
        healthy, ill = (next(t for s, t in signs if s == side) for side in (NEGATIVE, POSITIVE))
        return UNCLEAR, f"'{healthy}' means healthy and '{ill}' means ill"
    if doubts := [word for word in rest if word in DOUBTFUL_WORDS]:
        return UNCLEAR, f"'{doubts[0]}' leaves it open"
    (side,) = sides
    text = signs[0][1]
    if "pre" in rest and "malignant" not in text and set(rest) != {"pre", "b"}:
        return UNCLEAR, f"'pre' may mean before '{text}'"
    letters = [word for word in rest if len(word) > 1 and not word.isdecimal()]
    if side == NEGATIVE and letters:
        return UNCLEAR, f"what {letters[0]!r} means beside '{text}' is not known"
    return side, f"'{text}'"


def _polar_meaning(
    polarity: list[str], signs: list[tuple[str, str]], rest: list[str], words: list[str]
) -> tuple[str, str]:
    """Return the meaning of a label with 'positive' or 'negative' in it."""
    word = polarity[0]
    side = NEGATIVE if word in NEGATIVE_WORDS else POSITIVE
    if len(polarity) > 1:
        return UNCLEAR, "it names two results"
    negations = _negation(words, words.index(word))
    if negations:
        return UNCLEAR, f"'{words[negations[0]]} {word}' may be no result at all"
    if not signs and not [one for one in rest if not one.isdecimal()]:
        return side, f"'{word}'"
    sides = {one for one, _ in signs}
    if sides == {POSITIVE} and side == POSITIVE and not DOUBTFUL_WORDS & set(rest):
        return side, f"'{signs[0][1]}' and '{word}'"
    if not rest and sides == {POSITIVE} and ILL_ABBREVIATION not in words:
        return side, f"'{signs[0][1]} {word}'"
    if not rest and sides == {side}:
        return side, f"'{signs[0][1]}' and '{word}'"
    subject = next((one for one in rest), signs[0][1] if signs else word)
    return UNCLEAR, f"'{word}' may be the result of a test of '{subject}'"


def _side(word: str, words: Sequence[str]) -> str | None:
    """Return which side a word alone is on; None if it says nothing."""
    if word in HEALTHY_WORDS:
        return NEGATIVE
    if word in ILL_WORDS or word in ABNORMAL_WORDS:
        return POSITIVE
    if word == ILL_ABBREVIATION and not _is_english_all(words):
        return POSITIVE
    for prefix in NEGATING_PREFIXES:
        root = word.removeprefix(prefix)
        if root != word and (root in HEALTHY_WORDS or root in ILL_WORDS):
            return POSITIVE if root in HEALTHY_WORDS else NEGATIVE
    return None


def _is_english_all(words: Sequence[str]) -> bool:
    """Return whether 'all' is followed by what it counts, as in "all images"."""
    index = words.index(ILL_ABBREVIATION)
    following = words[index + 1 : index + 2]
    return bool(following) and following[0] in {"images", "data", "pictures", "classes", "samples"}


def _negation(words: Sequence[str], index: int) -> list[int]:
    """Return the positions of the negations of the word at a position."""
    before = index - 1
    while before >= 0 and words[before] in FILLERS:
        before -= 1
    found = []
    while before >= 0 and words[before] in NEGATIONS_BEFORE:
        found.append(before)
        before -= 1
    if index + 1 < len(words) and words[index + 1] in NEGATIONS_AFTER:
        found.append(index + 1)
    return found
