"""A checkpoint of a few kB, the server that has it, and a look into the store."""

from __future__ import annotations

import hashlib
import http.server
import json
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BODY = bytes(range(256)) * 40
DIGEST = hashlib.sha256(BODY).hexdigest()
OTHER = BODY[::-1]


class Server(http.server.ThreadingHTTPServer):
    """Serves `bodies` by path; `requests` lists what it was asked, as (method, path, Range)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.redirects: dict[str, str] = {}
        self.breaks_after: dict[str, int] = {}  # bytes, at the first GET only
        self.requests: list[tuple[str, str, str | None]] = []
        self.before_body = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def downloads(self) -> int:
        return sum(method == "GET" for method, _, _ in self.requests)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.respond(with_body=False)

    def do_GET(self) -> None:
        self.respond(with_body=True)

    def respond(self, with_body: bool) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.requests.append((self.command, self.path, wanted))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if self.path not in server.bodies:
            return self.send_error(404)
        body = server.bodies[self.path]
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        for key, value in server.headers.get(self.path, {}).items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            server.before_body()
            self.wfile.write(body[start : server.breaks_after.pop(self.path, len(body))])
            self.close_connection = True
        return None

    def log_message(self, *_: object) -> None:
        pass


def entry(source: dict, *files: dict, **more) -> dict:
    facts = {"metric": "toy", "megabytes": 0.01, "licence": "CC0-1.0", "commercial_use": True, "paper": "none"}
    return {**facts, "source": source, "files": list(files), **more}


def record(home: Path) -> dict:
    return json.loads((home / "toy" / "record.json").read_text())["files"]["toy.bin"]


def left_behind(home: Path) -> set[str]:
    return {str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()} - {"toy.lock"}


def put_by_hand(home: Path, body: bytes = BODY) -> Path:
    file = home / "toy" / "toy.bin"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return file
