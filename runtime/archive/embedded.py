"""Classifies the fields of an archive on this machine, with the pipeline of ``classify``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..classifier import Classifier
from .fetching import UnreadableImage, fetch_ahead
from .results.identity import Identity
from .results.schema import error_row, row_of, table_of
from .sources.entries import Entry
from .stores import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

    from ..cells.types import TakenAs
    from ..types import ImageSource

BLOCK_ROWS = 64
UNREAD_TOGETHER = 256


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
    in_work: deque[tuple[Entry, list[dict[str, Any]]]] = deque()
    unread: list[dict[str, Any]] = []

    def images() -> Iterator[ImageSource]:
        nonlocal unread
        for entry, image in fetch_ahead(entries):
            # A field that is known to be missing needs no thread; its row waits for the next one.
            if isinstance(image, UnreadableImage) and len(unread) < UNREAD_TOGETHER:
                unread.append(error_row(entry, image.problem, identity))
                continue
            in_work.append((entry, unread))
            unread = []
            yield image

    def rows() -> Iterator[dict[str, Any]]:
        for result in classifier.classify(images(), taken_as=taken_as):
            entry, before = in_work.popleft()
            yield from before
            yield row_of(entry, result, identity, classifier.backend.engine)
        yield from unread

    return _tables(rows(), block_rows)


def _tables(rows: Iterator[dict[str, Any]], block_rows: int) -> Iterator[pa.Table]:
    """Yield rows as tables; those before an error too."""
    block: list[dict[str, Any]] = []
    try:
        for row in rows:
            block.append(row)
            if len(block) == block_rows:
                yield table_of(block)
                block = []
    except StoreError:
        if block:
            yield table_of(block)
        raise
    if block:
        yield table_of(block)
