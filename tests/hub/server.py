"""A server on this machine that answers as the Hugging Face hub does: two addresses, the hub's and its storage's.

Small files come from the hub (by a redirect on its own address), large ones from the storage, at another origin, which
a token must not reach. `Hub.plain` has the files of ordinary sites. Faults are set as attributes; nothing sleeps.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from .uploads import Uploads

LARGE = (".safetensors", ".pth", ".pt", ".bin", ".parquet", ".tar")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def git_sha1(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@dataclass
class Repository:
    """A repository: files by path, the revisions that it has, its licence, who may read it, its card's head."""

    files: dict[str, bytes]
    commit: str = COMMIT
    revisions: tuple[str, ...] = ("main",)
    licence: str | None = "apache-2.0"
    gated: bool = False
    private: bool = False
    members: set[str] = field(default_factory=set)  # tokens
    card: dict = field(default_factory=dict)
    later: Repository | None = None  # what a branch has now, where that is not the commit above

    def at(self, revision: str) -> Repository | None:
        """The repository at a revision; None where it does not have that."""
        if self.later is not None and revision in (*self.later.revisions, self.later.commit):
            return self.later
        return self if revision in (*self.revisions, self.commit) else None

    def listing(self) -> list[dict]:
        return [
            {"path": path, "size": len(body), "oid": git_sha1(body)}
            | ({"lfs": {"oid": sha256(body), "size": len(body), "pointerSize": 134}} if path.endswith(LARGE) else {})
            for path, body in self.files.items()
        ]


class Request(NamedTuple):
    origin: str  # hub, storage or proxy
    method: str
    path: str
    range: str | None
    token: str | None


class Hub:
    """Serves `repositories` by id, data sets by "datasets/" and theirs; `requests` lists what was asked."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.plain: dict[str, bytes] = {}
        self.tokens = {"good", "stranger"}
        self.requests: list[Request] = []
        # uploads
        self.owners: set[str] = set()  # whose repositories the tokens may create
        self.created: list[dict] = []  # what was asked for
        self.stored: dict[str, bytes] = {}  # large files by sha256, before their commit
        self.leaks: list[str] = []  # tokens that reached the storage
        # faults
        self.broken_after: dict[str, int] = {}  # by the end of a path: bytes of the first GET's body
        self.altered: dict[str, bytes] = {}  # by the end of a path: another body than the hub states
        self.status: dict[
            str, tuple[int, dict[str, str]]
        ] = {}  # by a part of a path: an answer in place of the right one
        self.mirror = False  # leaves out the hub's own headers
        self.released = threading.Event()  # bodies wait for it
        self.released.set()
        self.front, self.storage = _Server(self, "hub"), _Server(self, "storage")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.front.server_port}"

    def downloads(self, end: str = "") -> list[Request]:
        """The GETs of bodies: those that the storage, or the hub for small files, answered last."""
        return [
            one
            for one in self.requests
            if one.method == "GET"
            and "/resolve/" not in one.path
            and (not one.path.startswith("/api/") or "/resolve-cache/" in one.path)
            and one.path.partition("?")[0].endswith(end)
        ]

    def storage_url(self, body: bytes, path: str) -> str:
        name = urllib.parse.quote(path.rpartition("/")[2])
        return f"http://127.0.0.1:{self.storage.server_port}/blobs/{sha256(body)}/{name}?X-Amz-Signature=secret"

    def blob(self, digest: str) -> bytes | None:
        repositories = [one for known in self.repositories.values() for one in (known, known.later) if one]
        bodies = (body for repository in repositories for body in repository.files.values())
        return next((body for body in bodies if sha256(body) == digest), None)

    @contextmanager
    def running(self) -> Iterator[Hub]:
        for server in (self.front, self.storage):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield self
        finally:
            self.released.set()
            self.stop()

    def stop(self) -> None:
        for server in (self.front, self.storage):
            server.shutdown()
            server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, hub: Hub, origin: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub, self.origin = hub, origin


class _Handler(Uploads, http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        hub, origin = self.server.hub, self.server.origin
        if self.path.startswith("http://"):  # as a proxy is asked
            origin, self.path = "proxy", "/" + self.path.split("/", 3)[3]
        authorization = self.headers.get("Authorization")
        token = authorization.removeprefix("Bearer ") if authorization else None
        hub.requests.append(Request(origin, self.command, self.path, self.headers.get("Range"), token))
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if self.faulty(path):
            return None
        if origin == "storage" or path.startswith("/blobs/"):
            body = hub.blob(path.split("/")[2])
            return self.fail(403) if body is None else self.send(path, body, {"ETag": f'"{sha256(body)}"'})
        if path in hub.plain:
            return self.send(path, hub.plain[path], {})
        raw = urllib.parse.urlsplit(self.path).path
        if path.startswith(("/api/models/", "/api/datasets/", "/api/spaces/")):
            return self.api(raw.removeprefix("/api/").removeprefix("models/"), token)
        if path.startswith("/api/resolve-cache/"):
            kind, owner, name, commit, inner = path.removeprefix("/api/resolve-cache/").split("/", 4)
            prefix = "" if kind == "models" else f"{kind}/"
            repository = hub.repositories[f"{prefix}{owner}/{name}"].at(commit)
            return self.send(path, repository.files[inner], self.facts(repository, inner))
        if "/resolve/" in path:
            revision, _, file = raw.partition("/resolve/")[2].partition("/")
            name = path.partition("/resolve/")[0].strip("/")
            return self.resolve(name, urllib.parse.unquote(revision), urllib.parse.unquote(file), token)
        return self.fail(404)

    def received(self) -> tuple[Hub, str, str | None, bytes]:
        """The hub, the path, the token and the body of a request that carries one."""
        hub, authorization = self.server.hub, self.headers.get("Authorization")
        token = authorization.removeprefix("Bearer ") if authorization else None
        hub.requests.append(Request(self.server.origin, self.command, self.path, None, token))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return hub, urllib.parse.unquote(urllib.parse.urlsplit(self.path).path), token, body

    def faulty(self, path: str) -> bool:
        """Whether an answer was planted for a part of the path; it is given."""
        for part, (status, headers) in self.server.hub.status.items():
            if part in path:
                self.fail(status, **headers)
                return True
        return False

    def resolve(self, name: str, revision: str, file: str, token: str | None) -> None:
        hub = self.server.hub
        if name in hub.renamed:
            return self.redirect(307, f"/{hub.renamed[name]}/resolve/{urllib.parse.quote(revision, safe='')}/{file}")
        repository = self.admitted(name, token)
        if repository is None:
            return None
        repository = repository.at(revision)
        if repository is None:
            return self.fail(404, X_Error_Code="RevisionNotFound", X_Error_Message=f"Invalid rev id: {revision}")
        if file not in repository.files:
            return self.fail(404, X_Error_Code="EntryNotFound", X_Error_Message="Entry not found")
        body = repository.files[file]
        if file.endswith(LARGE):
            return self.redirect(302, hub.storage_url(body, file), **self.facts(repository, file))
        kind = "" if name.startswith("datasets/") else "models/"
        cached = f"/api/resolve-cache/{kind}{name}/{repository.commit}/{urllib.parse.quote(file)}"
        return self.redirect(307, cached, **self.facts(repository, file))

    def facts(self, repository: Repository, file: str) -> dict[str, str]:
        body = repository.files[file]
        large = file.endswith(LARGE)
        tag = sha256(body) if large else git_sha1(body)
        facts = {"X-Linked-Size": str(len(body)), "X-Linked-ETag": f'"{tag}"', "X-Repo-Commit": repository.commit}
        return {"ETag": f'"{tag}"'} | ({} if self.server.hub.mirror else facts)

    def admitted(self, name: str, token: str | None) -> Repository | None:
        """The repository, if it exists and whoever asks may read it; None once they have been told that not."""
        hub, repository = self.server.hub, self.server.hub.repositories.get(name)
        if token is not None and token not in hub.tokens:
            message = "Invalid credentials in Authorization header"
            return self.fail(401, X_Error_Message=message)
        if repository is None or (repository.private and token not in repository.members):
            message = "Invalid username or password." if token is None else "Repository not found"
            return self.fail(401 if token is None else 404, X_Error_Code="RepoNotFound", X_Error_Message=message)
        if repository.gated and token not in repository.members:
            message = f"Access to model {name} is restricted"
            return self.fail(401 if token is None else 403, X_Error_Code="GatedRepo", X_Error_Message=message)
        return repository

    def api(self, path: str, token: str | None) -> None:
        parts = [urllib.parse.unquote(part) for part in path.split("/")]
        length = 3 if parts[0] in ("datasets", "spaces") else 2
        name, rest = "/".join(parts[:length]), parts[length:]
        name = self.server.hub.renamed.get(name, name)
        repository = self.server.hub.repositories.get(name)
        public = repository is not None and not repository.private  # those of gated ones are, too
        if not public or (token is not None and token not in self.server.hub.tokens):
            repository = self.admitted(name, token)
        if repository is None:
            return None
        revision = rest[1] if len(rest) > 1 else "main"
        repository = repository.at(revision)
        if repository is None:
            return self.fail(404, X_Error_Code="RevisionNotFound", X_Error_Message=f"Invalid rev id: {revision}")
        if rest[:1] == ["tree"]:
            return self.json([{"type": "file", **one} for one in repository.listing()])
        siblings = [
            {"rfilename": one["path"], "size": one["size"], "blobId": one["oid"]}
            | ({"lfs": {"sha256": one["lfs"]["oid"], "size": one["size"], "pointerSize": 134}} if "lfs" in one else {})
            for one in repository.listing()
        ]
        licence = repository.licence
        facts = {
            "id": name.removeprefix("datasets/").removeprefix("spaces/"),
            "sha": repository.commit,
            "private": repository.private,
        }
        facts |= {"siblings": siblings, "tags": ["pytorch", *([f"license:{licence}"] if licence else [])]}
        return self.json(facts | {"cardData": repository.card, "gated": "auto" if repository.gated else False})

    def send(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        hub = self.server.hub
        stated = len(body)
        body = next((other for end, other in hub.altered.items() if path.endswith(end)), body)
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("Accept-Ranges", "bytes")
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{stated}")
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "GET":
            return
        end = next((end for end in hub.broken_after if path.endswith(end)), None)
        cut = len(body) if end is None else hub.broken_after.pop(end)
        hub.released.wait(60)
        self.wfile.write(body[start:cut])
        if cut < len(body):
            self.close_connection = True

    def json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def redirect(self, status: int, location: str, **headers: str) -> None:
        self.empty(status, {"Location": location, **headers})

    def fail(self, status: int, **headers: str) -> None:
        self.empty(status, {key.replace("_", "-"): value for key, value in headers.items()})

    def empty(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
