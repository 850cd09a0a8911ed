"""A judge behind HTTP, against a real server on this machine that answers well, badly, slowly or not at all."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import threading
import time
import traceback

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import JpegImagePlugin

from editmetrics import SampleError
from editmetrics.judge import Encoding, JudgeError, JudgeUnavailableError, Message, Question, endpoint, open_judge
from editmetrics.judge.chat import Image
from editmetrics.sample import UnavailableError

from .server import LIMIT, Reply, Server, completion, problem

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
KEY = "sk-secret-0123456789"


def sent_image(request, part=0):
    uri = request.body["messages"][-1]["content"][part]["image_url"]["url"]
    head, _, data = uri.partition(";base64,")
    return head, PILImage.open(io.BytesIO(base64.b64decode(data)))


def test_an_answer_says_where_it_comes_from(server, judge):
    server.reply("It is sharp.")
    answer = judge().ask("How sharp is it?", [PIXELS], system="You judge photographs.")
    assert (answer.text, answer.status, answer.cached) == ("It is sharp.", "ok", False)
    assert (answer.model, answer.served, answer.fingerprint) == ("judge", "judge-2026-01-01", "fp_1")
    assert (answer.created, answer.finish) == ("2026-01-01T00:00:00+00:00", "stop")
    assert answer.usage == {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    assert answer.provenance()["served"] == "judge-2026-01-01"


def test_what_is_sent_is_what_was_asked(server, judge):
    judge(temperature=0.5, max_tokens=9, seed=3, extra={"reasoning_effort": "low"}).ask(
        Question.of("How sharp is it?", [PIXELS, PIXELS[:2]], system="You judge photographs.", round=2)
    )
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    messages = request.body.pop("messages")
    assert request.body == {
        "model": "judge", "temperature": 0.5, "max_tokens": 9, "seed": 5, "reasoning_effort": "low",
    }  # fmt: skip
    assert messages[0] == {"role": "system", "content": "You judge photographs."}
    assert [part["type"] for part in messages[1]["content"]] == ["image_url", "image_url", "text"]
    request.body["messages"] = messages
    head, image = sent_image(request)
    assert head == "data:image/png"
    np.testing.assert_array_equal(np.array(image), PIXELS)  # PNG is lossless
    np.testing.assert_array_equal(np.array(sent_image(request, 1)[1]), PIXELS[:2])


def test_a_text_may_be_sent_as_a_list_which_is_another_question(server, judge):
    plain, listed = (Question((Message("user", ("How sharp?",), flag),)) for flag in (False, True))
    judge().ask(plain)
    judge().ask(listed)
    contents = [request.body["messages"][0]["content"] for request in server.requests]
    assert contents == ["How sharp?", [{"type": "text", "text": "How sharp?"}]]
    assert plain.content() != listed.content()
    assert "listed" not in plain.content()["messages"][0]  # answers of earlier versions stay in the cache


def test_a_conversation_keeps_its_order(server, judge):
    judge().ask(
        Question(
            (
                Message("user", ("one", Image(PIXELS), "two")),
                Message("assistant", ("three",)),
                Message("user", ("four",)),
            )
        )
    )
    messages = server.requests[0].body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [part["type"] for part in messages[0]["content"]] == ["text", "image_url", "text"]


def test_images_may_be_sent_smaller(server, judge):
    judge(images=Encoding(form="jpeg", max_side=4, detail="high")).ask("?", [np.full((10, 20, 3), 200, np.uint8)])
    head, image = sent_image(server.requests[0])
    assert (head, image.format, image.size) == ("data:image/jpeg", "JPEG", (4, 2))
    assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4
    assert server.requests[0].body["messages"][0]["content"][0]["image_url"]["detail"] == "high"
    assert np.abs(np.array(image).astype(int) - 200).max() <= 2  # JPEG of quality 95 keeps a flat grey to 2 levels


def test_16_bit_images_are_sent_in_8(server, judge):
    judge().ask("?", [np.full((2, 2, 3), 0.5, np.float32)])
    assert np.array(sent_image(server.requests[0])[1])[0, 0, 0] == 128  # 127.5, rounded to even


@pytest.mark.parametrize("option", [{"form": "gif"}, {"quality": 0}, {"max_side": 0}])
def test_an_encoding_that_there_is_not_is_refused(option):
    with pytest.raises(ValueError, match="expected"):
        Encoding(**option)


# ------------------------------------------------------------------ asked again, and not


@pytest.mark.parametrize("passing", [Reply(problem("busy"), status) for status in (408, 409, 429, 500, 503, 529)]
                         + [Reply(completion("half"), cut=True), Reply({"error": {"code": 502, "message": "down"}})],
                         ids=lambda reply: "cut" if reply.cut else str(reply.status))  # fmt: skip
def test_what_passes_is_asked_again(server, judge, passing):
    server.reply(passing, passing, "fine")
    assert judge().ask("?").text == "fine"
    assert len(server.requests) == 3


@pytest.mark.parametrize("passing", [Reply(problem("busy"), 503), Reply(completion("half"), cut=True)])
def test_retries_are_bounded(server, judge, passing):
    server.reply(passing)
    with pytest.raises(SampleError, match=r"asked 3 times") as raised:
        judge(retries=2).ask("?")
    assert raised.value.status == "unavailable"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 413, 418, 422])
def test_a_bad_request_costs_its_question_only_and_is_not_repeated(server, judge, status):
    server.reply(Reply(problem("image too small"), status))
    with pytest.raises(SampleError, match=rf"{status}: image too small"):
        judge().ask("?")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(problem("no such key"), 401), "no such key.*EDITMETRICS_JUDGE_KEY, which is not set"),
        (Reply(problem("not for you"), 403), "not for you"),
        (Reply(problem("no credit"), 402), "no credit left"),
        (Reply(problem("You exceeded your quota", code="insufficient_quota"), 429), "no credit left"),
        (Reply(problem("no model judge"), 404), "Is 'judge' a model of this endpoint.*/v1"),
        (Reply(problem("does not exist", code="model_not_found"), 400), "Is 'judge' a model"),
        (Reply(problem("only 1 is supported", param="temperature"), 400), "Change temperature"),
        (Reply(problem("try there"), 308, {"location": "http://127.0.0.1:1/v1"}), "redirects to http://127.0.0.1:1/v1"),
        (Reply({"error": {"code": 402, "message": "Insufficient credits"}}), "no credit left"),
    ],
)  # fmt: skip
def test_what_is_wrong_for_all_questions_stops_the_run_at_once(server, judge, reply, said):
    server.reply(reply)
    unavailable = "Change" not in said  # an option that is wrong lies in the call
    with pytest.raises(JudgeUnavailableError if unavailable else JudgeError, match=said) as raised:
        list(judge(parallel=1).ask_all([Question.of("one"), Question.of("two"), Question.of("three")]))
    assert isinstance(raised.value, UnavailableError) is unavailable
    assert len(server.requests) <= 2  # the second may be under way before the first is known to have failed


def test_retry_after_is_honoured(server, judge):
    server.reply(Reply(problem("slow down"), 429, {"Retry-After": "0.15"}), "fine")
    assert judge().ask("?").text == "fine"
    first, second = server.requests
    assert second.time - first.time >= 0.15


def test_a_server_that_wants_too_long_a_wait_is_not_waited_for(server, judge, monkeypatch):
    monkeypatch.setattr(endpoint, "LONGEST_WAIT", 0.2)
    server.reply(Reply(problem("come back tomorrow"), 429, {"Retry-After": "0.3"}))
    with pytest.raises(SampleError, match="come back tomorrow"):
        judge().ask("?")
    assert len(server.requests) == 1


def test_a_server_that_is_silent_is_given_up(server, judge):
    server.answer = lambda request: (server.released.wait(LIMIT), Reply(completion()))[1]
    with pytest.raises(SampleError, match=r"no answer within 0\.2 s") as raised:
        judge(timeout=0.2).ask("?")
    assert raised.value.status == "unavailable"
    assert len(server.requests) == 1  # it was paid for, and would take as long again


def test_an_endpoint_that_is_not_there(tmp_path):
    with Server() as gone:
        url = gone.url
    with pytest.raises(JudgeUnavailableError, match=r"cannot be reached: .*is the server running"):
        open_judge("judge", endpoint=url).ask("?")


@pytest.mark.parametrize("status", [200, 500, 400])
def test_an_answer_without_an_end_is_read_to_a_limit(server, judge, monkeypatch, status):
    monkeypatch.setattr("editmetrics.judge.transport.LARGEST", 2**20)
    server.reply(Reply(b" " * 2**14, status, endless=True))
    with pytest.raises(SampleError, match=r"the answer is larger than 1 MB") as raised:
        judge().ask("?")
    assert raised.value.status == "failed"
    assert server.left.wait(LIMIT)  # the connection is closed
    assert server.sent < 16 * 2**20  # what fits in buffers between here and there
    assert len(server.requests) == 1


def test_a_compressed_answer_is_bounded_as_it_is_read(server, judge, monkeypatch):
    monkeypatch.setattr("editmetrics.judge.transport.LARGEST", 2**20)
    packed = gzip.compress(b" " * 2**24)
    server.reply(Reply(packed, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(SampleError, match=r"larger than 1 MB"):
        judge().ask("?")
    server.reply(Reply(gzip.compress(json.dumps(completion("packed")).encode()), headers={"Content-Encoding": "gzip"}))
    assert judge().ask("?").text == "packed"


def test_an_answer_that_trickles_is_given_up_in_time(server, judge):
    server.reply(Reply(b" ", endless=True))
    started = time.monotonic()
    with pytest.raises(SampleError, match=r"no answer within 0\.3 s") as raised:
        judge(timeout=0.3).ask("?")
    assert time.monotonic() - started < 5  # seconds; it never falls silent
    assert raised.value.status == "unavailable"


def test_the_list_of_models_is_bounded_too(server, judge, monkeypatch):
    monkeypatch.setattr("editmetrics.judge.transport.LARGEST", 2**10)
    server.models = ["x" * 2**12]
    with pytest.raises(JudgeUnavailableError, match="larger than"):
        judge("any").ask("?")


def test_an_endpoint_that_went_down_is_not_asked_for_every_question(server, judge):
    server.answer = lambda request: Reply(completion()) if request.text == "0" else Reply(problem("down"), 503)
    answers, questions = [], [Question.of(str(number)) for number in range(200)]
    with pytest.raises(JudgeUnavailableError, match=r"in a row were not answered.*503: down"):
        answers.extend(judge(parallel=1, retries=1).ask_all(questions))
    assert [answer.status for answer in answers[:3]] == ["ok", "unavailable", "unavailable"]
    assert len(server.requests) <= 2 * 7  # the first, three in vain, and what was under way


def test_now_and_then_an_answer_that_does_not_come_stops_nothing(server, judge):
    server.answer = lambda request: Reply(completion() if int(request.text) % 3 else problem("down"),
                                          200 if int(request.text) % 3 else 503)  # fmt: skip
    answers = list(judge(parallel=1, retries=0).ask_all([Question.of(str(number)) for number in range(30)]))
    assert [answer.status for answer in answers] == ["unavailable", "ok", "ok"] * 10


def test_the_cache_does_not_hide_an_endpoint_that_is_down(server, judge):
    even = [Question.of(str(number)) for number in range(0, 60, 2)]
    list(judge().ask_all(even))
    server.reply(Reply(problem("down"), 503))
    server.requests.clear()
    with pytest.raises(JudgeUnavailableError):
        list(judge(parallel=1, retries=0).ask_all([Question.of(str(number)) for number in range(60)]))
    assert len(server.requests) <= 6


def test_what_was_answered_comes_before_the_error(server, judge):
    """A first question that is slow, nine others that are answered, and then no credit."""
    others = threading.Semaphore(0)

    def answer(request):
        if request.text == "0":
            assert all(others.acquire(timeout=LIMIT) for _ in range(9))
        elif int(request.text) > 9:
            return Reply(problem("no credit"), 402)
        else:
            others.release()
        return Reply(completion(request.text))

    server.answer = answer
    found = []
    with pytest.raises(JudgeUnavailableError, match="no credit"):
        found.extend(judge(cache=False).ask_all([Question.of(str(number)) for number in range(30)], parallel=2))
    assert [answer.text for answer in found] == [str(number) for number in range(10)]


# ------------------------------------------------------------------ the name of the longest answer

AZURE = problem(
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    param="max_tokens", code="unsupported_parameter",
)  # fmt: skip


def knows(name, refusal):
    """An endpoint that refuses the other name of the longest answer."""

    def answer(request):
        return Reply(completion()) if name in request.body else Reply(refusal, 400)

    return answer


@pytest.mark.parametrize(
    ("url", "name", "refusal"),
    [
        ("endpoint", "max_completion_tokens", AZURE),
        ("endpoint", "max_completion_tokens", {"detail": "max_tokens: use max_completion_tokens"}),
        ("openai", "max_tokens", problem("Unrecognized request argument supplied: max_completion_tokens")),
        ("openai", "max_tokens", problem("Extra inputs are not permitted: max_completion_tokens", param="x")),
    ],
)
def test_the_longest_answer_has_the_name_that_the_endpoint_knows(server, judge, monkeypatch, url, name, refusal):
    server.answer = knows(name, refusal)
    if url == "openai":
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        asked = open_judge("judge", max_tokens=7)
    else:
        asked = judge(max_tokens=7)
    assert [asked.ask(text).text for text in "ab"] == ["fine", "fine"]
    assert [request.body.get(name) for request in server.requests] == [None, 7, 7]  # it is learned once
    assert "max_completion_tokens" not in asked.identity()


@pytest.mark.parametrize(
    "refusal", [problem("max_tokens is too large: 7", param="max_tokens"), problem("temperature", param="temperature")]
)
def test_another_complaint_is_not_one_of_the_name(server, judge, refusal):
    server.reply(Reply(refusal, 400))
    with pytest.raises(JudgeError, match="Change"):
        judge(max_tokens=7).ask("?")
    assert len(server.requests) == 1


def test_an_endpoint_that_knows_neither_name_is_asked_twice(server, judge):
    server.answer = lambda request: Reply(
        problem("Unsupported: max_tokens, max_completion_tokens", param="max_tokens"), 400
    )
    with pytest.raises(JudgeError, match="Unsupported"):
        judge(max_tokens=7).ask("?")
    assert len(server.requests) == 2


# ------------------------------------------------------------------ going away


def test_an_endpoint_that_goes_away_costs_the_questions_that_it_missed(judge, server):
    asked = judge(retries=1)
    assert asked.ask("one").ok
    server.shutdown()
    server.server_close()
    asked.backend._client.close()  # a connection that is kept open would be answered by the thread it belongs to
    asked.backend._client = None
    with pytest.raises(SampleError, match=r"cannot be reached.*asked 2 times"):
        asked.ask("two")


def test_a_stopped_run_waits_for_no_retry(server, judge, monkeypatch):
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 20.0)
    monkeypatch.setattr(endpoint, "LONGEST_BACKOFF", 20.0)
    server.answer = lambda request: Reply(completion()) if request.text == "good" else Reply(problem("busy"), 503)
    answers = judge(parallel=2).ask_all([Question.of("good"), Question.of("bad")])
    assert next(answers).ok
    started = time.monotonic()
    answers.close()
    assert time.monotonic() - started < 5  # seconds; the shortest retry comes after 10


# ------------------------------------------------------------------ no answer, or a strange one


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        (completion(None, refusal="I will not judge this."), "refused", "I will not judge this"),
        (completion(None, finish="content_filter"), "refused", "content_filter"),
        (completion("It shows a", finish="content_filter"), "refused", "content_filter"),
        (Reply(problem("filtered", code="content_filter"), 400), "refused", "filtered"),
        (Reply({"error": {"code": 403, "message": "flagged", "metadata": {"flagged_input": "x", "reasons": []}}}, 403),
         "refused", "flagged"),
        (completion(None), "unparseable", "answered nothing"),
        (completion(" \n"), "unparseable", "answered nothing"),
        (completion("", finish="length"), "unparseable", "larger max_tokens"),
        (Reply(b"<html>busy</html>"), "unavailable", "not with a JSON object.*busy"),
        (Reply(["a", "list"]), "unavailable", "not with a JSON object"),
        (Reply(b"[" * 200_000), "unavailable", "not with a JSON object"),
        (Reply(b"[" * 200_000, 400), "failed", "answered 400"),
        (Reply({"choices": []}), "failed", "not a chat completion"),
        (Reply({"choices": ["what"]}), "failed", "not a chat completion"),
        (Reply({"error": "what"}), "failed", "what"),
        (Reply(b"not even JSON", 400), "failed", "not even JSON"),
        (Reply({"detail": "from another framework"}, 422), "failed", "from another framework"),
    ],
)  # fmt: skip
def test_no_answer_has_a_status_a_reason_and_no_text_and_is_not_kept(server, judge, reply, status, said):
    server.reply(reply)
    asked = judge()
    for count in (1, 2):
        (answer,) = asked.ask_all([Question.of("?")])
        assert (answer.status, answer.text) == (status, None)
        assert len(server.requests) == count
    with pytest.raises(SampleError, match=f"(?s){said}") as raised:
        asked.ask("?")
    assert raised.value.status == status


def test_an_answer_that_says_little_of_itself(server, judge):
    server.reply({"choices": [{"message": {"content": "fine"}}], "created": "today", "usage": None, "model": None})
    answer = judge().ask("?")
    assert (answer.text, answer.served, answer.created, answer.usage) == ("fine", None, None, {})


def test_an_image_that_cannot_be_read_costs_its_question_only(server, judge, tmp_path):
    asked = [Question.of("?", [PIXELS]), Question.of("?", [tmp_path / "none.png"]), Question.of("!", [PIXELS])]
    assert [answer.status for answer in judge().ask_all(asked)] == ["ok", "failed", "ok"]
    assert len(server.requests) == 2


def test_half_a_character_costs_its_question_only(server, judge):
    assert [one.status for one in judge().ask_all([Question.of("\ud83d"), Question.of("?")])] == ["failed", "ok"]
    server.reply(b'{"choices": [{"message": {"content": "\\ud83d"}}]}')
    assert judge().ask("!").text == judge().ask("!").text == "\ud83d"


def test_a_model_that_changes_is_said(server, judge, caplog):
    server.reply(completion(model="judge-1"), completion(model="judge-2"))
    asked = judge()
    assert [asked.ask(text).served for text in "ab"] == ["judge-1", "judge-2"]
    assert "judge-1, judge-2" in caplog.text


# ------------------------------------------------------------------ many at once


def test_as_many_at_once_as_is_allowed_and_answers_in_order(server, judge):
    together = threading.Barrier(3)

    def answer(request):
        together.wait(LIMIT)  # passes only when three requests are under way at once
        return Reply(completion(f"to {request.text}"))

    server.answer = answer
    answers = judge(parallel=3).ask_all([Question.of(str(number)) for number in range(12)])
    assert [answer.text for answer in answers] == [f"to {number}" for number in range(12)]
    assert server.most_under_way == 3


def test_a_slow_answer_keeps_its_place(server, judge):
    second = threading.Event()

    def answer(request):
        if request.text == "1":
            second.set()
        elif request.text == "0":
            assert second.wait(LIMIT)
        return Reply(completion(request.text))

    server.answer = answer
    seen = []
    asked = judge().ask_all((Question.of(str(number)) for number in range(4)), parallel=2, progress=seen.append)
    assert [answer.text for answer in asked] == ["0", "1", "2", "3"] == sorted(answer.text for answer in seen)


def test_one_slow_answer_keeps_no_other_waiting(server, judge):
    """The first of 60 is answered after all others, which a window of answers in order would never come to."""
    others = threading.Semaphore(0)

    def answer(request):
        if request.text == "0":
            assert all(others.acquire(timeout=LIMIT) for _ in range(59))
        else:
            others.release()
        return Reply(completion(request.text))

    server.answer = answer
    questions = [Question.of(str(number)) for number in range(60)]
    each = list(judge().ask_each(questions, parallel=3))
    assert sorted(number for number, _ in each) == list(range(60))
    assert all(answer.text == str(number) for number, answer in each)
    assert [answer.text for answer in judge().ask_all(questions)] == [str(number) for number in range(60)]


@pytest.mark.parametrize("slow", [1, 2])
def test_slow_answers_leave_their_order_alone(server, judge, slow):
    """As many as are allowed at once less one are blocked until everything else is answered."""
    others, left = threading.Event(), set(range(slow, 20 + slow))

    def answer(request):
        if int(request.text) < slow:
            assert others.wait(LIMIT)
        else:
            with server.lock:
                left.discard(int(request.text))
                if not left:
                    others.set()
        return Reply(completion(request.text))

    server.answer = answer
    asked = judge().ask_all([Question.of(str(number)) for number in range(20 + slow)], parallel=slow + 1)
    assert [answer.text for answer in asked] == [str(number) for number in range(20 + slow)]


def test_questions_are_taken_as_they_are_needed(server, judge):
    """Two questions are under way and two wait; no more are taken before somebody reads the answer that is there."""
    taken, read = [], threading.Event()

    def answer(request):
        if request.text != "0":
            assert read.wait(LIMIT)
        return Reply(completion(request.text))

    server.answer = answer
    answers = judge(parallel=2).ask_all(Question.of(str(taken.append(n) or n)) for n in range(1000))
    assert next(answers).text == "0"
    assert taken == [0, 1, 2, 3]
    read.set()
    answers.close()
    assert taken == [0, 1, 2, 3]


# ------------------------------------------------------------------ the key


def test_the_key_is_sent_and_nowhere_else(server, judge, monkeypatch, home, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("EDITMETRICS_JUDGE_KEY", KEY)
    server.reply(f"Your key is {KEY}.", Reply(problem(f"wrong key {KEY}"), 401))
    asked = judge()
    answer = asked.ask("?")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    with pytest.raises(JudgeError) as raised:
        asked.ask("again?")
    said = "".join(traceback.format_exception(raised.value))
    kept = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert b"Your key is [the key]." in kept
    assert "EDITMETRICS_JUDGE_KEY, which is set" in said
    for text in (
        said,
        kept.decode(errors="replace"),
        caplog.text,
        repr(answer),
        str(asked.identity()),
        repr(vars(asked.backend)),
    ):
        assert KEY not in text


def test_what_is_meant_for_openai_is_sent_to_no_other_endpoint(server, judge, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: {KEY}\nAuthorization: Bearer {KEY}")
    judge("any").ask("?")
    assert [request.path for request in server.requests] == ["/v1/models", "/v1/chat/completions"]
    for request in server.requests:
        assert KEY not in str(request.headers)
        assert "authorization" not in request.headers


@pytest.mark.parametrize("header", ["Authorization", "authorization"])
def test_another_endpoint_has_its_own_key(server, judge, monkeypatch, header):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"{header}: Bearer {KEY}")
    monkeypatch.setenv("ROUTER_KEY", "sk-of-the-router")
    judge(key_variable="ROUTER_KEY").ask("?")
    assert server.requests[0].headers["authorization"] == "Bearer sk-of-the-router"


def test_openai_base_url_is_openai(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    open_judge("gpt-5", max_tokens=7).ask("?")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].body["max_completion_tokens"] == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "gpt-5"}, "OPENAI_API_KEY is not set"),
        ({"model": "m", "endpoint": "http://localhost:1/v1", "key_variable": "ROUTER_KEY"}, "ROUTER_KEY is not set"),
        ({"model": "m", "endpoint": "https://me:secret@example.org/v1"}, "user name"),
        ({"model": "m", "endpoint": "https://example.org/v1?key=secret"}, "query"),
        ({"model": "m", "endpoint": "localhost:8000/v1"}, "is not an endpoint"),
        ({"model": "m", "endpoint": "file:///etc/passwd"}, "is not an endpoint"),
        ({"model": "m", "endpoint": "http://[::1"}, "is not an endpoint"),
        ({"model": "m", "endpoint": "http://localhost:99999/v1"}, "is not an endpoint"),
        ({"model": "m", "endpoint": "http://local host/v1"}, "is not an endpoint"),
        ({"model": "", "endpoint": "http://localhost:1/v1"}, "name of a model"),
        ({"model": "m", "endpoint": "http://localhost:1/v1", "parallel": 0}, "parallel=0"),
        ({"model": "m", "endpoint": "http://localhost:1/v1", "extra": {"n": 5}}, "extra parameters n"),
        ({}, "one of the two"),
        ({"model": "m", "backbone": object()}, "one of the two"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_before_anything_is_sent(options, said):
    with pytest.raises(JudgeError, match=said) as raised:
        open_judge(**options)
    assert "secret" not in str(raised.value)


def test_a_key_that_travels_unencrypted_is_said(monkeypatch, caplog):
    monkeypatch.setenv("EDITMETRICS_JUDGE_KEY", KEY)
    open_judge("m", endpoint="http://gpu-server:8000/v1")
    assert "unencrypted" in caplog.text


@pytest.mark.parametrize("package", ["openai", "json_repair"])
def test_a_missing_package_is_named_with_its_pip_line(monkeypatch, package):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(JudgeError, match=rf"{package}.*pip install 'editmetrics\[judge\]'"):
        open_judge("m", endpoint="http://localhost:1/v1")


# ------------------------------------------------------------------ any, guided


def test_any_is_the_model_that_is_served(server, judge):
    asked = judge("any")
    assert asked.identity()["model"] == "judge"
    asked.ask("?")
    assert [request.body and request.body["model"] for request in server.requests] == [None, "judge"]


@pytest.mark.parametrize(("models", "said"), [([], "no model"), (["a", "b"], "several models: a, b")])
def test_any_of_several_is_no_model(server, judge, models, said):
    server.models = models
    with pytest.raises(JudgeError, match=said):
        judge("any").identity()


def test_a_guided_judge_sends_the_schema(server, judge):
    schema = {"score": range(11), "why": str}
    judge(guided=True).ask(Question.of("?", schema=schema))
    judge().ask(Question.of("?", schema=schema))
    guided, free = server.requests
    sent = guided.body["response_format"]["json_schema"]["schema"]
    assert sent["required"] == ["score", "why"]
    assert sent["additionalProperties"] is False
    assert (sent["properties"]["score"]["minimum"], sent["properties"]["score"]["maximum"]) == (0, 10)
    assert "response_format" not in free.body


def test_log_probabilities_are_kept_where_they_were_asked_for(server, judge):
    reply = completion("It is sharp.")
    rows = [{"token": "It", "logprob": -0.5}, {"token": " is", "logprob": -0.25}]
    reply["choices"][0]["logprobs"] = {"content": rows}
    server.reply(Reply(reply))
    answer = judge(extra={"logprobs": True}, cache=True).ask("How sharp is it?")
    assert server.requests[-1].body["logprobs"] is True
    assert answer.logprobs == ({"It": -0.5}, {" is": -0.25})
    assert answer.provenance()["mean_logprob"] == -0.375
    again = judge(extra={"logprobs": True}, cache=True).ask("How sharp is it?")
    assert again.cached
    assert again.provenance()["mean_logprob"] == -0.375
    for unknown in ({}, {"logprob": -9999.0}, {"logprob": float("nan")}):  # -9999 is vLLM's and OpenAI's "not known"
        reply["choices"][0]["logprobs"] = {"content": [*rows, {"token": ".", **unknown}]}
        server.reply(Reply(reply))
        assert "mean_logprob" not in judge(cache=False).ask("How sharp is it?").provenance()
