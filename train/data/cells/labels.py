"""Unites the labels of cells of several data sets: healthy, blasts, and what is no leucocyte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import DataError, unknown_name
from ....runtime.cells.field_rule import OTHER
from ....runtime.data.datasets import Dataset
from ....runtime.data.label_reading import (
    IGNORED,
    NEGATIVE,
    NO_LEUCOCYTE,
    POSITIVE,
    LabelMeaning,
    LabelReading,
)
from ....runtime.data.label_spelling import label_key
from ....runtime.data.layout_types import BLAST, HEALTHY


@dataclass(frozen=True)
class CellLabels:
    """The labels of a cell model, and what each label of the data sets becomes.

    Parameters
    ----------
    labels : tuple of str
        In the order of the model's outputs: the negative label, `OTHER` if there is one, then the
        positive labels.
    positive : tuple of str
    reading : LabelReading
        Of all data sets.
    model_label : dict of str to (str or None)
        Label of a data set, as `label_key` returns it -> label of the model; None for what is
        ignored.
    """

    labels: tuple[str, ...]
    positive: tuple[str, ...]
    reading: LabelReading
    model_label: dict[str, str | None]

    @property
    def negative(self) -> str:
        """The label of healthy leucocytes."""
        return self.labels[0]

    @property
    def no_leucocyte(self) -> str:
        """The label of a detection that is no leucocyte: `OTHER`, the negative one without it."""
        return OTHER if OTHER in self.labels else self.negative

    def of(self, label: str) -> str | None:
        """Return the label of the model for a label of a data set; None if it is ignored."""
        return self.model_label[label_key(label)]


def unite_labels(
    datasets: Sequence[Dataset],
    readings: Sequence[LabelReading] = (),
    *,
    both_sides: bool = True,
) -> CellLabels:
    """Return the labels of a model of cells that is trained on several data sets.

    All healthy leucocytes get one label. The positive labels are kept if all data sets that have
    positive labels have the same ones; otherwise they are one label, ``blast``.

    Parameters
    ----------
    datasets : sequence of Dataset
    readings : sequence of LabelReading
        Further ones, of tables of cells.
    both_sides : bool
        Refuse data sets without a positive or a negative label.

    Returns
    -------
    CellLabels

    Raises
    ------
    DataError
        If a label means different things in two data sets, or one of the two sides is missing.
    """
    rows = _meanings([*(dataset.reading for dataset in datasets), *readings])
    reading = LabelReading(tuple(rows.values()))
    sets = [set(dataset.reading.positive) for dataset in datasets if dataset.reading.positive]
    positive = reading.positive
    if any(own != set(positive) for own in sets):
        positive = (BLAST,)
    negative = [row.label for row in rows.values() if row.meaning == NEGATIVE]
    names = " and ".join(dataset.root.name for dataset in datasets)
    for side, missing in (("leukaemia", not positive), ("healthy leucocytes", not negative)):
        if missing and both_sides:
            raise DataError(
                f"no cell of {names} has a label that means {side}",
                allowed=f"labels of both sides; they have {', '.join(map(repr, reading.labels))}",
                fix="add a data set that has them, with a further --data",
            )
    healthy = negative[0] if len(negative) == 1 else HEALTHY
    model_label: dict[str, str | None] = {}
    for key, row in rows.items():
        if row.meaning == POSITIVE:
            model_label[key] = row.label if row.label in positive else positive[0]
        else:
            model_label[key] = {NEGATIVE: healthy, NO_LEUCOCYTE: OTHER, IGNORED: None}[row.meaning]
    other = (OTHER,) if OTHER in model_label.values() else ()
    return CellLabels((healthy, *other, *positive), tuple(positive), reading, model_label)


def check_positive_names(datasets: Sequence[Dataset], names: Sequence[str]) -> None:
    """Refuse a label that the user named and no data set has.

    Raises
    ------
    UsageError
    """
    labels = sorted({row.label for dataset in datasets for row in dataset.reading.meanings})
    for name in names:
        if label_key(name) not in map(label_key, labels):
            raise unknown_name("label", name, labels)


def _meanings(readings: Sequence[LabelReading]) -> dict[str, LabelMeaning]:
    """Return the meaning of each label of all data sets; refuse two meanings of one label."""
    rows: dict[str, LabelMeaning] = {}
    for reading in readings:
        for row in reading.meanings:
            first = rows.setdefault(label_key(row.label), row)
            if first.meaning != row.meaning:
                raise DataError(
                    f"the label {row.label!r} is {first.meaning} in one data set ({first.why}) and "
                    f"{row.meaning} in another ({row.why})",
                    fix="rename it in one of them, or name it with --positive if it means "
                    "leukaemia",
                )
    return rows
