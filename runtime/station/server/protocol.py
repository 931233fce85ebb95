"""HTTP connections with limits: their number, and the time in which a request must arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 512
HEADER_TIMEOUT_S = 15.0


class LimitedProtocol(H11Protocol):
    """Closes a connection that sends no whole request header in time.

    Where there are too many, the one that has waited longest for a header gives its place to the
    new one, so that idle connections keep nobody out. uvicorn itself limits only the time between
    two requests.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS and not self._replace_idle():
            self.transport.abort()
        else:
            self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_header()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _replace_idle(self) -> bool:
        """Close the connection that waited longest for a header; return whether there is one."""
        waiting = [
            (other._late.when(), id(other), other) for other in self.connections if other._late
        ]
        if not waiting:
            return False
        _, _, oldest = min(waiting)
        oldest._stop_waiting()
        oldest.transport.abort()
        return True

    def _wait_for_header(self) -> None:
        if self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class StationServer(uvicorn.Server):
    """A server that ends the open streams of pages before it waits for answers.

    Parameters
    ----------
    config : uvicorn.Config
    end_streams : callable
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: Any = None) -> None:
        """End the server."""
        self._end_streams()
        await super().shutdown(sockets)
