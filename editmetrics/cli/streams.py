"""Standard output and standard error as the whole program writes to them: there, and free of others' escape sequences.

Ids, prompts, paths, reasons and the texts of servers are data, and a terminal obeys what it is sent. So everything that
is written goes through `plain`, errors, warnings and tracebacks included; what styles and bars need goes around it, by
`unfiltered`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

from ..files.text import escape_terminal

MOVES = re.compile("(?:\r|\n|\x1b\\[[0-9]*A)+")
"""A text that does nothing but move the cursor, as the progress bars of libraries write them."""


class PlainStream:
    """A text stream that writes control characters out; everything else is `raw`'s own."""

    def __init__(self, raw: TextIO) -> None:
        self._raw = raw

    @property
    def rich_proxied_file(self) -> TextIO:
        """The stream below, which `rich` looks for under this name: its escape sequences are its own."""
        return self._raw

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")
        self._raw.write(_shown(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # there is no way around `write`
            raise AttributeError(name)
        return getattr(self._raw, name)


def unfiltered(stream: Any) -> Any:
    """The stream below a `PlainStream`, for text that is known to be ours, such as a bar; others as they are."""
    return getattr(stream, "rich_proxied_file", stream)


def echo_styled(*parts: str | tuple[str, dict[str, Any]], err: bool = False) -> None:
    """`click.echo` of several texts in one line, each alone or with its style: `("fail", {"fg": "red"})`."""
    texts = [
        escape_terminal(part) if isinstance(part, str) else click.style(escape_terminal(part[0]), **part[1])
        for part in parts
    ]
    click.echo("".join(texts), file=unfiltered(sys.stderr if err else sys.stdout))


@contextmanager
def plain_streams() -> Iterator[None]:
    """Standard output and error made safe and, where they are closed, made to go nowhere, for the block."""
    _occupy_standard_descriptors()
    kept = sys.stdout, sys.stderr
    raw = [open(os.devnull, "w") if stream is None else stream for stream in kept]  # noqa: SIM115 - until the end
    for stream in raw:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what its encoding lacks is written out, too
    sys.stdout, sys.stderr = (PlainStream(stream) for stream in raw)
    try:
        yield
    finally:
        for stream in raw:
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = kept


def _occupy_standard_descriptors() -> None:
    """Open `/dev/null` where standard input, output or error is closed, lest another file gets its number."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def _shown(text: str) -> str:
    if MOVES.fullmatch(text):
        return text
    if text.startswith("\r") and not text.endswith("\n"):  # a bar of a library, drawn over its last state
        return "\r" + escape_terminal(text.strip("\r")) + ("\r" if text.endswith("\r") else "")
    return escape_terminal(text)
