"""The types and names that the layouts of data sets share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .cell_truth import Box
from .folder_scan import FolderScan, named
from .label_reading import LabelMeaning, LabelReading, words_of
from .label_words import STRUCTURE_WORDS

HEALTHY, BLAST = "healthy", "blast"
FIELD, CELL = "field", "cell"  # what the labels are needed of: whole fields, or single cells
TRAIN, VALIDATION, TEST = "train", "validation", "test"
PART_OF_WORD = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "testset"), TEST),
}
CLASS_FOLDERS_FIX = "use a folder per class: DATA/healthy/*.jpg, DATA/blast/*.jpg"


@dataclass(frozen=True)
class ReadOptions:
    """How the user wants a data set to be read: the options of every command that reads one.

    Parameters
    ----------
    layout : str, optional
        A key of `LAYOUTS`. By default the first layout that fits.
    positive : tuple of str
        The labels that mean leukaemia. By default their names decide.
    labels_file : Path, optional
        A CSV file with the label of each image.
    task : {"field", "cell"}
        What the labels are needed of. For cells, names of blood cells are labels too, and a data
        set may lack blasts: another one may have them.
    """

    layout: str | None = None
    positive: tuple[str, ...] = ()
    labels_file: Path | None = None
    task: str = FIELD

    @classmethod
    def from_record(cls, data: Mapping[str, Any]) -> ReadOptions:
        """Return the options that read a data set as the data block of a run describes it."""
        file = data.get("labels_file")
        return cls(
            layout=None if file else data.get("layout"),
            positive=tuple(data.get("positive", ())),
            labels_file=None if file is None else Path(file),
            task=data.get("task", FIELD),
        )


class ImageFile(NamedTuple):
    """An image file of a layout, before its header is read.

    `part` is the part of a split that the data set comes with: train, validation, test or empty.
    `boxes` are those of its cells; None if the layout has none.
    """

    path: Path
    label: str
    group: str
    part: str = ""
    boxes: tuple[Box, ...] | None = None


@dataclass(frozen=True)
class LayoutFiles:
    """The images that a layout found, and what it says about them.

    Parameters
    ----------
    files : list of ImageFile
    reading : LabelReading, optional
        What the labels mean, if the layout says it. By default their names decide.
    subjects : bool
        True if the groups are people.
    notes : list of str
        What the user must know.
    """

    files: list[ImageFile]
    reading: LabelReading | None = None
    subjects: bool = False
    notes: list[str] = field(default_factory=list)


def fixed_reading(layout: str) -> LabelReading:
    """Return the reading of a layout whose file names say what an image shows."""
    return LabelReading(
        (
            LabelMeaning(HEALTHY, "negative", f"by the file names of {layout}"),
            LabelMeaning(BLAST, "positive", f"by the file names of {layout}"),
        )
    )


def split_part(name: str) -> str:
    """Return the part of a split that a folder's name means; empty if it means none.

    Examples
    --------
    >>> split_part("Training set"), split_part("valid"), split_part("healthy")
    ('train', 'validation', '')
    """
    words = [word for word in words_of(name) if not word.isdecimal()]
    parts = {PART_OF_WORD[word] for word in words if word in PART_OF_WORD}
    return parts.pop() if len(parts) == 1 and set(words) <= STRUCTURE_WORDS else ""


def part_of_path(path: Path, root: Path) -> str:
    """Return the part of a split that the folders of an image name; empty if they name none."""
    return next(filter(None, map(split_part, path.relative_to(root).parts[:-1])), "")


def note_unused(scan: FolderScan, used: Sequence[ImageFile], reason: str) -> list[str]:
    """Return a note about the images that a layout does not use."""
    paths = {file.path for file in used}
    unused = [path for path in scan.images if path not in paths]
    if not unused:
        return []
    return [f"{len(unused)} images left out, {reason}: {named(unused, scan.root)}"]
