"""Answers that are kept: nothing is asked twice, nothing is lost, and a file that is not ours is left alone."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from editmetrics import SampleError
from editmetrics.judge import Answer, Cache, Encoding, Estimate, JudgeError, Question, open_judge
from editmetrics.judge.asking import ask_and_read
from editmetrics.judge.cache import key_of

from .server import LIMIT, Reply, Server, completion, problem

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)


def test_what_was_asked_is_not_asked_again(server, judge):
    server.reply("first", "second")
    first = judge().ask("?", [PIXELS])
    again = judge().ask("?", [PIXELS])
    assert len(server.requests) == 1
    assert (first.cached, again.cached) == (False, True)
    assert (again.text, again.provenance()) == (first.text, first.provenance())


def test_the_file_of_an_image_is_its_pixels(server, judge, tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    Image.fromarray(PIXELS).save(tmp_path / "b.bmp")
    for image in (PIXELS, tmp_path / "a.png", str(tmp_path / "b.bmp"), (tmp_path / "a.png").read_bytes()):
        judge().ask("?", [image])
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("options", "question"),
    [
        ({}, Question.of("What?", [PIXELS], system="s")),
        ({}, Question.of("?", [PIXELS[::-1]], system="s")),
        ({}, Question.of("?", [PIXELS.reshape(4, 6, 3)], system="s")),
        ({}, Question.of("?", [PIXELS, PIXELS], system="s")),
        ({}, Question.of("?", [PIXELS], system="t")),
        ({}, Question.of("s?", [PIXELS])),
        ({}, Question.of("?", [PIXELS], system="s", round=1)),
        ({}, Question.of("?", [PIXELS], system="s", schema={"score": int})),
        ({"temperature": 0.0}, None),
        ({"max_tokens": 5}, None),
        ({"seed": 0}, None),
        ({"extra": {"top_p": 1}}, None),
        ({"guided": True}, None),
        ({"images": Encoding(form="jpeg")}, None),
        ({"images": Encoding(max_side=100)}, None),
        ({"model": "another"}, None),
    ],
)
def test_whatever_may_change_the_answer_asks_again(server, judge, options, question):
    asked = Question.of("?", [PIXELS], system="s")
    judge().ask(asked)
    judge(**options).ask(question or asked)
    assert len(server.requests) == 2


def test_another_endpoint_is_another_model(server, judge):
    one = judge().identity()
    assert key_of(one, Question.of("?")) != key_of(one | {"endpoint": "http://other/v1"}, Question.of("?"))


@pytest.mark.parametrize(
    "options", [{"timeout": 9.0}, {"retries": 0}, {"parallel": 1}, {"key_variable": "HOME"}, {"port": 0}, {"path": 0}]
)
def test_what_does_not_change_the_answer_does_not(server, judge, options):
    asked = judge()
    asked.ask("?")
    if "port" in options:
        with Server() as moved:
            threading.Thread(target=moved.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            options = {"endpoint": moved.url}
            assert judge(**options).ask("?").cached
            moved.shutdown()
    if "path" in options:
        options = {"endpoint": server.url.replace("127.0.0.1", "localhost") + "/openai"}
    again = judge(**options)
    assert again.ask("?").cached
    assert again.identity() == asked.identity()
    assert len(server.requests) == 1


def test_a_provider_is_its_host(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    hosts = {
        "http://localhost:8000/v1": "this machine",
        "http://[::1]:1/v1": "this machine",
        "https://openrouter.ai/api/v1": "openrouter.ai",
        "https://OpenRouter.ai:8443/v1": "openrouter.ai",
        "http://gpu-server:8000/v1": "gpu-server",
        None: "api.openai.com",
    }
    assert {url: open_judge("m", endpoint=url).identity()["endpoint"] for url in hosts} == hosts


def test_refreshing_asks_past_the_cache_and_replaces(server, judge):
    server.reply("old", "new")
    asked = judge()
    assert [asked.ask("?").text, asked.refreshing().ask("?").text, asked.ask("?").text] == ["old", "new", "new"]


def test_what_cannot_be_read_and_was_kept_is_asked_again_once(server, judge):
    server.answer = lambda request: Reply(completion("?" if request.text == "bad" else "yes"))
    questions = [Question.of(text) for text in ("good", "bad")]
    asked = []

    def reads(question, answer):
        return answer.text == "yes"

    for _ in range(3):
        server.requests.clear()
        assert [answer.text for answer in ask_and_read(judge(), questions, reads)] == ["yes", "?"]
        asked.append([request.text for request in server.requests])
    assert [sorted(one) for one in asked] == [["bad", "good"], ["bad"], ["bad"]]
    server.reply("yes")
    server.answer = None
    assert [answer.text for answer in ask_and_read(judge(), questions, reads)] == ["yes", "yes"]
    server.requests.clear()
    assert [answer.text for answer in ask_and_read(judge(), questions, reads)] == ["yes", "yes"]
    assert server.requests == []


def test_refresh_asks_again_and_replaces(server, judge):
    server.reply("old", "new", "newest")
    assert [judge(refresh=refresh).ask("?").text for refresh in (False, True, False)] == ["old", "new", "new"]
    assert len(server.requests) == 2


def test_a_refresh_that_fails_keeps_what_there_was(server, judge):
    server.reply("old", Reply(problem("no"), 400))
    judge().ask("?")
    with pytest.raises(SampleError):
        judge(refresh=True).ask("?")
    assert judge().ask("?").text == "old"


def test_without_a_cache_everything_is_asked(server, judge, home):
    for _ in range(2):
        assert not judge(cache=False).ask("?").cached
    assert len(server.requests) == 2
    assert not home.exists()


def test_rounds_are_kept_apart(server, judge):
    server.reply("a", "b", "c")
    rounds = [Question.of("?", round=number) for number in range(3)]
    texts = [[answer.text for answer in judge(parallel=1).ask_all(rounds)] for _ in range(2)]
    assert texts == [["a", "b", "c"]] * 2
    assert len(server.requests) == 3


def test_a_run_that_was_stopped_asks_only_what_is_missing(server, judge):
    questions = [Question.of(str(number)) for number in range(6)]
    server.reply(*["fine"] * 3, Reply(problem("no credit"), 402))
    with pytest.raises(JudgeError):
        list(judge(parallel=1).ask_all(questions))
    server.requests.clear()
    server.reply("fine")
    assert all(answer.ok for answer in judge(parallel=1).ask_all(questions))
    assert [request.text for request in server.requests] == ["3", "4", "5"]


def test_an_estimate_asks_nothing(server, judge, tmp_path):
    judge().ask("0", [PIXELS])
    questions = [Question.of(str(number % 4), [PIXELS]) for number in range(8)]  # each twice
    questions.append(Question.of("?", [tmp_path / "none.png"]))
    assert judge().estimate(questions) == Estimate(questions=9, cached=2, requests=3, images=3, unreadable=1)
    assert judge(cache=False).estimate(questions[:8]) == Estimate(8, 0, 8, 8, 0)
    assert judge(refresh=True).estimate(questions[:8]).requests == 4
    assert len(server.requests) == 1


# ------------------------------------------------------------------ the file


def kept(text="fine", **more):
    return Answer(text, model="m", asked="2026-01-01T00:00:00+00:00", **more)


def test_the_file_is_its_owners_and_in_wal(home):
    cache = Cache()
    cache.put("k", Question.of("?", [PIXELS]), kept())
    assert cache.path == home / "judge" / "answers.sqlite"
    if os.name == "posix":
        assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600
    with sqlite3.connect(cache.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        (question,) = connection.execute("SELECT question FROM answers").fetchone()
    assert len(question) < 500  # a digest of the image, not the image


def test_the_first_answer_stands(tmp_path):
    cache = Cache(tmp_path / "a.sqlite")
    question = Question.of("?")
    assert cache.put("k", question, kept("first")).text == "first"
    assert cache.put("k", question, kept("second")).text == "first"
    assert cache.put("k", question, kept("third"), replace=True).text == "third"
    assert cache.get("k").text == "third"
    assert cache.get("other") is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 100), "not a database"),
        (lambda path: path.mkdir(), "unable to open|directory"),
        (lambda path: _foreign(path), "another program"),
        (lambda path: _newer(path), "version 99.*update"),
        (lambda path: _torn(path), "malformed|not a database|disk image"),
    ],
    ids=["text", "folder", "foreign", "newer", "torn"],
)
def test_a_file_that_cannot_be_used_is_named_and_left_alone(server, judge, tmp_path, make, said):
    path = tmp_path / "answers.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    questions = [Question.of(str(number)) for number in range(50)]
    with pytest.raises(JudgeError, match=rf"answers\.sqlite cannot be used: .*({said})"):
        list(judge(cache=path).ask_all(questions))
    assert before is None or path.read_bytes() == before


def _foreign(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photographs (name TEXT)")


def _newer(path):
    cache = Cache(path)
    cache.put("k", Question.of("?"), kept())
    cache.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def _torn(path):
    cache = Cache(path)
    for number in range(200):
        cache.put(f"{number:064}", Question.of("?"), kept("x" * 400))
    cache.close()
    data = path.read_bytes()
    path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))


def test_a_folder_that_may_not_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JudgeError, match="cannot be used"):
        Cache(tmp_path / "file" / "answers.sqlite").get("k")


def test_many_threads_share_one_cache(server, judge):
    asked = judge(parallel=8)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: asked.ask(str(number % 10)).text, range(80)))
    assert answers == ["fine"] * 80
    assert {request.text for request in server.requests} == {str(number) for number in range(10)}


def test_two_threads_that_ask_the_same_get_the_same(server, judge):
    together = threading.Barrier(2)
    texts = iter(["one", "two"])

    def answer(request):
        together.wait(LIMIT)
        with server.lock:
            return Reply(completion(next(texts)))

    server.answer = answer
    asked = [answer.text for answer in judge().ask_all([Question.of("?"), Question.of("?")], parallel=2)]
    assert asked[0] == asked[1] == judge().ask("?").text


ASK = """
import sys
from editmetrics.judge import Question, open_judge
judge = open_judge("judge", endpoint=sys.argv[1], cache=sys.argv[2], parallel=4)
for answer in judge.ask_all(Question.of(str(number)) for number in range(40)):
    assert answer.text.startswith("to "), answer
"""


def test_two_processes_share_one_file(server, judge, tmp_path):
    server.answer = lambda request: Reply(completion(f"to {request.text}"))
    path = tmp_path / "shared.sqlite"
    command = [sys.executable, "-c", ASK, server.url, str(path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    asked = len(server.requests)
    assert 40 <= asked <= 80
    answers = judge(cache=path).ask_all(Question.of(str(number)) for number in range(40))
    assert [answer.text for answer in answers] == [f"to {number}" for number in range(40)]
    assert len(server.requests) == asked
    assert Cache(path).summary()[0].answers == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_shares_no_connection(server, judge):
    asked = judge()
    asked.ask("parent")
    client, connection = asked.backend._client, asked.cache._connection
    child = os.fork()
    if child == 0:
        fine = asked.ask("child").text == "fine"
        os._exit(0 if fine and asked.backend._client is not client and asked.cache._connection is not connection else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert asked.ask("child").cached


def test_summary_and_clear(tmp_path):
    cache = Cache(tmp_path / "a.sqlite")
    for key, model, served in (("1", "a", "a-1"), ("2", "a", "a-1"), ("3", "a", "a-2"), ("4", "b", None)):
        cache.put(key, Question.of("?"), Answer("fine", model=model, served=served, asked=f"2026-01-0{key}"))
    assert [(one.model, one.served, one.answers, one.first, one.last) for one in cache.summary()] == [
        ("a", "a-1", 2, "2026-01-01", "2026-01-02"),
        ("a", "a-2", 1, "2026-01-03", "2026-01-03"),
        ("b", "", 1, "2026-01-04", "2026-01-04"),
    ]
    assert cache.clear("a") == 3
    assert cache.clear() == 1
    assert cache.summary() == []
