"""`editmetrics judge`: asking once, and the cache."""

import pytest
from click.testing import CliRunner
from PIL import Image

from editmetrics.cli.judge import judge as command
from editmetrics.judge import Cache
from editmetrics.sample import EditMetricsError


@pytest.fixture
def run(server):
    def called(*arguments, **more):
        return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False, **more)

    return called


def test_ask_shows_the_answer_and_where_it_comes_from(run, server, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "cat.png")
    server.reply("It is [bold]black[/].")
    for cached in (False, True):
        result = run("ask", "What is it?", tmp_path / "cat.png", "--endpoint", server.url, "--temperature", 0)
        assert result.stdout == "It is [bold]black[/].\n"
        assert "model judge; served judge-2026-01-01" in result.stderr
        assert "15 total tokens" in result.stderr
        assert ("from the cache" in result.stderr) is cached
    assert server.requests[-1].path == "/v1/models"
    assert [request.path for request in server.requests].count("/v1/chat/completions") == 1


def test_a_refresh_asks_again_and_replaces_the_answer(run, server):
    command = ("ask", "?", "--endpoint", server.url)
    server.reply("old")
    run(*command)
    server.reply("new")
    assert run(*command).stdout == "old\n"
    assert run(*command, "--refresh").stdout == "new\n"
    assert run(*command).stdout == "new\n"


def test_ask_says_what_is_wrong(run, server):
    with pytest.raises(EditMetricsError, match="OPENAI_API_KEY is not set"):
        run("ask", "?")
    with pytest.raises(EditMetricsError, match=r"none\.png does not exist"):
        run("ask", "?", "none.png", "--endpoint", server.url)


def test_the_cache_is_shown_and_cleared(run, server):
    assert "the cache is empty" in run("cache").stdout
    assert not Cache().path.exists()  # looking makes nothing
    for text in ("one", "two"):
        run("ask", text, "--endpoint", server.url)
    shown = run("cache").stdout
    assert str(Cache().path) in shown
    assert shown.splitlines()[-1].split()[:3] == ["judge", "judge-2026-01-01", "2"]
    assert run("clear", input="n\n").exit_code == 1
    assert run("clear", "--model", "another").stdout == "deleted 0 answers\n"
    assert run("clear", "--yes").stdout == "deleted 2 answers\n"
