"""Reads what a person has checked: a table of cells or images, and the images that it names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ..bundle.validation import OTHER
from ..data.cell_kinds import read_cell_labels
from ..data.label_reading import IGNORED, NEGATIVE, NO_LEUCOCYTE, POSITIVE
from ..data.label_spelling import label_key
from ..data.table_rows import read_table_rows

IMAGE, LABEL, X, Y = "image", "label", "x", "y"
GROUPS = ("smear", "group")
SUFFIX_CHARS = 5


@dataclass(frozen=True)
class CheckedRow:
    """What a person says of a cell or an image.

    Parameters
    ----------
    image : Path
    label : str
        As written.
    position : (float, float) or None
        Of a cell, in pixels of the upright original.
    group : str
        Of the smear, or the image's path.
    """

    image: Path
    label: str
    position: tuple[float, float] | None
    group: str


def read_checked(path: Path, images: Path | None = None) -> list[CheckedRow]:
    """Return the rows of a table with the columns ``image,x,y,label`` or ``image,label``.

    A further column ``smear`` or ``group`` says which images belong together.

    Parameters
    ----------
    path : Path
    images : Path, optional
        The folder of the images, at any depth; by default that of the table.

    Raises
    ------
    DataError
        If the file is no such table, a position is no number, or an image is missing or has the
        same name as another one.
    """
    rows = read_table_rows(path, lambda cell: "." in cell[-SUFFIX_CHARS:])
    header = [cell.casefold() for cell in rows[0]]
    if IMAGE not in header or LABEL not in header or (X in header) != (Y in header):
        raise DataError(
            f"the first line of {path} names the columns {', '.join(rows[0])}",
            allowed="image,x,y,label for cells, image,label for images; also smear or group",
            fix="name the columns in the first line",
        )
    folder = images if images is not None else path.parent
    finder = _ImageFinder(folder, path)
    group_name = next((name for name in GROUPS if name in header), None)
    checked = []
    for number, cells in enumerate(rows[1:], 2):
        row = dict(zip(header, cells, strict=True))
        if not row[LABEL] and not row.get(X) and not row.get(Y):
            continue  # an image without a cell
        if not row[IMAGE] or not row[LABEL]:
            raise DataError(f"row {number} of {path} has no {IMAGE if row[LABEL] else LABEL}")
        file = finder.find(row[IMAGE])
        group = (row[group_name] if group_name else "") or str(file)
        checked.append(CheckedRow(file, row[LABEL], _position(row, number, path), group))
    if not checked:
        raise DataError(f"{path} names no checked cell or image")
    return checked


def label_indices(
    written: Sequence[str], labels: Sequence[str], positive: Sequence[str], source: Path
) -> dict[str, int | None]:
    """Return the label of the bundle that each written label means, as an index.

    A label of the bundle means itself. Names of kinds of cells mean the bundle's only label of
    their side; what is no leucocyte is ``other``.

    Parameters
    ----------
    written : sequence of str
    labels, positive : sequence of str
        Of the bundle.
    source : Path
        For the error message.

    Returns
    -------
    dict of str to int or None
        None for what the bundle has no label for, such as erythrocytes.

    Raises
    ------
    DataError
        If it is not clear what a label means.
    """
    own = {label_key(label): number for number, label in enumerate(labels)}
    indices: dict[str, int | None] = {
        name: own[label_key(name)] for name in written if label_key(name) in own
    }
    if not (rest := sorted({*written} - {*indices})):
        return indices
    try:
        meanings = read_cell_labels(source, rest).meanings
    except DataError as error:
        raise DataError(error.what, allowed=labels, fix="write the labels of the bundle") from None
    sides = {
        POSITIVE: [name for name in labels if name in positive],
        NEGATIVE: [name for name in labels if name not in positive and name != OTHER],
        NO_LEUCOCYTE: [name for name in labels if name == OTHER],
        IGNORED: [],
    }
    for row in meanings:
        names = sides[row.meaning]
        if len(names) > 1:
            raise DataError(
                f"{source} has the label {row.label!r}, which may mean {' or '.join(names)}",
                allowed=labels,
                fix="write the labels of the bundle",
            )
        indices[row.label] = labels.index(names[0]) if names else None
    return indices


def _position(row: dict[str, str], number: int, path: Path) -> tuple[float, float] | None:
    texts = [row.get(X, ""), row.get(Y, "")]
    if not any(texts):
        return None
    try:
        x, y = (float(text) for text in texts)
    except ValueError:
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise DataError(
            f"row {number} of {path} has the position {' '.join(texts)!r}",
            allowed="x and y in pixels of the upright image",
        )
    return x, y


class _ImageFinder:
    """Finds the images of a folder by their path inside it, or by their name alone."""

    def __init__(self, folder: Path, source: Path) -> None:
        self._folder, self._source = folder, source
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path:
        name = name.replace("\\", "/")
        direct = self._folder / name
        if direct.is_file():
            return direct
        if self._by_name is None:
            self._by_name = {}
            for path in sorted(self._folder.rglob("*")):
                self._by_name.setdefault(path.name, []).append(path)
        paths = [path for path in self._by_name.get(name.rpartition("/")[2], ()) if path.is_file()]
        if len(paths) == 1:
            return paths[0]
        what = f"{len(paths)} images of this name are" if paths else "no such image is"
        raise DataError(
            f"{self._source} names the image {name}, and {what} in {self._folder}",
            fix="--images FOLDER with the images, or name them by their path inside it",
        )
