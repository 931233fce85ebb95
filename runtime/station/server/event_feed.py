"""Tells open pages of new rows, after they are on the disk; also of rows of other processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from ....errors import HistoryError
from ..history.store import History

LOOK_S = 0.5  # between two looks at the history
HEARTBEAT_S = 15.0
MOST_PAGES = 64
MOST_UNSENT = 200  # events of a page that reads slowly


class TooManyPagesError(Exception):
    """No more pages can listen."""


class EventFeed:
    """Server-sent events: the numbers of rows that are new or got a verdict.

    Parameters
    ----------
    history : History
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._pages: set[asyncio.Queue[list[int] | None]] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def pages(self) -> int:
        """Number of pages that listen."""
        return len(self._pages)

    async def start(self) -> None:
        """Begin to look at the history."""
        last = await run_in_threadpool(self._history.last_number)
        self._task = asyncio.get_running_loop().create_task(self._look(last))

    async def stop(self) -> None:
        """Stop looking, and end all streams."""
        if self._task is not None:
            self._task.cancel()
        self.end_streams()

    def end_streams(self) -> None:
        """End the stream of each page; browsers ask again."""
        for page in self._pages:
            _put(page, None)

    def check_place(self) -> None:
        """Raise TooManyPagesError if no more pages can listen."""
        if len(self._pages) >= MOST_PAGES:
            raise TooManyPagesError(f"{MOST_PAGES} pages listen already")

    async def stream(self) -> AsyncIterator[str]:
        """Yield events, and a comment now and then, by which a lost connection is noticed."""
        page: asyncio.Queue[list[int] | None] = asyncio.Queue(MOST_UNSENT)
        self._pages.add(page)
        try:
            yield "retry: 2000\n\n"
            while True:
                try:
                    numbers = await asyncio.wait_for(page.get(), HEARTBEAT_S)
                except asyncio.TimeoutError:
                    yield ": still here\n\n"
                    continue
                if numbers is None:
                    return
                yield f"event: entries\ndata: {json.dumps(numbers)}\n\n"
        finally:
            self._pages.discard(page)

    async def _look(self, last: int) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                last, numbers = await run_in_threadpool(self._history.changed_since, last)
            except HistoryError:  # `/v1/ready` says it
                continue
            if numbers:
                for page in list(self._pages):
                    _put(page, numbers)


def _put(page: asyncio.Queue[list[int] | None], numbers: list[int] | None) -> None:
    if page.full():  # the page asks again, and reads the history anew
        while not page.empty():
            page.get_nowait()
        numbers = None
    page.put_nowait(numbers)
