"""The address of an endpoint: what may be recorded of it, and who can read what is sent there."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse

from .chat import JudgeError

HERE = "this machine"
"""What is recorded of an endpoint on this machine, whatever its port."""


def base_url(url: str) -> str:
    """The base URL of an endpoint, without a slash at its end.

    Raises `JudgeError` when it is no http address, or holds a user name, password or query, which would be recorded.

    >>> base_url("http://localhost:8000/v1/")
    'http://localhost:8000/v1'
    """
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        usable = False
    if usable and (parts.username or parts.password or parts.query or parts.fragment):
        raise JudgeError(
            f"the endpoint at {parts.hostname} comes with a user name, a password or a query, which would be recorded; "
            "give the bare base URL and put the key into the environment"
        )
    if not usable or re.search(r"[\s\x00-\x1f]", url):
        raise JudgeError(f"{url!r} is no endpoint; expected a base URL such as http://localhost:8000/v1")
    return url.rstrip("/")


def provider(url: str) -> str:
    """Who serves an endpoint, as it is recorded: its host without port and path, since neither changes an answer.

    >>> provider("https://openrouter.ai/api/v1"), provider("http://127.0.0.1:8000/v1")
    ('openrouter.ai', 'this machine')
    """
    host = (urllib.parse.urlsplit(url).hostname or "").lower()
    return HERE if _is_here(host) else host


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent there: https, or this machine itself.

    >>> is_private("http://127.0.0.1:8000/v1"), is_private("http://gpu-server:8000/v1")
    (True, False)
    """
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or _is_here(host)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or host == "0.0.0.0" or ipaddress.ip_address(host).is_loopback  # noqa: S104
    except ValueError:
        return False
