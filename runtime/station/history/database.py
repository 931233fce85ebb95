"""Opens the SQLite file of the history: settings, migrations, and errors in plain words."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ....errors import HistoryError

FILE = "history.sqlite3"
APPLICATION_ID = 1634495589  # as the first migration sets it
BUSY_TIMEOUT_S = 15.0
MIGRATIONS = Path(__file__).resolve().parent / "migrations"
# What SQLite says, what it means here, and the fix.
PROBLEMS = (
    ("disk is full", "the disk is full", "free some space; nothing half was written"),
    ("readonly", "it cannot be written", "check its permissions, and those of its folder"),
    ("unable to open", "it cannot be opened", "check its permissions, and those of its folder"),
    ("locked", f"another program has locked it for {BUSY_TIMEOUT_S:g} s", "end that program"),
    (
        "not a database",
        "it is damaged, or no database",
        "move it away, with its files -wal and -shm, and restore a backup",
    ),
    (
        "malformed",
        "it is damaged",
        "move it away, with its files -wal and -shm, and restore a backup",
    ),
    ("disk i/o error", "the disk reports an error", "check the disk and its free space"),
)


def open_database(path: Path, *, must_exist: bool = False) -> sqlite3.Connection:
    """Open the database of the history, and bring its tables up to date.

    Parameters
    ----------
    path : Path
    must_exist : bool
        Do not create it.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode, with a write-ahead log that is flushed at every commit. Several
        threads may use it, one at a time.

    Raises
    ------
    HistoryError
        If it does not exist although it must, cannot be opened, is damaged, belongs to another
        program, or was written by a newer version of alledge.
    """
    if must_exist and not path.exists():
        raise HistoryError(
            f"there is no history in {path.parent}",
            fix="--home FOLDER of the workstation; `alledge watch` and `alledge serve` begin one",
        )
    with history_errors(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _check_owner(connection, path)
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise HistoryError(
                    f"the history {path} cannot have a write-ahead log (its mode is {mode})",
                    fix="--home FOLDER on a local disk",
                )
            # FULL: a commit returns when the log is on the disk, so a result outlives a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # removed names are overwritten
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write in one transaction, which begins with the lock of the only writer."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def history_errors(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite into `HistoryError`, which says what to do.

    Parameters
    ----------
    path : Path
        Of the database.

    Raises
    ------
    HistoryError
        In place of an error of SQLite.
    """
    try:
        yield
    except sqlite3.Error as error:
        text = str(error).lower()
        for part, problem, fix in PROBLEMS:
            if part in text:
                raise HistoryError(f"the history {path} failed: {problem}", fix=fix) from error
        raise HistoryError(f"the history {path} failed: {error}") from error


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Raise HistoryError if the file belongs to another program."""
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if owner != APPLICATION_ID and not is_empty:
        raise HistoryError(f"{path} is a database of another program", fix="--home ANOTHER-FOLDER")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply the scripts whose number is above that of the database, each in one transaction."""
    scripts = {int(script.name[:4]): script for script in sorted(MIGRATIONS.glob("[0-9]*.sql"))}
    latest = max(scripts)
    version = _version(connection)
    if version > latest:
        raise HistoryError(
            f"the history {path} has version {version}, which a newer alledge wrote",
            allowed=f"version {latest} or older",
            fix="install the newer alledge",
        )
    for number in range(version + 1, latest + 1):
        with transaction(connection):
            if _version(connection) >= number:  # another process was first
                continue
            for statement in _statements(scripts[number].read_text(encoding="utf-8")):
                connection.execute(statement)
            if number == 1:
                connection.executemany(
                    "INSERT INTO settings VALUES (?, ?)",
                    [("history", secrets.token_hex(32)), ("salt", secrets.token_hex(32))],
                )
            connection.execute(f"PRAGMA user_version = {number}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; `executescript` would commit in between."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
