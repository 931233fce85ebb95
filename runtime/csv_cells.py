"""Writes and reads every CSV file of alledge; standard library only.

A spreadsheet computes a cell that begins with ``=``, ``+``, ``-`` or ``@``, and a name of a file
may. So such a text gets a leading apostrophe, which spreadsheets take for "this is text". Control
characters, marks that change the direction of writing and bytes that are no UTF-8 are written as
``\\u`` and four hexadecimal digits; a backslash before what looks like that is doubled.
`text_of_cell` undoes both. Numbers are written as they are.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

# Full-width signs are computed too, after a spreadsheet has normalised them.
FORMULA = re.compile("'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
QUOTED = re.compile("'+[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# Tabs and newlines stay: a cell with a newline is in quotation marks.
CODE = (
    "00(?:0[0-8b-f]|1[0-9a-f]|7f|[89][0-9a-f])|061c|200[ef]|202[89a-e]|206[6-9]|"
    "d[89a-f][0-9a-f][0-9a-f]"
)
UNSAFE = re.compile(
    "(\\\\*)([\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e"
    f"\\u2066-\\u2069\\ud800-\\udfff])|(\\\\+)(?=u(?:{CODE}))"
)
ESCAPE = re.compile(f"(\\\\+)u({CODE})")


def cell_of(value: object) -> object:
    """Return what a CSV file holds of a value.

    Parameters
    ----------
    value : str, number, bool or None

    Returns
    -------
    str for str, else the value
        A text that a spreadsheet would compute has a leading apostrophe, unless it is a number.

    Examples
    --------
    >>> [cell_of(value) for value in ("=1+1", "-0.5", -0.5, "'quoted'")]
    ["'=1+1", '-0.5', -0.5, "'quoted'"]
    """
    if not isinstance(value, str):
        return value
    if FORMULA.match(value) and not NUMBER.fullmatch(value):
        value = f"'{value}"
    return UNSAFE.sub(_escape, value)


def text_of_cell(cell: str) -> str:
    """Return the text that `cell_of` wrote.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str

    Examples
    --------
    >>> text_of_cell("'=1+1")
    '=1+1'
    """
    text = ESCAPE.sub(_unescape, cell)
    return text[1:] if QUOTED.match(text) else text


@dataclass(frozen=True)
class CsvForm:
    """How the cells of a CSV file are separated, and how its numbers are written.

    Parameters
    ----------
    separator : str
    decimal : str
        The sign before the decimals of a number.
    mark : str
        The first character of the file: the mark by which a spreadsheet recognizes UTF-8.
    """

    separator: str = ","
    decimal: str = "."
    mark: str = ""


PLAIN = CsvForm()
# Excel takes separator and decimal sign from the language of the system. Where the comma is the
# decimal sign, as in German and French, it reads 22.5 as 22 May, and separates by semicolons.
COMMA_SPREADSHEET = CsvForm(";", ",", "\ufeff")
POINT_SPREADSHEET = CsvForm(",", ".", "\ufeff")


def csv_row(values: Iterable[object], form: CsvForm = PLAIN) -> str:
    """Return values as one record of CSV, without the end of the line.

    Parameters
    ----------
    values : iterable of str, number, bool or None
        None is an empty cell.
    form : CsvForm

    Returns
    -------
    str

    Examples
    --------
    >>> csv_row(["a;b", 22.5], COMMA_SPREADSHEET)
    '"a;b";22,5'
    """
    import csv

    text = io.StringIO()
    cells = (_number_in(form, cell_of(value)) for value in values)
    csv.writer(text, delimiter=form.separator).writerow(cells)
    return text.getvalue().removesuffix("\r\n")


def _number_in(form: CsvForm, value: object) -> object:
    is_number = isinstance(value, float) and form.decimal != "."
    return repr(value).replace(".", form.decimal) if is_number else value


def csv_document(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a whole CSV file.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of iterable of str, number, bool or None
        As `csv_row`.

    Returns
    -------
    str
        Lines end with a newline.
    """
    return "".join(f"{csv_row(row)}\n" for row in (header, *rows))


def read_csv(stream: TextIO | Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield each record of a CSV file, by the names of the header.

    Parameters
    ----------
    stream : text file opened with ``newline=""``, or iterable of lines

    Yields
    ------
    dict of str to str
        Texts as they were before `csv_document` wrote them. A file that a person wrote is read
        as it is, unless a cell has an apostrophe before a sign that begins a formula.
    """
    import csv

    for row in csv.DictReader(stream):
        yield _texts(row)


def _texts(row: Mapping[str | Any, str | Any]) -> dict[str, str]:
    return {
        text_of_cell(key): text_of_cell(value) if isinstance(value, str) else value
        for key, value in row.items()
        if isinstance(key, str)
    }


def _escape(match: re.Match[str]) -> str:
    before, char, literal = match.groups()
    if literal is not None:
        return str(literal) * 2
    return f"{before * 2}\\u{ord(char):04x}"


def _unescape(match: re.Match[str]) -> str:
    slashes, digits = match.groups()
    kept = "\\" * (len(slashes) // 2)
    return f"{kept}{chr(int(digits, 16))}" if len(slashes) % 2 else f"{kept}u{digits}"
