"""``alledge history verify``: finds every edit of the history, and says where."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypedDict

from ...terminal import printable
from .chain import CHAINED, digest_of, link_of, name_digest
from .entries import Scope
from .rows import searchable
from .store import History

MOST_PROBLEMS = 20  # that are named
COPIES = ("status", "label", "probability")


class HistoryVerification(TypedDict):
    """The document of ``alledge history verify --json``."""

    schema: str
    schema_version: int
    path: str
    rows: int
    removed: int  # rows whose body was removed by `history remove`
    last_link: str | None
    expected_link: Literal["found", "missing"] | None
    problems: list[str]
    verdict: Literal["pass", "fail"]


class _Removals:
    """Which rows lost what, by the removals in the chain."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._ranges: dict[Scope, list[tuple[int, int, int]]] = defaultdict(list)
        sql = "SELECT number, body FROM entries WHERE kind = 'removal' AND body IS NOT NULL"
        for number, text in connection.execute(sql):
            body = json.loads(text)
            for first, last in body["ranges"]:
                self._ranges[body["scope"]].append((first, last, number))

    def cover(self, number: int, *scopes: Scope) -> bool:
        """Return whether a later removal of one of these scopes names a row."""
        return any(
            first <= number <= last and number < removal
            for scope in scopes
            for first, last, removal in self._ranges[scope]
        )


def verify_history(history: History, expect: str | None = None) -> HistoryVerification:
    """Check the file, every link of the chain, and every name and picture.

    Parameters
    ----------
    history : History
    expect : str, optional
        A link, or its first digits, that was noted earlier. It must be in the chain: whoever
        wrote the history anew, or cut its end off, could not have kept it.

    Returns
    -------
    HistoryVerification

    Raises
    ------
    HistoryError
        If the database cannot be read.
    """
    with history.snapshot() as connection:
        try:
            problems, rows, removed, last, found = _check(connection, expect)
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            problems = [f"a row is not as alledge writes it: {error!r}"]
            rows, removed, last, found = 0, 0, None, False
    if expect is not None and not found:
        problems.append(f"the link {expect} is not in the chain: rows were cut off or replaced")
    return {
        "schema": "alledge/history-verification",
        "schema_version": 1,
        "path": str(Path(history.path)),
        "rows": rows,
        "removed": removed,
        "last_link": last,
        "expected_link": None if expect is None else "found" if found else "missing",
        "problems": problems[:MOST_PROBLEMS],
        "verdict": "fail" if problems else "pass",
    }


def _check(
    connection: sqlite3.Connection, expect: str | None
) -> tuple[list[str], int, int, str | None, bool]:
    problems = [
        f"the database is damaged: {row[0]}"
        for row in connection.execute("PRAGMA integrity_check(5)")
        if row[0] != "ok"
    ]
    settings = dict(connection.execute("SELECT key, value FROM settings"))
    link, wanted, removed, found = settings.get("history", ""), 1, 0, False
    removals = _Removals(connection)
    columns = (*CHAINED, "body", "link", *COPIES)
    sql = f"SELECT {', '.join(columns)} FROM entries ORDER BY number"
    for values in connection.execute(sql):
        row = dict(zip(columns, values, strict=True))
        number = row["number"]
        if number != wanted:
            problems.append(f"rows {wanted} to {number - 1} are missing")
        if row["link"] != link_of(link, [row[name] for name in CHAINED]):
            problems.append(f"row {number} or the row before it was changed: its link is wrong")
        link, wanted = row["link"], number + 1
        found = found or (expect is not None and link.startswith(expect.lower()))
        removed += row["body"] is None
        problems += [f"row {number}: {problem}" for problem in _problems_of(row, removals)]
        if len(problems) > MOST_PROBLEMS:
            break
    else:
        problems += _names(connection, removals)
        problems += _pictures(connection, removals)
    return problems, wanted - 1, removed, link if wanted > 1 else None, found


def _problems_of(row: dict[str, Any], removals: _Removals) -> Iterator[str]:
    """Yield what is wrong with the body of a row and its copies."""
    if row["body"] is None:
        if row["kind"] == "removal" or not removals.cover(row["number"], "all"):
            yield "its body is missing, and no removal says so"
        yield from (f"its column {name} was changed" for name in COPIES if row[name] is not None)
        return
    if digest_of(row["body"].encode("utf-8", "surrogatepass")) != row["body_digest"]:
        yield "its body was changed"
        return
    copies = searchable(row["kind"], json.loads(row["body"]))
    for name in COPIES:
        if row[name] != copies[name]:
            yield f"its column {name} was changed"


def _bodies(connection: sqlite3.Connection, key: str) -> Iterator[tuple[int, Any]]:
    sql = "SELECT number, body FROM entries WHERE kind IN ('result', 'unread') AND body IS NOT NULL"
    for number, text in connection.execute(sql):
        if value := json.loads(text).get(key):
            yield number, value


def _names(connection: sqlite3.Connection, removals: _Removals) -> Iterable[str]:
    names = {
        row[0]: name_digest(*row[1:])
        for row in connection.execute("SELECT number, salt, name, folder FROM names")
    }
    for number, digest in _bodies(connection, "name_digest"):
        actual = names.pop(number, None)
        if actual is None and not removals.cover(number, "all", "names"):
            yield f"row {number}: its name is missing, and no removal says so"
        elif actual is not None and actual != digest:
            yield f"row {number}: its name was changed"
    yield from (f"row {number} has a name that was added later" for number in names)


def _pictures(connection: sqlite3.Connection, removals: _Removals) -> Iterable[str]:
    digests = {
        (number, kind): digest_of(jpeg)
        for number, kind, jpeg in connection.execute("SELECT number, kind, jpeg FROM pictures")
    }
    for number, pictures in _bodies(connection, "pictures"):
        for kind, picture in pictures.items():
            actual = digests.pop((number, kind), None)
            if actual is None and not removals.cover(number, "all", "pictures"):
                yield f"row {number}: its {kind} is missing, and no removal says so"
            elif actual is not None and actual != picture["digest"]:
                yield f"row {number}: its {kind} was changed"
    yield from (f"row {number} has a {kind} that was added later" for number, kind in digests)


def verification_text(document: HistoryVerification) -> str:
    """Return the document as text for people."""
    lines = [f"{document['path']}: {document['rows']} rows, {document['removed']} removed"]
    lines += [f"  {printable(problem)}" for problem in document["problems"]]
    if document["last_link"] is not None:
        lines.append(f"last link {document['last_link']}")
        lines.append("note it elsewhere: `--expect LINK` finds a history that was written anew")
    lines.append(document["verdict"])
    return "\n".join(lines)
