"""Reads the CSV files of a run strictly: every row has every column, every number is in range."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from ...errors import RunError
from ...runtime.csv_cells import text_of_cell
from ...runtime.regular_files import read_regular_file

LIMIT_BYTES = 1 << 28
ALLOWED = "the file as `alledge train` wrote it"


class TableRow(dict[str, str]):
    """One row of a table, by column.

    Parameters
    ----------
    cells : dict of str to str
    line : int
        Its line in the file, from 1.
    """

    def __init__(self, cells: dict[str, str], line: int) -> None:
        super().__init__(cells)
        self.line = line

    def number(self, column: str, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number; raise ValueError unless it is finite and from `low` to `high`."""
        text = self[column]
        try:  # Python alone reads 1_0 as 10, and the digits of other scripts
            value = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"line {self.line}: {column} is {text!r:.40}")
        return value

    def index(self, column: str, low: int = 0, high: int = 2**31) -> int:
        """Return a whole number; raise ValueError unless it is from `low` to `high`."""
        text = self[column]
        is_number = text.isascii() and text.isdecimal() and len(text) <= 10
        if not is_number or not low <= int(text) <= high:
            raise ValueError(f"line {self.line}: {column} is {text!r:.40}")
        return int(text)


def read_table(path: Path, columns: Sequence[str], fix: str) -> list[TableRow]:
    """Return the rows of a CSV file.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Columns that the file must have. It may have more.
    fix : str
        Of the error.

    Raises
    ------
    RunError
        If the file cannot be read, lacks a column, has no row, or a row has too few or too many
        cells.
    """
    content = read_regular_file(path, limit_bytes=LIMIT_BYTES, error=RunError, fix=fix)
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        names = [text_of_cell(name) for name in reader.fieldnames or ()]
        if missing := [name for name in columns if name not in names]:
            raise ValueError(f"it has no column {', '.join(missing)}")
        if len(set(names)) < len(names):
            raise ValueError("two columns have the same name")
        rows = [_row(cells, names, reader.line_num) for cells in reader]
    except (csv.Error, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}", allowed=ALLOWED, fix=fix) from None
    if not rows:
        raise RunError(f"{path} is damaged: it has no rows", allowed=ALLOWED, fix=fix)
    return rows


def _row(cells: dict[str, str], names: Sequence[str], line: int) -> TableRow:
    """Return a row as `csv_document` was given it; raise ValueError if it has not all cells."""
    values = list(cells.values())
    if len(values) != len(names) or None in values:
        raise ValueError(f"line {line} has not {len(names)} cells")
    return TableRow(dict(zip(names, map(text_of_cell, values), strict=True)), line)
