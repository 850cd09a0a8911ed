"""An OpenAI-compatible server on this machine that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LIMIT = 10.0
"""Seconds after which a test that waits for something gives up."""


@dataclass
class Reply:
    """What the server sends back. `cut` ends the connection in the middle of the body; `endless` sends the body again
    and again, in chunks, until nobody listens."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    endless: bool = False


@dataclass
class Request:
    """What the server was asked, and when."""

    path: str
    headers: dict[str, str]
    body: Any
    time: float

    @property
    def text(self) -> str:
        """The last text of the last message."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else content[-1]["text"]


def completion(text: Any = "fine", *, finish: str = "stop", refusal: str | None = None, **more: Any) -> dict[str, Any]:
    """A chat completion as OpenAI documents it; 1767225600 is the beginning of 2026."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "judge-2026-01-01",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
        "system_fingerprint": "fp_1",
        **more,
    }


def problem(message: str, **more: Any) -> dict[str, Any]:
    """An error body as OpenAI documents it."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


class Server(ThreadingHTTPServer):
    """Replies in turn with `replies`, the last of them for ever; or with what `answer(request)` gives."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.requests: list[Request] = []
        self.replies: list[Reply] = [Reply(completion())]
        self.answer: Callable[[Request], Reply] | None = None
        self.models = ["judge"]
        self.pages: dict[str, Reply] = {}
        self.under_way = self.most_under_way = 0
        self.released, self.left = threading.Event(), threading.Event()
        self.sent = 0
        self.lock = threading.Lock()

    def reply(self, *replies: Any) -> None:
        """What to reply: `Reply`s, completions, or texts."""
        made = [Reply(completion(one)) if isinstance(one, str) else one for one in replies]
        self.replies = [one if isinstance(one, Reply) else Reply(one) for one in made]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no concern of the server's."""


@contextmanager
def running(port: int = 0) -> Iterator[Server]:
    """A server that answers at a port, or any free one, inside a `with`; replies that wait are let go at the end."""
    with Server(port) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._take(None)
        if (page := self.server.pages.get(self.path)) is not None:
            self._send(page)
            return
        self._send(Reply({"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.models]}))

    def do_POST(self) -> None:
        request = self._take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        server = self.server
        with server.lock:
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
            reply = server.replies[0]
            if len(server.replies) > 1:
                server.replies.pop(0)
        try:
            reply = server.answer(request) if server.answer else reply
        finally:
            with server.lock:
                server.under_way -= 1
        self._send(reply)

    def _take(self, body: Any) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body, time.monotonic())
        with self.server.lock:
            self.server.requests.append(request)
        return request

    def _send(self, reply: Reply) -> None:
        if reply.endless:
            self._send_for_ever(reply)
            return
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if reply.cut else data)
        if reply.cut:
            self.wfile.flush()
            self.close_connection = True

    def _send_for_ever(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        chunk = b"%x\r\n%s\r\n" % (len(reply.body), reply.body)
        try:
            while not self.server.released.is_set():
                self.wfile.write(chunk)
                self.server.sent += len(reply.body)
        except OSError:
            self.server.left.set()

    def log_message(self, *_: Any) -> None:
        pass
