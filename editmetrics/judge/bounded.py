"""An HTTP client whose answers have a largest size and a longest time: no server can fill memory, or hang a run."""

from __future__ import annotations

import time
from typing import Any

LARGEST = 16 * 2**20
"""Bytes of an answer, decompressed, that are read; a long chain of thought takes less than one hundredth of it."""


class TooLargeError(Exception):
    """An answer has more bytes than are read."""


class TooSlowTimeout(Exception):
    """An answer was still coming when its time was over."""


def bounded_client(seconds: float, **options: Any) -> Any:
    """openai's HTTP client, which reads at most `LARGEST` bytes of an answer and for at most `seconds`.

    Its requests raise `TooLargeError` and `TooSlowTimeout`. `options` are those of `openai.DefaultHttpxClient`;
    requests and responses are of the HTTP library that the installed version of openai uses.
    """
    import openai

    base: Any = openai.DefaultHttpxClient

    class BoundedClient(base):
        def send(self, request: Any, *, stream: bool = False, **more: Any) -> Any:
            """The whole answer, whatever `stream` says."""
            deadline = time.monotonic() + seconds
            response = super().send(request, stream=True, **more)
            try:
                content = _content(response, deadline)
            finally:
                response.close()
            encoded = {"content-encoding", "content-length", "transfer-encoding"}
            headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in encoded]
            extensions = {name: value for name, value in response.extensions.items() if name != "network_stream"}
            return type(response)(
                response.status_code, headers=headers, content=content, request=request, extensions=extensions
            )

    return BoundedClient(**options)


def _content(response: Any, deadline: float) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > LARGEST:
            raise TooLargeError(f"the answer is larger than {LARGEST // 2**20} MB")
        if time.monotonic() > deadline:
            raise TooSlowTimeout("the answer was still coming")
    return bytes(content)
