"""Classifies the fields of an archive on this machine, with the pipeline of ``classify``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..classifier import Classifier
from .fetching import fetch_ahead
from .results.identity import Identity
from .results.schema import row_of, table_of
from .sources.entries import Entry
from .stores import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

    from ..cells.types import TakenAs
    from ..types import ImageSource

BLOCK_ROWS = 64


def classify_entries(
    classifier: Classifier,
    entries: Iterable[Entry],
    identity: Identity,
    *,
    taken_as: TakenAs = "auto",
    block_rows: int = BLOCK_ROWS,
) -> Iterator[pa.Table]:
    """Classify fields, in order.

    Parameters
    ----------
    classifier : Classifier
        Loaded with ``measurements=True``, and best with the mode ``"throughput"``.
    entries : iterable of Entry
        It is read while the tables are taken, in a separate thread.
    identity : Identity
        Of the classifier.
    taken_as : {"auto", "field", "cell"}
        As `Classifier.classify`.
    block_rows : int

    Yields
    ------
    pyarrow.Table
        Of `SCHEMA`, with `block_rows` rows; the last one has fewer.

    Raises
    ------
    StoreError
        If an object store refuses or does not answer; after the rows of the fields before.
    BackendError
        If the engine fails.
    """
    in_work: deque[Entry] = deque()

    def images() -> Iterator[ImageSource]:
        for entry, image in fetch_ahead(entries):
            in_work.append(entry)
            yield image

    engine = classifier.backend.engine
    rows: list[dict[str, Any]] = []
    try:
        for result in classifier.classify(images(), taken_as=taken_as):
            rows.append(row_of(in_work.popleft(), result, identity, engine))
            if len(rows) == block_rows:
                yield table_of(rows)
                rows = []
    except StoreError:
        if rows:
            yield table_of(rows)
        raise
    if rows:
        yield table_of(rows)
