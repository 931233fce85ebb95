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

    Where there are too many, the idle one that was silent for longest gives its place to the
    new one, so that idle connections keep nobody out. uvicorn itself limits only the time between
    two requests.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: asyncio.TimerHandle | None = None
        self._heard_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._heard_s = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS and not self._replace_idle():
            self.transport.abort()
        else:
            self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._heard_s = self.loop.time()
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_header()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _replace_idle(self) -> bool:
        """Close the connection that was silent for longest; return whether one is idle."""
        others = [other for other in self.connections if isinstance(other, LimitedProtocol)]
        idle = [other for other in others if other is not self and other._is_idle()]
        if not idle:
            return False
        oldest = min(idle, key=lambda other: other._heard_s)
        oldest.transport.abort()
        return True

    def _is_idle(self) -> bool:
        has_answered = self.cycle is None or self.cycle.response_complete
        return has_answered and not self.transport.is_closing()

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
