"""The connection of a client: closed when it is silent for too long, watched while its scores are computed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from fastapi import Request
from uvicorn.protocols.http.auto import AutoHTTPProtocol

T = TypeVar("T")


class GoneError(Exception):
    """The client closed its connection before it had its answer."""


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Return the result of `work`; cancels it, and raises `GoneError`, if the client closes its connection first.

    The request's body must have been read.
    """
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise GoneError
        return working.result()
    finally:
        watching.cancel()
        working.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class PatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's HTTP protocol, closing a connection whose next request does not begin within `header_timeout` seconds.

    Uvicorn itself only times out connections that are silent after an answer; headers that never end would hold one.
    """

    header_timeout = 20.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Restart or stop the clock, depending on whether the headers are complete."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start the clock while a request is awaited, and stop it when its headers have arrived."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self.header_timeout, self._close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
