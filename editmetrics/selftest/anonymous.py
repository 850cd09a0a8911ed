"""Text for a bug report: without paths, the names of user and host, and addresses that only this place knows."""

from __future__ import annotations

import getpass
import os
import re
import socket
import sys
import tempfile
from functools import cache
from urllib.parse import urlsplit

PUBLIC_HOSTS = {"huggingface.co", "download.pytorch.org", "raw.githubusercontent.com", "github.com", "arxiv.org"}
"""Hosts whose addresses stay in a text."""

SECRETS = re.compile(r"\b(hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,})")
"""Tokens, which no message should hold."""

ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)\]]+", re.IGNORECASE)
PATH = re.compile(r"(?<![\w.:/<~-])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\'\":;,()<>]+){2,}[/\\]?|(?<![\w.:/-])~[/\\]\S+")
QUOTED = re.compile(r"(['\"])(?:~|[A-Za-z]:)?[/\\][^'\"\n]*\1")
SHORTEST = 3
"""Letters that a name must have to be looked for: shorter ones are parts of words."""


def anonymous(text: str) -> str:
    """Replace what is private in `text`.

    >>> anonymous("PermissionError: '/home/ann/weights/a.pth' of https://huggingface.co/a/b and http://mirror.lan/x")
    "PermissionError: '<path>' of https://huggingface.co/a/b and <address>"
    """
    kept: list[str] = []

    def address(match: re.Match[str]) -> str:
        if urlsplit(match[0]).hostname not in PUBLIC_HOSTS or "@" in match[0]:
            return "<address>"
        kept.append(match[0].partition("?")[0])
        return f"\0{len(kept) - 1}\0"

    text = SECRETS.sub("<token>", text)
    text = ADDRESS.sub(address, text)
    for secret in _own_secrets():
        text = text.replace(secret, "<token>")
    for folder in _own_folders():
        text = re.sub(rf"{re.escape(folder)}[^\s'\":;,()<>]*", "<path>", text)
    text = PATH.sub("<path>", QUOTED.sub(r"\1<path>\1", text))
    for name, word in _names().items():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", word, text, flags=re.IGNORECASE)
    return re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], text)


def _own_secrets() -> list[str]:
    """The values of variables that hold keys and tokens."""
    names = [name for name in os.environ if re.search(r"TOKEN|KEY|SECRET|PASSWORD", name)]
    return [os.environ[name] for name in names if len(os.environ[name]) >= 8]


def _own_folders() -> list[str]:
    """Folders of this user and this program, the longest first; their names may hold spaces."""
    variables = ("EDITMETRICS_HOME", "HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "TMPDIR")
    folders = {os.path.expanduser("~"), os.getcwd(), sys.prefix, tempfile.gettempdir()}
    folders |= {os.environ[name] for name in variables if name in os.environ}
    return sorted((folder for folder in folders if len(folder) > SHORTEST), key=len, reverse=True)


@cache
def _names() -> dict[str, str]:
    names = {socket.gethostname(): "<host>", socket.gethostname().partition(".")[0]: "<host>"}
    try:
        names[getpass.getuser()] = "<user>"
    except (OSError, KeyError):  # an account without a name
        names[""] = ""
    return {name: word for name, word in names.items() if len(name) >= SHORTEST}
