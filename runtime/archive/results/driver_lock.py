"""Lets one process at a time write to a folder of results."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ....errors import AlledgeError, DataError
from ...file_lock import exclusive_lock
from ...json_documents import parse_json
from ..stores import Place, StoreError, read_content
from .result_set import write_document

LOCK, HOLDER = ".driver.lock", "_driver.json"
SCHEMA = "alledge/archive-driver"
LEASE_S, RENEWED_S, SETTLE_S = 120.0, 30.0, 1.0


class LeaseLostError(AlledgeError):
    """Another process writes to the same results of an object store."""


@contextlib.contextmanager
def driver_lock(results: Place) -> Iterator[Lease | None]:
    """Hold the results while the body of the ``with`` runs.

    A local folder is locked by the operating system, which releases the lock of a process that
    was killed. Object stores have no locks: there, a document names the holder and is renewed
    every 30 s; one that was not renewed for two minutes counts as released.

    Parameters
    ----------
    results : Place

    Yields
    ------
    Lease or None
        Of an object store; its `check` raises an error if another process took the results.

    Raises
    ------
    AlledgeError
        If another process holds the results; the message names it.
    """
    if results.is_local:
        busy = _busy(results, _holder(results))
        with exclusive_lock(Path(results.path) / LOCK, busy):
            write_document(results.child(HOLDER), _document(secrets.token_hex(8)))
            yield None
        return
    lease = Lease(results)
    lease.acquire()
    try:
        yield lease
    finally:
        lease.release()


class Lease:
    """The document that says who writes to results in an object store.

    Parameters
    ----------
    results : Place
    """

    def __init__(self, results: Place) -> None:
        self._results = results
        self._token = secrets.token_hex(8)
        self._ended = threading.Event()
        self._other: dict[str, Any] | None = None
        self._thread = threading.Thread(target=self._renew, name="alledge-lease", daemon=True)

    def acquire(self) -> None:
        """Take the results, if nobody holds them."""
        holder = _holder(self._results)
        if holder and time.time() - holder["renewed"] < LEASE_S:
            raise _busy(self._results, holder)
        self._write()
        time.sleep(SETTLE_S)  # of two processes that write at once, the last one stays
        holder = _holder(self._results)
        if holder is None or holder["token"] != self._token:
            raise _busy(self._results, holder)
        self._thread.start()

    def check(self) -> None:
        """Raise LeaseLostError if another process has taken the results."""
        if self._other is not None:
            raise LeaseLostError(
                f"{_who(self._other)} has taken {self._results.name} over",
                fix="let one command write to the same results",
            )

    def release(self) -> None:
        """Give the results free."""
        self._ended.set()
        self._thread.join()
        if self._other is None:
            with contextlib.suppress(AlledgeError):
                write_document(self._results.child(HOLDER), _document(self._token, renewed=0.0))

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_S):
            with contextlib.suppress(AlledgeError):  # the store may be away for a while
                holder = _holder(self._results)
                if holder is not None and holder["token"] != self._token:
                    self._other = holder
                    return
                self._write()

    def _write(self) -> None:
        write_document(self._results.child(HOLDER), _document(self._token))


def _document(token: str, renewed: float | None = None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "schema_version": 1,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "renewed": time.time() if renewed is None else renewed,
        "token": token,
    }


def _holder(results: Place) -> dict[str, Any] | None:
    place = results.child(HOLDER)
    try:
        document = parse_json(
            read_content(place, place.path, patience=False), place.name, error=DataError
        )
    except (FileNotFoundError, DataError):
        return None
    except StoreError:
        if results.is_local:
            return None
        raise
    return document if isinstance(document, dict) and "token" in document else None


def _busy(results: Place, holder: dict[str, Any] | None) -> AlledgeError:
    return AlledgeError(
        f"{_who(holder)} is writing to {results.name}",
        fix="wait until it ends, or name other results: --out ANOTHER-FOLDER",
    )


def _who(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "another process"
    return f"process {holder.get('process')} on {holder.get('host')} (since {holder.get('since')})"
