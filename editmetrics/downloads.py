"""One file over the network, from an https URL to a path on this machine; `hub.py` has those of the Hugging Face hub.

Nothing here knows what the file is for, or checks what is in it: `editmetrics.weights` does, before it moves the file
to where it is used.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .sample import EditMetricsError, UnavailableError
from .wording import error_in_one_line

if TYPE_CHECKING:
    from requests import Response

CHUNK = 1 << 20
"""Bytes read at a time."""

PATIENCE = 30.0
"""Seconds without an answer after which a site counts as unreachable."""


class DownloadError(EditMetricsError):
    """A file could not be fetched, and why."""


class UnreachableError(DownloadError, UnavailableError):
    """A file could not be fetched by this machine now: no network, a server that is down, no room on the disk."""


def is_unreachable(error: BaseException) -> bool:
    """Whether an error of an HTTP library or the hub client is one of the network, the server or the disk.

    One that a server answered (no such file, no permission) is not; any other machine would get the same answer.

    >>> is_unreachable(ConnectionResetError()), is_unreachable(ValueError("no such repository"))
    (True, False)
    """
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return bool(status >= 500 or status in (408, 429))
    if type(error).__name__ == "FileMetadataError":  # an OSError: something answered that is not the hub
        return False
    library = type(error).__module__.partition(".")[0].rstrip("2")  # huggingface_hub 2 has httpx2 and httpcore2
    storage = type(error).__name__ == "XetDownloadError"  # the hub's storage of large files was not reached
    return isinstance(error, OSError) or storage or library in ("httpx", "httpcore", "requests", "urllib3")


def check_online() -> None:
    """Raise `UnreachableError` where the environment forbids the network: EDITMETRICS_OFFLINE=1 or HF_HUB_OFFLINE=1.

    >>> os.environ["EDITMETRICS_OFFLINE"] = "1"
    >>> check_online()
    Traceback (most recent call last):
    editmetrics.downloads.UnreachableError: EDITMETRICS_OFFLINE=1 forbids the network
    >>> del os.environ["EDITMETRICS_OFFLINE"]
    """
    for variable in ("EDITMETRICS_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(variable, "").lower() in ("1", "on", "yes", "true"):
            raise UnreachableError(f"{variable}={os.environ[variable]} forbids the network")


def check_url(url: str) -> None:
    """Raise `DownloadError` unless `url` is https; plain http is for this machine itself (a mirror or a test).

    >>> check_url("https://example.org/weights.pth")
    >>> check_url("http://example.org/weights.pth")
    Traceback (most recent call last):
    editmetrics.downloads.DownloadError: http://example.org/weights.pth is not an https URL
    """
    parts = urllib.parse.urlsplit(url)
    if not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))):
        raise DownloadError(f"{url} is not an https URL")


def fetch_url(url: str, target: Path, *, progress: bool = False) -> None:
    """Download `url` to the file `target`; leaves no file behind when it fails.

    Raises `DownloadError`: an error status, a redirect away from https; `UnreachableError`: no network, a body that
    ends early.
    """
    from pooch import HTTPDownloader

    check_online()
    check_url(url)
    lengths: list[int] = []

    def inspect_response(response: Response, **_: Any) -> None:
        _check_redirect(response)
        if (
            not response.is_redirect
            and "Content-Length" in response.headers
            and "Content-Encoding" not in response.headers
        ):
            lengths.append(int(response.headers["Content-Length"]))

    target.parent.mkdir(parents=True, exist_ok=True)
    download = HTTPDownloader(progressbar=progress, chunk_size=CHUNK, hooks={"response": inspect_response})
    try:
        download(url, str(target), None)
        if lengths and target.stat().st_size != lengths[-1]:  # urllib3 before 2.0 does not notice
            raise UnreachableError(f"{url} ended after {target.stat().st_size} of {lengths[-1]} bytes")
    except BaseException as error:
        target.unlink(missing_ok=True)
        # requests, urllib3 and ssl have no common ancestor for what can go wrong on the way
        if isinstance(error, Exception) and not isinstance(error, DownloadError):
            raise _failed(url, error) from error
        raise


def content_length(url: str) -> int | None:
    """Ask a site for the size of a file in bytes; None where it does not state it. Downloads nothing.

    Raises `DownloadError` and `UnreachableError` as `fetch_url` does.
    """
    import requests

    check_online()
    check_url(url)
    try:
        with requests.Session() as session:
            session.hooks["response"].append(_check_redirect)
            reply = session.head(url, allow_redirects=True, timeout=PATIENCE, headers={"Accept-Encoding": "identity"})
            reply.raise_for_status()
    except DownloadError:
        raise
    except Exception as error:
        raise _failed(url, error) from error
    length = reply.headers.get("Content-Length")
    return int(length) if length is not None and "Content-Encoding" not in reply.headers else None


def _check_redirect(response: Response, **_: Any) -> None:
    if response.is_redirect:
        check_url(urllib.parse.urljoin(response.url, response.headers["Location"]))


def _failed(url: str, error: Exception) -> DownloadError:
    kind = UnreachableError if is_unreachable(error) else DownloadError
    return kind(f"{url}: {error_in_one_line(error)}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
