"""Levels and digits read through a server equal those read on this machine; what a server leaves out is not filled in.

Both sides compute in float32, by different code: prompts and forward passes of the fake servers are transformers' own.
Differences of probabilities are some 1e-7, of numbers at most 1e-4 of the scale.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from editmetrics import Sample, create_metric
from editmetrics.conventions import metric_class_of
from editmetrics.mllm import readouts
from editmetrics.mllm.prompt_writer import PromptWriter
from editmetrics.sample import SampleError, UnavailableError
from editmetrics.scoring import score
from editmetrics.testing import tiny_backbone
from tests.conventions.test_levels import conventions
from tests.judge.server import Reply, problem

from .fake import Model, _image, serve

EDITED = np.random.default_rng(0).integers(0, 256, (64, 72, 3), dtype=np.uint8)
SAMPLE = Sample("one", edited=EDITED)
PROGRAMS = pytest.mark.parametrize("program", ["vllm", "sglang"])


@pytest.fixture
def levels(base, tmp_path):
    """The class of a metric that weighs level words over the whole vocabulary."""
    return metric_class_of(conventions(tmp_path, base, among='"vocabulary"'), __name__)


@pytest.fixture
def asked(server, levels):
    """Make a metric that asks the server, without waiting for retries."""
    return lambda program="vllm", **options: levels(backend=program, endpoint=server.url, **options)


@PROGRAMS
def test_levels_are_those_of_this_machine(server, model, levels, asked, program):
    serve(server, model, program)
    here, there = levels().to("cpu")(SAMPLE), asked(program)(SAMPLE)
    assert float(there) == pytest.approx(float(here), rel=1e-5)
    assert there.details["mass"] == pytest.approx(here.details["mass"], rel=1e-5)


@PROGRAMS
def test_words_that_the_model_was_not_about_to_say_are_no_score(server, model, base, tmp_path, program, monkeypatch):
    serve(server, model, program)
    metric = metric_class_of(conventions(tmp_path, base), __name__)
    here, there = metric().to("cpu"), metric(backend=program, endpoint=server.url)
    assert there(SAMPLE).status == here(SAMPLE).status == "unparseable"
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)
    assert float(there(SAMPLE)) == pytest.approx(float(here(SAMPLE)), rel=1e-5)
    assert there(SAMPLE).uncertainty == pytest.approx(here(SAMPLE).uncertainty, rel=1e-4)


def test_digits_are_those_of_this_machine(server, base, model, monkeypatch):
    """A random model writes anything: each position is asked for by itself, behind the likeliest digit."""
    compare_digits(server, base, model, "vllm", monkeypatch)


@PROGRAMS
def test_digits_of_tiles_are_those_of_this_machine(server, tmp_path, program, monkeypatch):
    base = tiny_backbone("internvl", tmp_path)
    compare_digits(server, base, Model(base), program, monkeypatch)


def compare_digits(server, base, model, program, monkeypatch):
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)
    serve(server, model, program)
    sample = Sample("one", source=EDITED, edited=np.roll(EDITED, 9, 0), prompt="make it red")
    monkeypatch.setattr(model, "limits", PromptWriter.from_files(str(base), image_tokens=300).limits)
    options = f"backbone={base},image_tokens=300"
    here = create_metric(f"ds_ieqa:{options},read=expected").to("cpu")(sample)
    there = create_metric(f"ds_ieqa:{options},read=expected,backend={program},endpoint={server.url}")(sample)
    assert here.ok
    assert there.ok, there.reason
    assert dict(there) == pytest.approx(dict(here), abs=1e-2)  # of 100
    assert there.uncertainty == pytest.approx(here.uncertainty, abs=1e-2)
    assert there.details["digit_mass"] == pytest.approx(here.details["digit_mass"], rel=1e-4)
    assert there.details["zero_shot"]


def test_what_the_model_writes_by_itself_is_read_from_one_reply(server, model, base):
    from editmetrics.judge import Question
    from editmetrics.served import open_server
    from editmetrics.served.questions import ReadStep, token_question

    serve(server, model)
    writer = PromptWriter.from_files(str(base))
    prompt = writer.processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "text", "text": "Well?"}]}], tokenize=False, add_generation_prompt=True
    )
    _, rows = model.continued(prompt + "It is", [], 2)
    written = [int(row.argmax()) for row in rows]
    texts = [writer.tokenizer.decode([token]) for token in written]
    other = [int(row.argmin()) for row in rows]
    steps = [ReadStep((least, best), ("?", text)) for least, best, text in zip(other, written, texts, strict=True)]
    backend = open_server("vllm", "judge", endpoint=server.url)
    question = token_question(writer, Question.of("Well?"), steps, "It is")
    (answer,) = backend.answer([question], threading.Event())
    assert answer.text == "".join(texts)
    assert len(server.requests) == 1
    for row, read, step in zip(rows, answer.logprobs, steps, strict=True):
        assert read == pytest.approx({str(token): float(row[token]) for token in step.tokens}, abs=1e-6)


@pytest.mark.parametrize("program", ["vllm", "sglang"])
def test_the_images_that_are_sent_have_the_pixels_of_this_machine(server, model, asked, program):
    serve(server, model, program)
    asked(program)(SAMPLE)
    body = server.requests[-1].body
    url = body["image_data"][0] if program == "sglang" else body["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")
    assert np.array_equal(np.asarray(_image(url)), EDITED)


def test_a_reply_that_a_real_vllm_gave_is_read():
    """Of 0.32.0 on a CPU, shortened: two positions, and of the tokens that were asked for four."""
    from editmetrics.served.vllm import VLLM

    reply = json.loads(Path(__file__).with_name("vllm_0_32_reply.json").read_text(encoding="utf-8"))
    tokens, length = VLLM("ds_ieqa", endpoint="http://localhost:8000/v1").read_reply(reply)
    assert (length, [token.token for token in tokens]) == (266, [18, 23])
    assert tokens[0].logprobs == {
        18: -2.020533323287964, 15: -2.5083682537078857, 16: -2.52583384513855, 17: -2.120136022567749
    }  # fmt: skip
    assert tokens[1].logprobs[23] == -1.9517028331756592


# ---------------------------------------------------------------------- what is not a number


def changed(server, change):
    """Let `change` make something else of each reply of the server."""
    answer = server.answer
    server.answer = lambda request: change(json.loads(json.dumps(answer(request).body)))


def test_a_server_that_keeps_the_likeliest_alone_gives_no_number(server, model, asked, monkeypatch):
    serve(server, model)
    monkeypatch.setattr(model, "keeps", 20)
    refused = asked()(SAMPLE)
    assert refused.status == "unparseable"
    assert "no probability of ' excellent'" in refused.reason
    assert dict(refused) == {}
    monkeypatch.setattr(model, "keeps", 10_000)
    monkeypatch.setattr(model, "keeps", model.model.config.text_config.vocab_size)
    assert asked()(SAMPLE).ok


def test_images_that_a_server_makes_otherwise_are_seen(server, model, asked):
    serve(server, model)

    def longer(body):
        body["usage"]["prompt_tokens"] += 1
        return Reply(body)

    changed(server, longer)
    failed = asked()(SAMPLE)
    assert failed.status == "failed"
    assert "images of other sizes" in failed.reason


def logits(body):
    for row in body["choices"][0]["logprobs"]["content"]:
        for one in row["top_logprobs"]:
            one["logprob"] += 12
    return Reply(body)


def without(body):
    body["choices"][0]["logprobs"] = None
    return Reply(body)


def by_text(body):
    for row in body["choices"][0]["logprobs"]["content"]:
        row["token"] = "fine"
    return Reply(body)


def unknown(body):
    """vLLM's number for a log-probability that it does not have."""
    for row in body["choices"][0]["logprobs"]["content"]:
        row["top_logprobs"][0]["logprob"] = -9999.0
    return Reply(body)


def test_a_probability_that_a_server_does_not_know_is_not_zero(server, model, asked):
    serve(server, model)
    changed(server, unknown)
    refused = asked()(SAMPLE)
    assert (refused.status, dict(refused)) == ("unparseable", {})
    assert "no probability of ' excellent'" in refused.reason


def empty(body):
    body["choices"][0]["logprobs"]["content"] = []
    return Reply(body)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (logits, "more than 1 together"),
        (without, "no log-probabilities"),
        (by_text, "no log-probabilities"),
        (empty, "no token"),
        (lambda _: Reply(problem("maximum context length is 4096 tokens"), status=400), "maximum context length"),
    ],
)
def test_a_reply_without_what_was_asked_for_is_a_failure(server, model, asked, change, reason):
    serve(server, model)
    changed(server, change)
    failed = asked()(SAMPLE)
    assert (failed.status, reason in failed.reason) == ("failed", True), failed.reason


def test_a_prompt_that_the_model_cannot_read_is_not_sent(server, model, asked, monkeypatch):
    serve(server, model)
    metric = asked()
    metric.load()
    sent = len(server.requests)
    monkeypatch.setattr(metric._served_writer(), "context", 10)
    with pytest.raises(SampleError, match="expected at most 10"):
        metric(SAMPLE)
    assert len(server.requests) == sent


# ---------------------------------------------------------------------- many at once


def test_requests_under_way_are_bounded_and_the_order_is_kept(server, model, levels, asked):
    serve(server, model)
    answer, three = server.answer, threading.Barrier(3, timeout=60)

    def together(request):
        three.wait()
        return answer(request)

    server.answer = together
    rng = np.random.default_rng(1)
    samples = [Sample(f"s{n}", edited=rng.integers(0, 256, (56, 56, 3), dtype=np.uint8)) for n in range(6)]
    metric = asked(parallel=3)
    there = [float(one) for one in score(samples, [metric])[metric.label]]
    here = [float(levels().to("cpu")(sample)) for sample in samples]
    assert list(there) == pytest.approx(here, rel=1e-5)
    assert len(set(here)) == 6
    assert server.most_under_way == 3


def test_a_busy_server_is_asked_again_and_one_that_is_gone_ends_the_metric(server, model, asked):
    serve(server, model)
    answer, busy = server.answer, [Reply(problem("busy"), status=503)]
    server.answer = lambda request: busy.pop() if busy else answer(request)
    assert asked(retries=1)(SAMPLE).ok
    server.answer = lambda request: Reply(problem("busy"), status=503)
    with pytest.raises(UnavailableError, match="answered 503: busy"):
        asked(retries=0)(SAMPLE)


def test_an_answer_that_does_not_come_in_time_is_unavailable(server, model, asked):
    serve(server, model)
    metric = asked(timeout=0.2)
    metric.load()
    server.answer = lambda request: server.released.wait(5) and Reply({})
    with pytest.raises(UnavailableError, match=r"no answer within 0\.2 s"):
        metric(SAMPLE)
    server.released.set()
