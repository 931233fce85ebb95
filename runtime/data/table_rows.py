"""Reads the rows of a CSV file of any delimiter."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import DataError
from ..csv_cells import text_of_cell
from ..regular_files import read_regular_file

DELIMITERS = (",", ";", "\t", "|")
MAX_BYTES = 64 * 2**20
ROWS_TRIED = 1000  # to find out the delimiter
FIX = "name the columns image, label and, if there is one, patient in the first line"


def read_table_rows(path: Path, is_image: Callable[[str], bool]) -> list[list[str]]:
    """Return the rows of a CSV file without its empty lines and comments.

    Parameters
    ----------
    path : Path
    is_image : callable
        Whether a cell names an image. It decides the delimiter, and that ``#1.png`` is no comment.

    Returns
    -------
    list of list of str
        Two columns or more, all rows of the same length, cells without surrounding blanks.

    Raises
    ------
    DataError
        If the file cannot be read, or is no table.
    """
    lines = _read_text(path).splitlines(keepends=True)
    while lines and (not lines[0].strip() or _is_comment(re.split(r"[,;\t|]", lines[0]), is_image)):
        del lines[0]
    if len(lines) > 1 and lines[0].lower().startswith("sep="):  # a line that Excel understands
        del lines[0]
    if not lines:
        raise DataError(f"{path} is empty", fix=FIX)
    delimiters = [mark for mark in DELIMITERS if mark in lines[0]] or [","]
    tables = [_parse("".join(lines), mark, path, is_image) for mark in delimiters]
    # a header with semicolons may contain commas: the delimiter that shows images is right
    rows = max(tables, key=lambda rows: sum(any(map(is_image, row)) for row in rows[:ROWS_TRIED]))
    width = max(map(len, rows))
    if width < 2:
        raise DataError(f"{path} has one column: {rows[0][0][:60]!r}", fix=FIX)
    return [row + [""] * (width - len(row)) for row in rows]


def _read_text(path: Path) -> str:
    content = read_regular_file(
        path, limit_bytes=MAX_BYTES, error=DataError, fix="--labels FILE.csv"
    )
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(f"{path} is not UTF-8 text", fix="save it as CSV in UTF-8")
    return text


def _parse(
    text: str, delimiter: str, path: Path, is_image: Callable[[str], bool]
) -> list[list[str]]:
    """Return the rows of a CSV text with their cells as they are meant."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        rows = [[text_of_cell(cell).strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise DataError(
            f"{path} is no CSV file: line {reader.line_num}: {error}", fix=FIX
        ) from None
    return [row for row in rows if any(row) and not _is_comment(row, is_image)]


def _is_comment(row: Sequence[str], is_image: Callable[[str], bool]) -> bool:
    """Return whether a row is a comment, and not that of an image ``#1.png``."""
    return row[0].startswith("#") and not is_image(row[0])
