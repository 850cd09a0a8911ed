"""A page that only its own tab may use: other sites in the same browser reach this machine's ports, too."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""The names of this machine in the address bar; the port may be another one, of a tunnel."""


class OnlyOwnPage:
    """ASGI middleware that answers 403 to requests by another name, or from a page of another address.

    A site whose name is made to lead to 127.0.0.1 sends its own name as the host, and could read every answer; any
    site's form can send images here, and the browser states where it came from.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http" or is_own(dict(scope["headers"])):
            await self.app(scope, receive, send)
            return
        text = b"this page can only be used at its own address on this machine\n"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": text})


def is_own(headers: MutableMapping[bytes, bytes]) -> bool:
    """Whether a request came to a name of this machine, from no page or from the page there.

    >>> is_own({b"host": b"127.0.0.1:8001"}), is_own({b"host": b"127.0.0.1:8001", b"origin": b"https://example.org"})
    (True, False)
    """
    host = headers.get(b"host", b"").decode("latin-1").lower()
    origin = headers.get(b"origin", f"http://{host}".encode("latin-1")).decode("latin-1").lower()
    return re.sub(r":\d+$", "", host) in HOSTS and origin == f"http://{host}"
