"""Reads a CSV file of labels: which image shows what, and of whom."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...errors import DataError
from ..imaging.known_files import PICTURE_SUFFIXES
from .folder_scan import FolderScan, named
from .label_reading import POSITIVE, LabelMeaning, LabelReading, label_meaning, words_of
from .layout_types import ImageFile, LayoutFiles, note_unused, part_of_path

DELIMITERS = (",", ";", "\t", "|")
MAX_BYTES = 64 * 2**20
MOST_LABELS = 50  # a column with more values holds no labels
IMAGE_COLUMNS = ("image", "filename", "file", "path", "img", "picture", "slide", "id", "name")
LABEL_COLUMNS = (
    *("label", "labels", "class", "classes", "category", "diagnosis", "diagnose", "diagnostic"),
    *("target", "type", "truth", "result", "leukemia", "leukaemia", "cancer", "blast"),
    *("malignant", "disease"),
)
GROUP_COLUMNS = ("group", "patient", "subject", "donor", "person", "case")
SUBJECT_COLUMNS = frozenset(GROUP_COLUMNS[1:])
YES, NO = ("1", "true", "yes", "y"), ("0", "false", "no", "n")
FIX = "name the columns image, label and, if there is one, patient in the first line"


@dataclass(frozen=True)
class _Columns:
    """Positions of the columns of a table."""

    image: int
    label: int
    group: int | None


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
    rows = _read_rows(path)
    index = _ImageIndex(scan)
    header, rows = _split_header(rows, index, path)
    columns = _guess_columns(header, rows, index, path)
    files, missing, unlabelled = _match_rows(rows, columns, index, path)
    if not files:
        raise DataError(
            f"{path} labels no image of {scan.root}: "
            f"{', '.join(missing[:3]) or 'no row has a label'}",
            fix="name images by their path inside the data set",
        )
    subjects = columns.group is not None and bool(
        SUBJECT_COLUMNS & set(words_of(header[columns.group]))
    )
    column_names = [f"image {header[columns.image]!r}", f"label {header[columns.label]!r}"]
    if columns.group is not None:
        column_names.append(f"group {header[columns.group]!r}")
    notes = [f"columns of {path.name}: {', '.join(column_names)}"]
    if missing:
        notes.append(
            f"{len(missing)} rows of {path.name} name no image of the data set: "
            f"{', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}"
        )
    if unlabelled:
        notes.append(f"{len(unlabelled)} rows have no label: {named(unlabelled, scan.root)}")
    notes += note_unused(scan, files, f"without a label in {path.name}")
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
                name = "/".join(parts[start:]).casefold()
                self._images[name].append(path)
                self._images[name + path.suffix.lower()].append(path)

    def find(self, name: str) -> list[Path]:
        """Return the images that a name fits, one if the name is the whole path of it."""
        posix = PurePosixPath(name.strip().replace("\\", "/").removeprefix("./"))
        parts = [part for part in posix.parts if part != "/"]
        for start in range(len(parts)):  # a table may hold absolute paths of another machine
            key = "/".join(parts[start:]).casefold()
            if images := self._images.get(key):
                whole = [
                    path
                    for path in images
                    if path.relative_to(self.root).as_posix().casefold() == key
                ]
                return whole or images
            if PurePosixPath(key).suffix in PICTURE_SUFFIXES and start == len(parts) - 1:
                # saved in another format than the table says
                return self._images.get(key.rpartition(".")[0], [])
        return []


def _read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a CSV file without its empty lines and comments."""
    try:
        if not path.is_file():
            raise DataError(f"there is no file {path}", fix="--labels FILE.csv")
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"{path} is larger than {MAX_BYTES >> 20} MiB: it is no table of labels"
            )
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text", fix="save it as CSV in UTF-8") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise DataError(f"{path} is empty", fix=FIX)
    if lines[0].lower().startswith("sep=") and len(lines) > 1:  # a line that Excel understands
        lines = lines[1:]
    delimiter = max(DELIMITERS, key=lines[0].count)
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}", fix=FIX) from None
    width = max(map(len, rows))
    if width < 2:
        raise DataError(f"{path} has one column: {rows[0][0]!r}", fix=FIX)
    return [[cell.strip() for cell in row] + [""] * (width - len(row)) for row in rows]


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
) -> tuple[list[ImageFile], list[str], list[Path]]:
    """Return the labelled images, the names of no image, and the images without a label."""
    files: dict[Path, ImageFile] = {}
    missing: list[str] = []
    unlabelled: list[Path] = []
    for row in rows:
        name, label = row[columns.image], row[columns.label]
        images = index.find(name) if name else []
        if len(images) > 1:
            raise DataError(
                f"{name!r} in {path} fits several images: {named(images, index.root)}",
                fix="name images by their whole path inside the data set",
            )
        if not images:
            missing.append(name)
        elif not label:
            unlabelled.append(images[0])
        else:
            image = images[0]
            group = row[columns.group] if columns.group is not None else ""
            file = ImageFile(
                image,
                label,
                group or image.relative_to(index.root).as_posix(),
                part_of_path(image, index.root),
            )
            other = files.setdefault(image, file)
            if other.label != label:
                raise DataError(
                    f"{path} gives {name!r} two labels, {other.label!r} and {label!r}",
                    fix="keep one row for each image",
                )
    return sorted(files.values()), missing, unlabelled


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
