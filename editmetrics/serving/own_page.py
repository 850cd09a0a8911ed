"""A server that pages of other sites may not use: in the same browser, they reach this machine's ports, too."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .access import is_local

Message = MutableMapping[str, Any]


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
        text = b"requests are answered at the own address of this machine alone, and not to pages of other sites\n"
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
    name = re.sub(r":\d+$", "", host).strip("[]")  # the port may be another one, of a tunnel
    return is_local(name) and origin == f"http://{host}"
