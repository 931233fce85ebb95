"""Reads the history: rows with their names and verdicts, counts, pictures."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from .entries import Entry, FileName, PersonVerdict

READ = (
    "SELECT e.number, e.kind, e.time, e.content, e.bundle, e.site, e.status, e.label, "
    "e.probability, e.body, e.link, e.refers_to, n.name, n.folder "
    "FROM entries e LEFT JOIN names n ON n.number = e.number "
)
ENTRY_COLUMNS = (
    "number", "kind", "time", "content", "bundle", "site", "status", "label", "probability",
)  # fmt: skip
SHOWN = ("result", "unread")  # the kinds of rows that are listed
CHUNK = 500  # rows of an export at once


@dataclass(frozen=True)
class EntryQuery:
    """Which rows to read.

    Parameters
    ----------
    since, until : str or None
        Times as the history has them; from `since` on, before `until`.
    before, after : int or None
        Numbers; rows before or after this one.
    status, label : str or None
    search : str or None
        Part of the name.
    unread : bool
        Include files that could not be read, beside results.
    foreign : bool
        Include files that are no pictures.
    newest_first : bool
    limit : int or None
    """

    since: str | None = None
    until: str | None = None
    before: int | None = None
    after: int | None = None
    status: str | None = None
    label: str | None = None
    search: str | None = None
    unread: bool = True
    foreign: bool = True
    newest_first: bool = True
    limit: int | None = 100

    def sql(self) -> tuple[str, list[Any]]:
        """Return the conditions, order and limit, and their values."""
        kinds = SHOWN if self.unread else SHOWN[:1]
        parts = [f"e.kind IN ({', '.join('?' * len(kinds))})"]
        values: list[Any] = [*kinds]
        for condition, value in (
            ("e.time >= ?", self.since),
            ("e.time < ?", self.until),
            ("e.number < ?", self.before),
            ("e.number > ?", self.after),
            ("e.status = ?", self.status),
            ("e.label = ?", self.label),
            ("n.name LIKE ? ESCAPE '\\'", None if not self.search else _pattern(self.search)),
        ):
            if value is not None:
                parts.append(condition)
                values.append(value)
        if not self.foreign:
            parts.append("e.status IS NOT 'foreign'")
        order = "DESC" if self.newest_first else "ASC"
        sql = f"WHERE {' AND '.join(parts)} ORDER BY e.number {order}"
        if self.limit is not None:
            sql += " LIMIT ?"
            values.append(self.limit)
        return sql, values


def _pattern(text: str) -> str:
    for sign in ("\\", "%", "_"):
        text = text.replace(sign, f"\\{sign}")
    return f"%{text}%"


def entries(connection: sqlite3.Connection, query: EntryQuery) -> list[Entry]:
    """Return the rows that a query selects, with the verdicts of people."""
    sql, values = query.sql()
    rows = [_entry(row) for row in connection.execute(READ + sql, values)]
    return _with_verdicts(connection, rows)


def all_entries(connection: sqlite3.Connection, query: EntryQuery) -> Iterator[Entry]:
    """Yield the rows that a query selects, from the oldest, a few at once."""
    after = query.after or 0
    while True:
        part = EntryQuery(
            since=query.since, until=query.until, after=after, status=query.status,
            label=query.label, search=query.search, unread=query.unread, foreign=query.foreign,
            newest_first=False, limit=CHUNK,
        )  # fmt: skip
        rows = entries(connection, part)
        yield from rows
        if len(rows) < CHUNK:
            return
        after = rows[-1].number


def entry(connection: sqlite3.Connection, number: int) -> Entry | None:
    """Return a row with its verdicts, or None."""
    row = connection.execute(f"{READ} WHERE e.number = ?", (number,)).fetchone()
    return _with_verdicts(connection, [_entry(row)])[0] if row else None


def result_of(
    connection: sqlite3.Connection, content: str, bundle: str, site: str | None
) -> int | None:
    """Return the number of the result of a content, or None."""
    row = connection.execute(
        "SELECT number FROM entries WHERE kind = 'result' AND content = ? AND bundle = ? "
        "AND coalesce(site, '') = ?",
        (content, bundle, site or ""),
    ).fetchone()
    return row and int(row[0])


def has_result(connection: sqlite3.Connection, content: str, bundle: str) -> bool:
    """Return whether a content has a result of a bundle, with any version of any site."""
    row = connection.execute(
        "SELECT 1 FROM entries WHERE kind = 'result' AND content = ? AND bundle = ?",
        (content, bundle),
    ).fetchone()
    return row is not None


def last_number(connection: sqlite3.Connection) -> int:
    """Return the number of the last row; 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM entries").fetchone()[0])


def changed_since(connection: sqlite3.Connection, number: int) -> tuple[int, list[int]]:
    """Return the last number, and the results that rows after `number` are or refer to."""
    rows = connection.execute(
        "SELECT number, coalesce(refers_to, number) FROM entries WHERE number > ? "
        "AND kind <> 'removal' ORDER BY number LIMIT ?",
        (number, CHUNK),
    ).fetchall()
    last = rows[-1][0] if rows else number
    return last, list(dict.fromkeys(row[1] for row in rows))


def picture(connection: sqlite3.Connection, number: int, kind: str) -> bytes | None:
    """Return a JPEG, or None."""
    row = connection.execute(
        "SELECT jpeg FROM pictures WHERE number = ? AND kind = ?", (number, kind)
    ).fetchone()
    return row and bytes(row[0])


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of rows of each kind, and of each status."""
    names = ("result", "unread", "verdict", "removal", "ok", "review", "error", "foreign")
    result = dict.fromkeys(names, 0)
    sql = "SELECT kind, status, count(*) FROM entries GROUP BY kind, status"
    for kind, status, count in connection.execute(sql):
        result[kind] = result.get(kind, 0) + count
        if status is not None:
            result[status] = result.get(status, 0) + count
    return result


def verdict_rows(connection: sqlite3.Connection) -> Iterator[PersonVerdict]:
    """Yield the latest verdict on each image and each cell; withdrawn ones have no label."""
    latest: dict[tuple[int, int | None], PersonVerdict] = {}
    sql = "SELECT number, refers_to, body, time FROM entries WHERE kind = 'verdict' ORDER BY number"
    for row in connection.execute(sql):
        if (verdict := _verdict(row)) is not None:
            latest[verdict.refers_to, verdict.cell] = verdict
    yield from latest.values()


def _entry(row: tuple[Any, ...]) -> Entry:
    body, link, refers_to, name, folder = row[9:]
    return Entry(
        **dict(zip(ENTRY_COLUMNS, row[:9], strict=True)),
        body=None if body is None else json.loads(body),
        name=None if name is None else FileName(name, folder),
        link=link,
        refers_to=refers_to,
    )


def _verdict(row: tuple[Any, ...]) -> PersonVerdict | None:
    number, refers_to, text, time = row
    if text is None:  # removed
        return None
    body = json.loads(text)
    return PersonVerdict(number, refers_to, body["cell"], body["label"], time)


def _with_verdicts(connection: sqlite3.Connection, rows: Iterable[Entry]) -> list[Entry]:
    """Return rows with the latest verdict on each image and cell."""
    rows = list(rows)
    found: dict[int, dict[int | None, PersonVerdict]] = defaultdict(dict)
    for start in range(0, len(rows), CHUNK):
        numbers = [row.number for row in rows[start : start + CHUNK]]
        sql = (
            "SELECT number, refers_to, body, time FROM entries WHERE kind = 'verdict' "
            f"AND refers_to IN ({', '.join('?' * len(numbers))}) ORDER BY number"
        )
        for line in connection.execute(sql, numbers):
            if (verdict := _verdict(line)) is not None:
                found[verdict.refers_to][verdict.cell] = verdict
    return [
        replace(row, verdicts=tuple(v for v in found[row.number].values() if v.label is not None))
        if row.number in found
        else row
        for row in rows
    ]
