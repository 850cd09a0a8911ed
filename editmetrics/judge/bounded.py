"""An HTTP client whose answers have a largest size and a longest time, so that no server can fill memory or hang a run.

Imports openai, and is imported by `endpoint` when the first request is made.
"""

from __future__ import annotations

import time
from typing import Any

import openai

LARGEST = 16 * 2**20
"""Bytes of an answer, decompressed, that are read; a long chain of thought takes less than one hundredth of it."""


class TooLargeError(Exception):
    """An answer has more bytes than are read."""


class TooSlowTimeout(Exception):
    """An answer was still coming when its time was over."""


class BoundedClient(openai.DefaultHttpxClient):
    """openai's client, which reads at most `LARGEST` bytes of an answer and for at most `seconds`.

    Requests and responses are those of the HTTP library that this version of openai uses.
    """

    def __init__(self, *, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self.seconds = seconds

    def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:  # type: ignore[override,unused-ignore]
        """The whole answer, whatever `stream` says. Raises `TooLargeError`, `TooSlowTimeout`."""
        deadline = time.monotonic() + self.seconds
        response = super().send(request, stream=True, **options)
        try:
            content = self._content(response, deadline)
        finally:
            response.close()
        encoded = {"content-encoding", "content-length", "transfer-encoding"}
        headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in encoded]
        extensions = {name: value for name, value in response.extensions.items() if name != "network_stream"}
        return type(response)(
            response.status_code, headers=headers, content=content, request=request, extensions=extensions
        )

    def _content(self, response: Any, deadline: float) -> bytes:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > LARGEST:
                raise TooLargeError(f"the answer is larger than {LARGEST // 2**20} MB")
            if time.monotonic() > deadline:
                raise TooSlowTimeout("the answer was still coming")
        return bytes(content)
