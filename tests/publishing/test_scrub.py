"""Paths, images and secrets in the forms in which other programs write them."""

import base64
import io
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmetrics.publishing.scrub import Scrubber, problems


@pytest.mark.parametrize(
    "text",
    [
        "file://localhost/home/grace/x.png", "file:/home/grace/x.png", "see file:///C:/Users/grace/x.png",
        "%2Fhome%2Fgrace%2Fx.png", "FILE%3A%2F%2F%2Fhome%2Fgrace%2Fx.png", "C:/Users/grace/x.png",
        "C:/Users/grace/a b.png", "see C:/Users/grace/x.png", r'{"p": "C:\\Users\\grace\\x.png"}',
        r'{"p": "\/home\/grace\/x.png"}',
        "//server/grace/x.png", r"\\server\share\grace\x.png", "cannot read ~grace/x.png",
        "no such file: '/srv/holidays of grace/x.png'", 'cannot read "/srv/by grace/x y.png"',
        "ds_ieqa:weights=/srv/runs of grace/mine", "cannot read /srv/a grace/run/x.png: truncated",
    ],
)  # fmt: skip
def test_paths_are_shortened_in_every_spelling(text):
    scrubbed = Scrubber([Path("/srv/a grace/run")]).text(text)
    assert "grace" not in scrubbed
    assert scrubbed[-4:] == text[-4:]
    assert not list(problems("a.csv", scrubbed, images=False))


@pytest.mark.parametrize(
    "text",
    [
        "https://x.org/home/page",
        r"http:\/\/x.org\/a",
        "https%3A%2F%2Fx.org%2Fa%2Fb",
        "either/or",
        "1:/2",
        "http://x/?a=b/c d",
    ],
)
def test_addresses_and_words_stay(text):
    assert Scrubber().text(text) == text
    assert not list(problems("a.csv", text, images=False))


def test_a_name_in_escapes_of_json_is_seen(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "gräce")
    assert "'gräce'" in next(problems("a.json", json.dumps({"by": "gräce"}), images=False))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP"])
def test_images_are_found_in_every_encoding(form):
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(stream, form)
    content = stream.getvalue()
    plain, lines = base64.b64encode(content).decode(), base64.encodebytes(content).decode()
    spellings = [
        plain,
        lines,
        lines.replace("\n", "\r\n"),
        json.dumps({"raw": "\n" + lines}),
        "DATA:IMAGE/png;base64," + plain,
    ]
    spellings += [
        base64.urlsafe_b64encode(content).decode(),
        json.dumps(plain).replace("/", r"\/"),
        f"data:image/x;base64,{lines}",
    ]
    spellings += [content.hex(), content.hex().upper()] if form != "BMP" else []
    for text in spellings:
        scrubbed = Scrubber().text(f"see {text} there")
        assert "[image removed]" in scrubbed
        assert scrubbed.endswith(" there")
        assert len(scrubbed) < 120  # the end of the last line may stay
        assert any("an encoded image" in each for each in problems("a.csv", text, images=False))


@pytest.mark.parametrize(
    "text",
    [
        "https://ada:pass1234@host/v1", "http://host/v1?api_key=abcdefgh12345", "gsk_" + "a" * 30, "AIza" + "a" * 35,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "https://s3.org/x.png?X-Amz-Signature=abcdef0123456789",
        "Authorization: Basic YWRhOnB3MTIz", "ASIA" + "A1" * 8, "github_pat_" + "a1" * 12,
    ],
)  # fmt: skip
def test_secrets_of_many_services_are_seen(text):
    assert "a secret that begins with" in next(problems("a.csv", text, images=False))
    assert text[-8:] not in next(problems("a.csv", text, images=False))  # which does not repeat it


def test_dates_and_decimals_of_parquet_files_stay():
    day, scrubber = datetime(2026, 1, 2, 3, 4), Scrubber()
    cells = {"when": day, "day": day.date(), "at": [day.time(), timedelta(seconds=3)], "price": Decimal("1.50")}
    assert scrubber.value(cells) == {
        "when": "2026-01-02 03:04:00", "day": "2026-01-02", "at": ["03:04:00", "0:00:03"], "price": "1.50",
    }  # fmt: skip
    assert not scrubber.replaced["image"]
    assert scrubber.value(b"GIF") == "[image removed]"


def test_words_about_secrets_are_none():
    text = "basic understanding of a bearer of the token, sk_learn_and_other_names; the key=value; 12:30@noon"
    assert not list(problems("a.csv", text, images=False))
