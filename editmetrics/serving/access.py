"""The token of a server: who may ask it, where others than this machine can reach it."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
from collections.abc import Collection
from typing import Any

TOKEN_VARIABLE = "EDITMETRICS_TOKEN"  # noqa: S105 - the variable's name
"""The environment variable that holds the token, for the server and for its clients."""


def is_local(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`.

    >>> is_local("127.0.0.1"), is_local("::1"), is_local("localhost"), is_local("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_in_environment() -> str | None:
    """Return the token of the environment variable `EDITMETRICS_TOKEN`; None without one."""
    return os.environ.get(TOKEN_VARIABLE) or None


def new_token() -> str:
    """Return a random token of 192 bits."""
    return secrets.token_urlsafe(24)


class TokenCheck:
    """ASGI middleware: answers 401 to a request without the token, except for `open_paths`."""

    def __init__(self, app: Any, token: str, open_paths: Collection[str] = ()) -> None:
        self.app, self.expected, self.open_paths = app, f"Bearer {token}".encode(), open_paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in self.open_paths or self._has_token(scope):
            await self.app(scope, receive, send)
            return
        reason = f"this server requires its token: Authorization: Bearer TOKEN, or {TOKEN_VARIABLE} of the client"
        body = json.dumps({"error": reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _has_token(self, scope: Any) -> bool:
        sent = dict(scope["headers"]).get(b"authorization", b"")
        return secrets.compare_digest(sent, self.expected)
