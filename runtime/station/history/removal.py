"""Retention: removes the content of old rows, and keeps the chain verifiable.

A row of the chain stays, with its number, time and digests. Its body, names and pictures are
removed and overwritten. A new row of the chain says what was removed of which rows, so that
`verify` tells a removal from an edit. The digest of a removed image stays too: a file that still
lies in a watched folder is not classified a second time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from .entries import BODY_VERSION, Scope

# Of each scope: which rows of `entries` still have it.
PRESENT = {
    "all": "e.body IS NOT NULL",
    "pictures": "e.number IN (SELECT number FROM pictures)",
    "names": "e.number IN (SELECT number FROM names)",
}
LARGEST_PART = 500


def remove_entries(
    connection: sqlite3.Connection, before: str, scope: Scope
) -> tuple[dict[str, Any], int]:
    """Remove the content of rows before a time, inside a transaction.

    Parameters
    ----------
    connection : sqlite3.Connection
    before : str
    scope : {"all", "pictures", "names"}
        With ``all``, verdicts of people on the removed results are removed too, whenever they
        were given.

    Returns
    -------
    dict
        The body of the row that says so.
    int
        Number of rows of which something was removed.
    """
    numbers = [
        row[0]
        for row in connection.execute(
            f"SELECT e.number FROM entries e WHERE {PRESENT[scope]} AND e.kind <> 'removal' "
            "AND coalesce((SELECT time FROM entries WHERE number = e.refers_to), e.time) < ? "
            "ORDER BY e.number",
            (before,),
        )
    ]
    for start in range(0, len(numbers), LARGEST_PART):
        _remove(connection, numbers[start : start + LARGEST_PART], scope)
    body = {
        "schema_version": BODY_VERSION,
        "scope": scope,
        "before": before,
        "ranges": ranges_of(numbers),
    }
    return body, len(numbers)


def ranges_of(numbers: Iterable[int]) -> list[list[int]]:
    """Return ascending numbers as ranges, first and last included.

    Examples
    --------
    >>> ranges_of([1, 2, 3, 7])
    [[1, 3], [7, 7]]
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def _remove(connection: sqlite3.Connection, numbers: list[int], scope: Scope) -> None:
    inside = f"number IN ({', '.join('?' * len(numbers))})"
    if scope == "all":
        connection.execute(
            "UPDATE entries SET body = NULL, status = NULL, label = NULL, probability = NULL "
            f"WHERE {inside}",
            numbers,
        )
    if scope in ("all", "pictures"):
        connection.execute(f"DELETE FROM pictures WHERE {inside}", numbers)
    if scope in ("all", "names"):
        connection.execute(
            "DELETE FROM files WHERE content IN (SELECT content FROM entries WHERE "
            f"{inside} AND content IS NOT NULL)",
            numbers,
        )
        connection.execute(f"DELETE FROM names WHERE {inside}", numbers)
