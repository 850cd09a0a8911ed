"""The address that a server listens on, taken before anything is loaded or announced."""

from __future__ import annotations

import errno
import socket

from ..sample import EditMetricsError

REMEDIES = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another --port (0 picks a free one)",
    errno.EACCES: "permission denied; choose a --port from 1024",
    errno.EADDRNOTAVAIL: "this machine does not have that address; choose another --host, such as 127.0.0.1 or 0.0.0.0",
}
"""The remedy of each error of the operating system, by its number."""


class ListeningError(EditMetricsError):
    """The address of a server cannot be used."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 is a free one. Raises `ListeningError` with the reason and the remedy.

    Answers leave at once: accepted connections inherit TCP_NODELAY. Without it an answer of two writes waits some 40 ms
    for the client's delayed acknowledgement.

    >>> with listening_socket("127.0.0.1", 0) as listening:
    ...     listening.getsockname()[1] > 0
    True
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0) or f"{error.strerror or error}; choose another --host or --port"
        raise ListeningError(f"cannot listen on {host} port {port}: {remedy}") from error


def url_of(listening: socket.socket, host: str) -> str:
    """The address of a server at `host` as a URL, with the port that it has.

    >>> with listening_socket("127.0.0.1", 0) as listening:
    ...     url_of(listening, "127.0.0.1").rpartition(":")[0]
    'http://127.0.0.1'
    """
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
