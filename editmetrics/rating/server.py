"""The page that collects votes, for browsers of this machine alone; nothing but the standard library serves it."""

from __future__ import annotations

import hmac
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any

from ..files.escaping import escape_html
from ..serving.listening import listening_socket
from .session import RatingSession, VoteRefusedError
from .trials import PREFERENCES, SCALE

HOST = "127.0.0.1"
FOLDER = Path(__file__).parent / "page"
FILES = {"page.js": "text/javascript; charset=utf-8", "page.css": "text/css; charset=utf-8"}
"""All files that are served as they are."""

QUESTIONS = {"pairs": "Which edit is better?", "single": "How good is this edit?"}
LARGEST_REQUEST = 4096
ASKED = {"next": {"rater"}, "vote": {"rater", "trial", "answer"}}
"""The requests of the page, and the texts that each carries."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class RatingServer(ThreadingHTTPServer):
    """The page of a session at `url`, whose path holds a random token. Port 0 picks a free one.

    Requests must name this address as their host, and votes must come from the page: other sites that a browser has
    open can neither read nor vote. `failure` is why it stopped by itself: a vote that could not be written.

    Raises `ListeningError` for a port that is taken.
    """

    daemon_threads = True

    def __init__(self, session: RatingSession, port: int = 0, question: str | None = None) -> None:
        super().__init__((HOST, port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening_socket(HOST, port)
        self.server_address = self.socket.getsockname()
        self.session = session
        self.question = question or QUESTIONS[session.mode]
        self.token = secrets.token_urlsafe(16)
        self.failure: OSError | None = None
        number = self.socket.getsockname()[1]
        self.hosts = {f"{HOST}:{number}", f"localhost:{number}"}
        self.url = f"http://{HOST}:{number}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a browser that left before its answer; report anything else."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def page(self) -> bytes:
        """Return the page, the same for all raters."""
        answers = PREFERENCES if self.session.mode == "pairs" else SCALE
        buttons = "".join(
            f'<button type="button" data-answer="{answer}" disabled><kbd>{answer[0].upper()}</kbd> {label}</button>\n'
            for answer, label in answers.items()
        )
        text = (FOLDER / "page.html").read_text(encoding="utf-8")
        return Template(text).substitute(question=escape_html(self.question), buttons=buttons).encode()


class _Handler(BaseHTTPRequestHandler):
    server: RatingServer
    timeout = 60
    server_version = "editmetrics"
    sys_version = ""

    def do_GET(self) -> None:
        route = self._route()
        if route is None:
            return
        if route == "":
            self._send(200, self.server.page(), "text/html; charset=utf-8")
        elif route in FILES:
            self._send(200, (FOLDER / route).read_bytes(), FILES[route])
        elif route.startswith("image/") and (image := self.server.session.picture(route[len("image/") :])):
            self._send(200, image, "image/png")
        else:
            self._refuse(404, "not found")

    def do_POST(self) -> None:
        route = self._route()
        if route is None:
            return
        origin, body = self.headers.get("Origin"), self._body()
        if origin is not None and origin.removeprefix("http://") not in self.server.hosts:
            self._refuse(403, "votes are accepted from the page only")
        elif route not in ASKED:
            self._refuse(404, "not found")
        elif body is None or not ASKED[route] <= body.keys():
            self._refuse(400, f"expected a JSON object with the texts {', '.join(sorted(ASKED[route]))}")
        else:
            self._take(route, body)

    def _take(self, route: str, body: dict[str, str]) -> None:
        """Write the vote, if it is one, and answer with the rater's next trial."""
        session, rater = self.server.session, body["rater"]
        try:
            if route == "vote":
                session.vote(rater, body["trial"], body["answer"])
        except VoteRefusedError as error:
            self._refuse(409, str(error))
            return
        except OSError as error:
            self.server.failure = error
            self._refuse(500, "the vote could not be written; the program has stopped")
            threading.Thread(target=self.server.shutdown).start()
            return
        try:
            showing = session.next(rater)
        except VoteRefusedError as error:
            self._refuse(409, str(error))
            return
        done, total = session.progress(rater)
        self._json(200, {"done": done, "total": total, "trial": showing.public() if showing else None})

    def _route(self) -> str | None:
        """The path behind the token; None after a request for another host or with another token is refused."""
        if self.headers.get("Host") not in self.server.hosts:
            self._refuse(403, "this address is not served here")
            return None
        token, slash, route = self.path[1:].partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(404, "not found")
            return None
        return route

    def _body(self) -> dict[str, str] | None:
        """The object that a request carries; None for anything else."""
        length = self.headers.get("Content-Length", "")
        kind = self.headers.get("Content-Type", "").partition(";")[0]
        if kind != "application/json" or not length.isdecimal() or int(length) > LARGEST_REQUEST:
            return None
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return None
        is_text = isinstance(body, dict) and all(isinstance(value, str) for value in body.values())
        return body if is_text and _is_unicode("".join(body.values())) else None

    def _json(self, status: int, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _refuse(self, status: int, reason: str) -> None:
        self._json(status, {"error": reason})

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no request: the address holds the token."""


def _is_unicode(text: str) -> bool:
    """Whether a text can be written: JSON's escapes may stand for half a character, and bytes for text."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
