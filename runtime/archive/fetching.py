"""Fetches the fields of an archive from object stores, some requests ahead."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from ...errors import ImageError
from .sources.entries import Entry
from .stores import Place, RefusedError, is_url, open_place, read_content

if TYPE_CHECKING:
    from ..types import ImageSource

FETCHED_AHEAD = 16  # objects of a store; the memory is theirs
MOST_REFUSED = 32  # one behind the other; then it is not about one object


class UnreadableImage(io.BytesIO):
    """Stands for a field that cannot be read; reading it raises the error.

    Parameters
    ----------
    problem : str
    refusal : RefusedError, optional
        If the store refused it.
    """

    def __init__(self, problem: str, refusal: RefusedError | None = None) -> None:
        super().__init__()
        self.problem, self.refusal = problem, refusal

    def seekable(self) -> bool:
        """Raise the error."""
        raise ImageError(self.problem)

    def read(self, size: int | None = -1) -> bytes:
        """Raise the error."""
        raise ImageError(self.problem)


def fetch_ahead(
    entries: Iterable[Entry], ahead: int = FETCHED_AHEAD
) -> Iterator[tuple[Entry, ImageSource]]:
    """Yield each entry and what the classifier reads: its path, or its content from a store.

    Several objects are fetched at once, because a request takes longer than its transfer.

    Raises
    ------
    StoreError
        If a store does not answer, or refuses 32 objects one behind the other.
    """
    stores: dict[str, Place] = {}
    waiting: deque[tuple[Entry, ImageSource | Future[ImageSource]]] = deque()
    pool = ThreadPoolExecutor(ahead, thread_name_prefix="alledge-fetch")
    refused = 0
    try:
        for entry in _then_end(entries):
            if entry is not None:
                waiting.append((entry, _start(entry, pool, stores)))
            while waiting and (
                entry is None or len(waiting) > ahead or not isinstance(waiting[0][1], Future)
            ):
                first, image = waiting.popleft()
                image = image.result() if isinstance(image, Future) else image
                refusal = image.refusal if isinstance(image, UnreadableImage) else None
                refused = 0 if refusal is None else refused + 1
                if refusal is not None and refused == MOST_REFUSED:
                    raise refusal
                yield first, image
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _then_end(entries: Iterable[Entry]) -> Iterator[Entry | None]:
    yield from entries
    yield None


def _start(
    entry: Entry, pool: ThreadPoolExecutor, stores: dict[str, Place]
) -> ImageSource | Future[ImageSource]:
    if entry.problem is not None:
        return UnreadableImage(entry.problem)
    if not is_url(entry.path):
        return entry.path
    scheme, _, path = entry.path.partition("://")
    if scheme not in stores:
        stores[scheme] = open_place(entry.path)
    return pool.submit(_fetch, stores[scheme], path)


def _fetch(place: Place, path: str) -> ImageSource:
    try:
        return read_content(place, path)
    except FileNotFoundError:
        return UnreadableImage(f"there is no object {place.name_of(path)}")
    except RefusedError as error:
        return UnreadableImage(f"{place.name_of(path)}: {error.what}", error)
