"""HTTP connections with limits: their number, and the time in which a request must arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableSet
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 512
BACKLOG = 128  # connections that wait; so many are taken before a request of others is answered
HEADER_TIMEOUT_S = 15.0


class Connections(MutableSet[Any]):
    """The connections of a server; those that were silent for longest come first."""

    def __init__(self) -> None:
        self._order: dict[Any, None] = {}

    def __contains__(self, connection: object) -> bool:
        return connection in self._order

    def __iter__(self) -> Iterator[Any]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def add(self, value: Any) -> None:
        """Put a connection that was heard last."""
        self._order.pop(value, None)
        self._order[value] = None

    def discard(self, value: Any) -> None:
        """Forget a connection."""
        self._order.pop(value, None)


class LimitedProtocol(H11Protocol):
    """Closes a connection that sends no whole request header in time.

    Where there are too many, the idle one that was silent for longest gives its place to the
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
        if self in self.connections:
            self.connections.add(self)
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_header()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _replace_idle(self) -> bool:
        """Close the connection that was silent for longest; return whether one is idle."""
        for other in self.connections:
            if isinstance(other, LimitedProtocol) and other is not self and other._is_idle():
                self.connections.discard(other)
                other.transport.abort()
                return True
        return False

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
        self.server_state.connections = Connections()  # type: ignore[assignment]
        self._end_streams = end_streams

    async def shutdown(self, sockets: Any = None) -> None:
        """End the server."""
        self._end_streams()
        await super().shutdown(sockets)
