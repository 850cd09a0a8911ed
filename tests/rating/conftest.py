"""Edits of four sources by two systems, one colour each, and a page that asks about them."""

import csv
import http.client
import io
import json
import threading
from contextlib import contextmanager

import pytest
from PIL import Image

from editmetrics.data import from_manifest
from editmetrics.rating import RatingServer, RatingSession, trials_of

from ..cli.conftest import run  # noqa: F401

COLOURS = {"secret-red": (200, 30, 30), "secret-blue": (30, 30, 200)}
SOURCES = 4


@pytest.fixture
def manifest(tmp_path):
    rows = []
    for number in range(SOURCES):
        Image.new("RGB", (12, 8), (90 + number, 200, 90)).save(tmp_path / f"source{number}.png")
        for system, colour in COLOURS.items():
            (tmp_path / system).mkdir(exist_ok=True)
            Image.new("RGB", (12, 8), colour).save(tmp_path / system / f"{number}.png")
            rows.append([f"{system}/{number}", system, f"source{number}.png", f"{system}/{number}.png", f"<b>{number}"])
    return write(tmp_path / "manifest.csv", ["id", "system", "source", "edited", "prompt"], rows)


def write(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


class Client:
    """Requests to a page, as a browser sends them."""

    def __init__(self, server):
        self.address = server.server_address[:2]
        self.path = f"/{server.token}/"
        self.seen = []

    def request(self, method, route, body=None, **headers):
        """The status and the body of an answer; `route` from "/" on is a whole path."""
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        path = route if route.startswith("/") else self.path + route
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body if isinstance(body, (str, bytes)) else json.dumps(body), sent)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        self.seen.append(str(answer.getheaders()).encode() + (b"" if data.startswith(b"\x89PNG") else data))
        return answer.status, data

    def post(self, route, **body):
        status, data = self.request("POST", route, body)
        return status, json.loads(data)

    def next(self, rater):
        status, answer = self.post("next", rater=rater)
        assert status == 200, answer
        return answer

    def colour(self, address):
        """The system of an image, by its colour."""
        status, data = self.request("GET", address)
        assert status == 200
        pixel = Image.open(io.BytesIO(data)).getpixel((0, 0))
        return next(system for system, colour in COLOURS.items() if colour == pixel)


@contextmanager
def serving(manifest, output, mode=None, **options):
    samples = from_manifest(manifest)
    trials = trials_of(samples, mode, manifest.parent)
    with RatingSession(trials, output, **options) as session, RatingServer(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Client(server), server
        finally:
            server.shutdown()
            thread.join()
