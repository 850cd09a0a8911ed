"""What a request may cost before anybody has looked at it: the pixels its images claim, the time its headers take.

This module imports uvicorn inside functions only.
"""

from __future__ import annotations

import asyncio
import math
import os
from typing import Any

from ..images import read_bytes
from ..images.opening import ImageError, as_image_errors, open_image
from ..sample import UnavailableError

HEADER_TIMEOUT = 20.0
"""Seconds in which the headers of a request must have arrived, and after which a silent connection is closed."""


def claimed_pixels(image: Any) -> int:
    """How many pixels an image file (bytes or a path) claims, by its header; 0 for what cannot be read at all.

    Nothing is decoded: this is what is asked before memory is spent.
    """
    try:
        with as_image_errors("the image cannot be opened", "the image"):
            data = read_bytes(image) if isinstance(image, (str, os.PathLike)) else bytes(image)
            return math.prod(open_image(data, "the image").size)
    except (ImageError, UnavailableError):
        return 0  # reading it for its score says why


def patient_protocol(timeout: float = HEADER_TIMEOUT) -> type[asyncio.Protocol]:
    """Uvicorn's HTTP protocol, which closes a connection whose next request does not begin within `timeout` seconds.

    Uvicorn itself times out only what is silent after an answer: headers that never end would hold a connection for
    ever.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def _watch(self) -> None:
            """Start the clock when a request is awaited, and stop it when its headers are there."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._forget()
            elif self._deadline is None:
                self._deadline = asyncio.get_running_loop().call_later(timeout, self._close)

        def _forget(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _close(self) -> None:
            self._deadline = None
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

    return Protocol
