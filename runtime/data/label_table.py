"""Reads a CSV file of labels: which image shows what, and of whom."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...errors import DataError
from ..imaging.known_files import PICTURE_SUFFIXES
from .folder_scan import NAMED_AT_MOST, FolderScan, named
from .label_reading import (
    POSITIVE,
    LabelMeaning,
    LabelReading,
    label_meaning,
    words_of,
)
from .label_spelling import one_spelling
from .layout_types import ImageFile, LayoutFiles, note_unused, part_of_path
from .table_rows import FIX, read_table_rows

MOST_LABELS = 50  # a column with more values holds no labels
IMAGE_COLUMNS = ("image", "filename", "file", "path", "img", "picture", "slide", "id", "name")
LABEL_COLUMNS = (
    *("label", "labels", "class", "classes", "category", "diagnosis", "diagnose", "diagnostic"),
    *("target", "type", "truth", "result", "leukemia", "leukaemia", "cancer", "blast"),
    *("malignant", "disease"),
)
GROUP_COLUMNS = ("group", "patient", "subject", "donor", "person", "case")
SUBJECT_COLUMNS = frozenset(GROUP_COLUMNS[1:])
YES, NO = ("1", "1.0", "true", "yes", "y"), ("0", "0.0", "false", "no", "n")


@dataclass(frozen=True)
class _Columns:
    """Positions of the columns of a table."""

    image: int
    label: int
    group: int | None


@dataclass
class _Matches:
    """The labelled images, and the rows that label none.

    `elsewhere` has the names that give another folder than that of their image, `folder_of` the
    folder that the rows give for an image.
    """

    files: dict[Path, ImageFile] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unlabelled: list[Path] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    folder_of: dict[Path, str] = field(default_factory=dict)

    def notes(self, path: Path, root: Path) -> list[str]:
        """Return a line for each kind of row that labels no image, or one of another folder."""
        notes = [
            f"{len(names)} rows of {path.name} {what}: {_first_names(names)}"
            for names, what in (
                (self.missing, "name no image of the data set"),
                (self.elsewhere, "name another folder than that of the image"),
            )
            if names
        ]
        if self.unlabelled:
            notes.append(
                f"{len(self.unlabelled)} rows have no label: {named(self.unlabelled, root)}"
            )
        return notes


def find_table(scan: FolderScan, path: Path) -> LayoutFiles:
    """Return the images that a CSV file labels.

    The delimiter is a comma, a semicolon, a tab or a bar. An image is named by its path below the
    root, by an end of it, with or without its suffix.

    Parameters
    ----------
    scan : FolderScan
    path : Path

    Raises
    ------
    DataError
        If the file cannot be read, its columns are not clear, a name fits several images, an image
        has two labels, or no image is named.
    """
    index = _ImageIndex(scan)
    rows = read_table_rows(path, lambda cell: bool(index.find(cell)))
    header, rows = _split_header(rows, index, path)
    columns = _guess_columns(header, rows, index, path)
    spelling, spelling_notes = one_spelling(row[columns.label] for row in rows)
    for row in rows:
        row[columns.label] = spelling[row[columns.label]]
    matches = _match_rows(rows, columns, index, path)
    files = sorted(matches.files.values())
    if not files:
        raise DataError(
            f"{path} labels no image of {scan.root}: "
            f"{_first_names(matches.missing) or 'no row has a label'}",
            fix="name images by their path inside the data set",
        )
    subjects = columns.group is not None and bool(
        SUBJECT_COLUMNS & set(words_of(header[columns.group]))
    )
    column_names = [f"image {header[columns.image]!r}", f"label {header[columns.label]!r}"]
    if columns.group is not None:
        column_names.append(f"group {header[columns.group]!r}")
    notes = [
        f"columns of {path.name}: {', '.join(column_names)}",
        *spelling_notes,
        *matches.notes(path, scan.root),
        *note_unused(scan, files, f"without a label in {path.name}"),
    ]
    reading = _yes_no_reading(header[columns.label], {file.label for file in files})
    return LayoutFiles(files, reading, subjects, notes)


def tables_of(scan: FolderScan) -> list[Path]:
    """Return the files of a data set that may be tables of labels."""
    return [path for path in scan.others if path.suffix.lower() in (".csv", ".tsv")]


class _ImageIndex:
    """The images of a data set by every name that a table may use for them."""

    def __init__(self, scan: FolderScan) -> None:
        self.root = scan.root
        self._images: dict[str, list[Path]] = defaultdict(list)
        for path in scan.images:
            parts = path.relative_to(scan.root).with_suffix("").parts
            for start in range(len(parts)):
                name = _name_key("/".join(parts[start:]))
                self._images[name].append(path)
                self._images[name + path.suffix.lower()].append(path)

    def find(self, name: str) -> list[Path]:
        """Return the images that a name fits, one if the name is the whole path of it."""
        posix = PurePosixPath(name.strip().replace("\\", "/").removeprefix("./"))
        parts = [part for part in posix.parts if part != "/"]
        for start in range(len(parts)):  # a table may hold absolute paths of another machine
            key = _name_key("/".join(parts[start:]))
            if images := self._images.get(key):
                whole = [
                    path
                    for path in images
                    if _name_key(path.relative_to(self.root).as_posix()) == key
                ]
                return whole or images
            if PurePosixPath(key).suffix in PICTURE_SUFFIXES and start == len(parts) - 1:
                # saved in another format than the table says
                return self._images.get(key.rpartition(".")[0], [])
        return []


def _first_names(names: Sequence[str]) -> str:
    return f"{', '.join(names[:NAMED_AT_MOST])}{' …' if len(names) > NAMED_AT_MOST else ''}"


def _name_key(name: str) -> str:
    """Return a path in one Unicode form and without case: file systems change both."""
    return unicodedata.normalize("NFC", name).casefold()


def _folder_in(name: str) -> str:
    """Return the last folder that the name of an image gives; empty if it gives none."""
    return _name_key(PurePosixPath(name.strip().replace("\\", "/")).parent.name)


def _split_header(
    rows: list[list[str]], index: _ImageIndex, path: Path
) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, and the other rows."""
    if any(index.find(cell) for cell in rows[0] if cell):
        return [f"column {number + 1}" for number in range(len(rows[0]))], rows
    if len(rows) < 2:
        raise DataError(f"{path} has no row below its first line", fix=FIX)
    return rows[0], rows[1:]


def _guess_columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], index: _ImageIndex, path: Path
) -> _Columns:
    """Return which column is which: the images by their content, the others by their names."""
    matches = [sum(bool(index.find(row[i])) for row in rows if row[i]) for i in range(len(header))]
    best = max(matches)
    if not best:
        raise DataError(
            f"no column of {path} names images of {index.root}: {', '.join(header)}",
            fix="name images by their path inside the data set",
        )
    images = [i for i, count in enumerate(matches) if count == best]
    image = min(images, key=lambda i: (_rank(header[i], IMAGE_COLUMNS), i))
    groups = [i for i in _named_columns(header, GROUP_COLUMNS) if i != image]
    group = groups[0] if groups else None
    labels = [i for i in _named_columns(header, LABEL_COLUMNS) if i not in (image, group)]
    if not labels:
        labels = [
            i
            for i in range(len(header))
            if i not in (image, group)
            and i not in images
            and 1 < len({row[i] for row in rows if row[i]}) <= MOST_LABELS
        ]
    exact = [i for i in labels if header[i].casefold() in ("label", "class", "diagnosis")]
    labels = exact if len(exact) == 1 else labels
    if len(labels) != 1:
        columns = ", ".join(header[i] for i in labels) or "none"
        raise DataError(
            f"it is not clear which column of {path} holds the labels: {columns} may",
            allowed=f"one column called label, beside {', '.join(header)}",
            fix="rename the column of the labels to 'label', and remove the others",
        )
    return _Columns(image, labels[0], group)


def _named_columns(header: Sequence[str], names: Sequence[str]) -> list[int]:
    """Return the columns whose name has one of these words, the best name first."""
    fitting = [i for i, name in enumerate(header) if _rank(name, names) < len(names)]
    return sorted(fitting, key=lambda i: _rank(header[i], names))


def _rank(name: str, names: Sequence[str]) -> int:
    ranks = [names.index(word) for word in words_of(name) if word in names]
    return min(ranks, default=len(names))


def _match_rows(
    rows: Sequence[Sequence[str]], columns: _Columns, index: _ImageIndex, path: Path
) -> _Matches:
    """Return what the rows say about the images."""
    matches = _Matches()
    for row in rows:
        name, label = row[columns.image], row[columns.label]
        images = index.find(name) if name else []
        if len(images) > 1:
            raise DataError(
                f"{name!r} in {path} fits several images: {named(images, index.root)}",
                fix="name images by their whole path inside the data set",
            )
        if not images:
            matches.missing.append(name)
        elif not label:
            matches.unlabelled.append(images[0])
        else:
            (image,) = images
            whole_path = image.relative_to(index.root).as_posix()
            group = row[columns.group] if columns.group is not None else ""
            file = ImageFile(image, label, group or whole_path, part_of_path(image, index.root))
            _refuse_contradiction(matches.files.setdefault(image, file), file, name, path)
            _check_folder(matches, image, name, index.root, path)
    return matches


def _refuse_contradiction(first: ImageFile, file: ImageFile, name: str, path: Path) -> None:
    """Refuse two rows of one image with different labels or groups."""
    for what, one, other in (
        ("labels", first.label, file.label),
        ("groups", first.group, file.group),
    ):
        if one != other:
            raise DataError(
                f"{path} gives {name!r} two {what}, {one!r} and {other!r}",
                fix="keep one row for each image",
            )


def _check_folder(matches: _Matches, image: Path, name: str, root: Path, path: Path) -> None:
    """Keep the name of an image if it gives another folder; refuse two folders for one image."""
    folder = _folder_in(name)
    if not folder:
        return
    if matches.folder_of.setdefault(image, folder) != folder:
        raise DataError(
            f"{path} has rows of several folders that fit the one image "
            f"{image.relative_to(root).as_posix()}: the last is {name!r}",
            fix="name images by their path inside the data set",
        )
    if image.parent != root and folder != _name_key(image.parent.name):
        matches.elsewhere.append(name)


def _yes_no_reading(column: str, labels: set[str]) -> LabelReading | None:
    """Return the reading of 0 and 1, if the name of the column says of what."""
    meaning = label_meaning(column)
    if meaning.meaning != POSITIVE:
        return None
    for no, yes in zip(NO, YES, strict=True):
        if {label.casefold() for label in labels} == {no, yes}:
            negative, positive = sorted(labels, key=lambda label: label.casefold() == yes)
            why = f"the column is called {column!r}"
            return LabelReading(
                (
                    LabelMeaning(negative, "negative", why),
                    LabelMeaning(positive, POSITIVE, why),
                )
            )
    return None
