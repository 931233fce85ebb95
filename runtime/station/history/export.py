"""``alledge history export``: the rows of the history as CSV, JSON lines or one HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from ...csv_cells import COMMA_SPREADSHEET, POINT_SPREADSHEET, CsvForm, csv_row
from .agreement import agreement
from .documents import CSV_COLUMNS, csv_values, entry_document
from .entries import Entry
from .queries import EntryQuery, all_entries, picture
from .store import History

ExportStyle = Literal["csv", "jsonl", "html"]
FORMS: dict[str, CsvForm] = {"comma": COMMA_SPREADSHEET, "point": POINT_SPREADSHEET}
TEMPLATE = Path(__file__).resolve().parent / "templates" / "history.html"
MOST_ROWS_OF_PAGE = 2000  # each has a thumbnail


def export_parts(
    history: History, style: ExportStyle, query: EntryQuery, *, decimal: str, names: bool
) -> Iterator[str]:
    """Yield the text of an export, part by part; parts end with a newline.

    Parameters
    ----------
    history : History
    style : {"csv", "jsonl", "html"}
    query : EntryQuery
    decimal : {"comma", "point"}
        Of CSV: the decimal sign, and with it the separator.
    names : bool
        Include the names of the images.

    Raises
    ------
    HistoryError
        If the history cannot be read.
    MissingPackageError
        If the page is asked for, and Jinja2 is not installed.
    """
    with history.snapshot() as connection:
        rows = all_entries(connection, query)
        if style == "html":
            thumbnails = (
                (row, picture(connection, row.number, "thumbnail"))
                for row, _ in zip(rows, range(MOST_ROWS_OF_PAGE), strict=False)
            )
            yield _page(history, thumbnails, names)
        elif style == "csv":
            form = FORMS[decimal]
            yield f"{form.mark}{csv_row(CSV_COLUMNS, form)}\n"
            for row in rows:
                yield f"{csv_row(csv_values(row, names=names), form)}\n"
        else:
            for row in rows:
                yield f"{json.dumps(entry_document(row, names=names), allow_nan=False)}\n"


def write_parts(path: Path, parts: Iterable[str]) -> None:
    """Write the parts of an export to a file that `output_file` has created."""
    with path.open("r+", encoding="utf-8", newline="", errors="backslashreplace") as stream:
        stream.writelines(parts)


def _page(history: History, rows: Iterable[tuple[Entry, bytes | None]], names: bool) -> str:
    from ...pages.environment import image_uri, render_page

    shown = [
        {
            "document": entry_document(row, names=names),
            "person": row.image_verdict,
            "thumbnail": None if jpeg is None else image_uri(jpeg, "jpeg"),
        }
        for row, jpeg in rows
    ]
    return render_page(
        TEMPLATE,
        rows=shown,
        most=MOST_ROWS_OF_PAGE,
        names=names,
        agreement=agreement(history),
        link=shown[-1]["document"]["link"] if shown else None,  # type: ignore[index]
    )
