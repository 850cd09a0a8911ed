"""The page in a real browser: keys and buttons, two windows, hostile prompts, the end."""

import json

import pytest

from editmetrics.rating.session import VoteRefusedError

from ..report import browser
from .conftest import SOURCES, serving

READY = "document.querySelector('#answers button:enabled')"


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    yield from browser.opened(tmp_path_factory.mktemp("profile"))


def enter(page, server, rater):
    page.driver.get(server.url)
    page.press(rater, "\n")
    page.wait(READY)


def count(page):
    return page.value("document.getElementById('count').textContent")


def vote(page, key, done):
    page.wait(READY)
    page.press(key)
    page.wait(f"document.getElementById('count').textContent.startsWith('{done} ')")


def test_pairs_by_keys_in_two_windows(window, manifest, tmp_path):
    output = tmp_path / "votes.jsonl"
    with serving(manifest, output) as (_, server):
        window.resize(1280, 800)
        window.console(), window.requests()
        enter(window, server, "abt")  # these letters are a name here, and no votes
        assert count(window) == f"0 of {SOURCES}"
        shown = window.value("[...document.querySelectorAll('figcaption')].map((line) => line.textContent)")
        assert shown == ["Source", "A", "B"]
        assert window.value("document.querySelectorAll('#pictures img').length") == 3
        assert window.value("document.getElementById('prompt').textContent").startswith("<b>")
        assert "secret" not in window.value("document.documentElement.outerHTML")
        assert window.overflow() <= 0
        for done, key in enumerate("ab", 1):
            vote(window, key, done)
        first = window.driver.current_window_handle
        window.driver.switch_to.new_window("window")
        enter(window, server, "second")
        vote(window, "T", 1)
        window.driver.close()
        window.driver.switch_to.window(first)
        window.press("x", "1")  # no answers here
        assert count(window) == f"2 of {SOURCES}"
        vote(window, "t", 3)
        window.wait(READY)
        window.run("document.querySelector('[data-answer=B]').click()")
        window.wait("!document.getElementById('end').hidden")
        window.press("a")
        assert window.console() == []
        assert {address.split("/")[2] for address in window.requests()} == {server.url.split("/")[2]}
    votes = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [(one["rater"], one["winner"]) for one in votes] == [
        ("abt", "image_a"), ("abt", "image_b"), ("second", "tie"), ("abt", "tie"), ("abt", "image_b"),
    ]  # fmt: skip


def test_grades_by_keys_and_a_program_that_has_stopped(window, manifest, tmp_path):
    output = tmp_path / "grades.jsonl"
    with serving(manifest, output, "single") as (_, server):
        window.resize(390, 800)
        enter(window, server, "ann")
        assert window.overflow() <= 0
        vote(window, "4", 1)
        vote(window, "1", 2)
        window.wait(READY)
    with pytest.raises(VoteRefusedError, match="not open"):
        server.session.vote("ann", server.session.next("ann").token, "5")
    window.press("5")
    window.wait("document.getElementById('message').textContent.includes('Start it again')")
    assert [json.loads(line)["value"] for line in output.read_text(encoding="utf-8").splitlines()] == [4, 1]
