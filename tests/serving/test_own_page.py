"""What a page of another site in the same browser may do with the demo and with a server: nothing."""

import asyncio

import pytest

from editmetrics.serving.own_page import OnlyOwnPage


def status(kind="http", **headers):
    """The status of the answer to a request with these headers."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    async def send(message):
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(OnlyOwnPage(app)({"type": kind, "headers": pairs}, None, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "127.0.0.1:8001"}, 200),
        ({"host": "localhost:9000", "origin": "http://localhost:9000"}, 200),  # through a tunnel
        ({"host": "[::1]:8001"}, 200),
        ({"host": "127.0.0.2"}, 200),
        ({"host": "rebound.example.org:8001"}, 403),
        ({"host": "127.0.0.1.example.org:8001"}, 403),
        ({"host": "127.0.0.1:8001", "origin": "https://example.org"}, 403),
        ({"host": "127.0.0.1:8001", "origin": "http://127.0.0.1:9999"}, 403),
        ({"host": "127.0.0.1:8001", "origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_other_sites_are_refused(headers, expected):
    assert status(**headers) == expected


def test_what_is_no_request_passes():
    assert status(kind="lifespan") == 200
