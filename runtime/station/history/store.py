"""The history of a workstation: writes results and verdicts, each durable when it returns."""

from __future__ import annotations

import contextlib
import datetime
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import queries
from .chain import CHAINED, body_text, digest_of, link_of, name_digest
from .database import FILE, history_errors, open_database, transaction
from .entries import BODY_VERSION, Entry, NewEntry, PictureKind, Removal, Scope, SeenFile
from .queries import EntryQuery
from .removal import remove_entries
from .rows import check_verdict, searchable, storable

COLUMNS = (*CHAINED, "body", "link", "status", "label", "probability")
INSERT = (
    f"INSERT INTO entries ({', '.join(COLUMNS)}) "
    f"VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
)

STATION_DIGITS = 12  # of the name of a workstation


def utc_now() -> str:
    """Return the time as the history has it: ``2026-01-31T12:00:00.000Z``."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


class History:
    """The history in a folder; thread-safe, and several processes may have it open.

    Parameters
    ----------
    home : Path
        The folder of the workstation.
    must_exist : bool
        Do not create the history.

    Raises
    ------
    HistoryError
        As `open_database`; the same from every method, if the disk is full, or the database is
        locked or damaged. Nothing half is written then.
    """

    def __init__(self, home: Path, *, must_exist: bool = False) -> None:
        self.path = home / FILE
        self._lock = threading.RLock()
        self._connection = open_database(self.path, must_exist=must_exist)
        with self._using() as connection:
            settings = dict(connection.execute("SELECT key, value FROM settings"))
        self._first_link, self._salt = settings["history"], settings["salt"]

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, history_errors(self.path):
            yield self._connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as connection, transaction(connection):
            yield connection

    def add(self, new: NewEntry) -> tuple[int, bool]:
        """Write a result or an unread file, unless the history has it.

        Parameters
        ----------
        new : NewEntry

        Returns
        -------
        int
            Number of its row: of the new one, or of the one that is there.
        bool
            True if it is new. It is on the disk then.
        """
        return self.add_all([new])[0]

    def add_all(self, new: Sequence[NewEntry]) -> list[tuple[int, bool]]:
        """Write several rows with one flush to the disk: all of them, or none; as `add`."""
        with self._writing() as connection:
            return [self._add(connection, entry) for entry in new]

    def _add(self, connection: sqlite3.Connection, new: NewEntry) -> tuple[int, bool]:
        if (number := self._present(connection, new)) is not None:
            self._remember(connection, new.seen, new.content)
            return number, False
        salt, name = secrets.token_hex(16), new.name and storable(new.name)
        body: dict[str, Any] = {
            "schema_version": BODY_VERSION,
            "record": None if new.record is None else {**new.record, "image": None},
            "name_digest": name and name_digest(salt, name.name, name.folder),
            "pictures": {
                kind: {
                    "digest": digest_of(picture.jpeg),
                    "width": picture.width,
                    "height": picture.height,
                }
                for kind, picture in new.pictures.items()
            },
            **new.facts,
        }
        number = self._append(
            connection, new.kind, body, content=new.content, bundle=new.bundle, site=new.site,
            state=new.state, **searchable(new.kind, body),
        )  # fmt: skip
        if name is not None:
            connection.execute(
                "INSERT INTO names VALUES (?, ?, ?, ?)", (number, salt, name.name, name.folder)
            )
        connection.executemany(
            "INSERT INTO pictures VALUES (?, ?, ?)",
            [(number, kind, picture.jpeg) for kind, picture in new.pictures.items()],
        )
        self._remember(connection, new.seen, new.content)
        return number, True

    def add_verdict(self, refers_to: int, cell: int | None, label: str | None) -> int:
        """Write what a person says of an image or of one of its cells.

        Parameters
        ----------
        refers_to : int
            Number of the machine's result.
        cell : int or None
            Index among its cells; None for the image.
        label : str or None
            One of the labels of the bundle, or of its cells; None withdraws a verdict.

        Returns
        -------
        int
            Number of the new row.

        Raises
        ------
        UsageError
            If there is no such result, cell or label.
        """
        with self._writing() as connection:
            entry = queries.entry(connection, refers_to)
            check_verdict(entry, refers_to, cell, label)
            body = {"schema_version": BODY_VERSION, "cell": cell, "label": label}
            columns = searchable("verdict", body)
            return self._append(connection, "verdict", body, refers_to=refers_to, **columns)

    def remove(self, before: str, scope: Scope = "all") -> Removal:
        """Remove the content of old rows; the chain stays verifiable.

        Parameters
        ----------
        before : str
            A time as the history has it. Rows before it are concerned.
        scope : {"all", "pictures", "names"}

        Returns
        -------
        Removal
        """
        with self._writing() as connection:
            body, count = remove_entries(connection, before, scope)
            if count:
                self._append(connection, "removal", body, **searchable("removal", body))
        with self._using() as connection:  # the log still has what was removed
            is_busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return Removal(count, not is_busy)

    @property
    def station(self) -> str:
        """Short name of this workstation: random, made with the history."""
        return str(self._first_link)[:STATION_DIGITS]

    def delivered(self, receiver: str) -> int:
        """Return the number of the last row that a receiver has confirmed.

        A receiver that is new begins with what comes after this call.
        """
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO deliveries SELECT ?, coalesce(max(number), 0) FROM entries",
                (receiver,),
            )
            row = connection.execute(
                "SELECT number FROM deliveries WHERE receiver = ?", (receiver,)
            ).fetchone()
        return int(row[0])

    def set_delivered(self, receiver: str, number: int) -> None:
        """Note that a receiver has confirmed all rows up to a number."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO deliveries VALUES (?, ?)", (receiver, number)
            )

    def find_result(self, content: str, bundle: str, site: str | None = None) -> int | None:
        """Return the number of the result of a content, or None."""
        with self._using() as connection:
            return queries.result_of(connection, content, bundle, site)

    def has_result(self, content: str, bundle: str) -> bool:
        """Return whether a content has a result of a bundle, with any version of any site."""
        with self._using() as connection:
            return queries.has_result(connection, content, bundle)

    def content_of_file(self, seen: SeenFile) -> str | None:
        """Return the digest that a file had, if its size and time are still the same."""
        with self._using() as connection:
            row = connection.execute(
                "SELECT content FROM files WHERE path = ? AND size = ? AND modified = ?",
                (self._path_digest(seen.path), seen.size, seen.modified),
            ).fetchone()
        return row and str(row[0])

    def remember_file(self, seen: SeenFile, content: str) -> None:
        """Note which content a file has."""
        with self._writing() as connection:
            self._remember(connection, seen, content)

    def entry(self, number: int) -> Entry | None:
        """Return a row with the verdicts of people, or None."""
        with self._using() as connection:
            return queries.entry(connection, number)

    def entries(self, query: EntryQuery) -> list[Entry]:
        """Return the rows that a query selects."""
        with self._using() as connection:
            return queries.entries(connection, query)

    def last_number(self) -> int:
        """Return the number of the last row; 0 if there is none."""
        with self._using() as connection:
            return queries.last_number(connection)

    def changed_since(self, number: int) -> tuple[int, list[int]]:
        """Return the last number, and the results that rows after `number` are or refer to."""
        with self._using() as connection:
            return queries.changed_since(connection, number)

    def picture(self, number: int, kind: PictureKind) -> bytes | None:
        """Return a JPEG, or None."""
        with self._using() as connection:
            return queries.picture(connection, number, kind)

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows of each kind, and of each status."""
        with self._using() as connection:
            return queries.counts(connection)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Give a connection of its own that sees the history as it is now, for long reading."""
        with history_errors(self.path):
            connection = open_database(self.path, must_exist=True)
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()

    def _append(
        self, connection: sqlite3.Connection, kind: str, body: dict[str, Any], **columns: Any
    ) -> int:
        """Write the next row of the chain; its digest covers the row before."""
        last = connection.execute(
            "SELECT number, link FROM entries ORDER BY number DESC LIMIT 1"
        ).fetchone() or (0, self._first_link)
        text = body_text(body)
        row = dict.fromkeys(COLUMNS)
        row |= {"number": last[0] + 1, "kind": kind, "time": utc_now(), **columns}
        row |= {"body": text, "body_digest": digest_of(text.encode("ascii"))}
        row["link"] = link_of(last[1], [row[name] for name in CHAINED])
        connection.execute(INSERT, row)
        return int(last[0]) + 1

    def _present(self, connection: sqlite3.Connection, new: NewEntry) -> int | None:
        if new.kind == "result" and new.content is not None:
            return queries.result_of(connection, new.content, new.bundle, new.site)
        row = connection.execute(
            "SELECT number FROM entries WHERE kind = 'unread' AND state = ?", (new.state,)
        ).fetchone()
        return row and int(row[0])

    def _remember(
        self, connection: sqlite3.Connection, seen: SeenFile | None, content: str | None
    ) -> None:
        if seen is not None and content is not None:
            connection.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                (self._path_digest(seen.path), seen.size, seen.modified, content),
            )

    def _path_digest(self, path: str) -> str:
        return name_digest(self._salt, path, None)
