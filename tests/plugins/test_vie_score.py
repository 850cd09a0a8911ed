"""VIEScore against a scripted endpoint: what is asked, what is made of the answers, and of those that are none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from editmetrics import Sample, create_metric
from editmetrics.judge import JudgeError, endpoint
from editmetrics.plugins.vie_score.prompts import PERCEPTUAL_QUALITY, semantic_consistency
from editmetrics.sample import UnavailableError
from tests.judge.server import Reply, Server, completion, running

SAMPLE = Sample(
    "a", edited=np.full((40, 60, 3), 200, np.uint8), source=np.full((40, 60, 3), 90, np.uint8), prompt="make it bright"
)


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "EDITMETRICS_JUDGE_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path))
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.001)


@pytest.fixture
def server():
    with running() as server:
        yield server


def rating(*scores, reasoning="because"):
    return json.dumps({"score": list(scores), "reasoning": reasoning})


def answers(server, consistency, quality):
    """Let the server answer the two questions so, texts or replies; a list is answered in turn."""
    turns = {"consistency": list(consistency), "quality": list(quality)}

    def answer(request):
        key = "consistency" if "Editing instruction" in request.text else "quality"
        with server.lock:
            said = turns[key].pop(0) if len(turns[key]) > 1 else turns[key][0]
        return said if isinstance(said, Reply) else Reply(completion(said))

    server.answer = answer


def instruction(request):
    return request.text.rpartition(": ")[2].strip()


def metric(server, **options):
    return create_metric("vie_score", model="judge", endpoint=server.url, **options)


def test_sc_and_pq_are_the_lower_rating_and_o_their_geometric_mean(server):
    answers(server, [rating(9, 4, reasoning="too bright")], [rating(8, 9, reasoning="clean")])
    score = metric(server)(SAMPLE)
    assert dict(score) == pytest.approx({"overall": 32**0.5, "semantic_consistency": 4, "perceptual_quality": 8})
    assert score.explanation == "semantic consistency [9, 4]: too bright\nperceptual quality [8, 9]: clean"
    assert [each["served"] for each in score.details["answers"]] == ["judge-2026-01-01"] * 2


def test_the_questions_are_the_authors_and_show_what_they_shall(server):
    answers(server, [rating(9, 4)], [rating(8, 9)])
    metric(server)(SAMPLE)
    asked = {request.text: request.body["messages"][-1]["content"] for request in server.requests}
    assert set(asked) == {semantic_consistency("make it bright"), PERCEPTUAL_QUALITY}
    shown = {text: sum(part["type"] == "image_url" for part in content) for text, content in asked.items()}
    assert shown == {semantic_consistency("make it bright"): 2, PERCEPTUAL_QUALITY: 1}
    # the digest of the texts as the repository has them, joined by line breaks as its code joins them
    text = semantic_consistency("<instruction>")
    assert text.startswith("You are a professional digital artist. You will have to evaluate")
    assert '{\n"score" : [...],\n"reasoning" : "..."\n}\nRULES:\n\nTwo images will be provided' in text
    assert "failure of image edit.\n\n\nFrom scale 0 to 10: \nA score from 0 to 10 will be given" in text
    assert "\n(\n    0 indicates that the scene in the image does not look natural at all" in PERCEPTUAL_QUALITY


def test_what_is_refused_or_unreadable_is_no_number(server):
    answers(server, [rating(9, 4)], ["I'm sorry, but I can't assist with that."])
    (score,) = metric(server, cache=False).score([SAMPLE])
    assert (score.status, dict(score)) == ("refused", {"semantic_consistency": 4})
    answers(server, ["7/10, I would say"], [rating(8, 9)])
    (score,) = metric(server, cache=False).score([SAMPLE])
    assert (score.status, dict(score)) == ("unparseable", {"perceptual_quality": 8})
    for odd in (rating(8), rating(8, 11), rating(8, 9, 10), '{"score": 8, "reasoning": ""}'):
        answers(server, [odd], [rating(8, 9)])
        (score,) = metric(server, cache=False).score([SAMPLE])
        assert score.status == "unparseable", odd


def test_rounds_are_means_and_say_how_far_they_lie_apart(server):
    answers(server, [rating(9, 4), rating(6, 6)], [rating(9, 9)])
    score = metric(server, rounds=2, parallel=1, cache=False)(SAMPLE)
    assert score["semantic_consistency"] == 5
    assert score.uncertainty["semantic_consistency"] == 1
    assert score["overall"] == pytest.approx((36**0.5 + 54**0.5) / 2)
    answers(server, [rating(9, 4), "no idea"], [rating(9, 9)])
    score = metric(server, rounds=2, parallel=1, cache=False)(SAMPLE)
    assert (score["semantic_consistency"], score.details["rounds_read"]["overall"]) == (4, 1)
    assert "round 2, semantic consistency" in score.details["note"]


def test_samples_are_asked_side_by_side_and_each_gets_its_own(server):
    def answer(request):
        marked = request.text.rpartition(": ")[2].strip()
        level = int(marked) if marked.isdigit() else 10
        return Reply(completion(rating(level, 10)))

    server.answer = answer
    samples = [
        Sample(str(level), edited=np.full((8, 8, 3), level, np.uint8), source=SAMPLE.source, prompt=str(level))
        for level in range(11)
    ]
    scores = metric(server, parallel=4).score(samples)
    assert [score["semantic_consistency"] for score in scores] == list(range(11))


def test_what_is_known_is_not_asked_again_and_the_estimate_says_so(server):
    answers(server, [rating(9, 4)], [rating(8, 9)])
    assert str(metric(server).estimate([SAMPLE])) == "2 questions: 0 answered by the cache, 2 requests with 3 images"
    metric(server)(SAMPLE)
    asked = len(server.requests)
    assert str(metric(server).estimate([SAMPLE])).startswith("2 questions: 2 answered by the cache, 0 requests")
    metric(server)(SAMPLE)
    assert len(server.requests) == asked


def test_an_endpoint_that_fails_costs_the_samples_and_is_not_asked_for_each_again(server):
    server.reply(Reply({"error": {"message": "no such model", "code": "model_not_found"}}, status=404))
    samples = [Sample(str(row), edited=SAMPLE.edited, source=SAMPLE.source, prompt=str(row)) for row in range(6)]
    asked = metric(server, parallel=1)
    with pytest.raises(UnavailableError, match="no such model"):
        asked.score_batch([asked.prepare(sample) for sample in samples])
    assert len(server.requests) <= 4


def test_an_answer_that_does_not_come_makes_its_sample_unavailable_and_no_other(server):
    def answer(request):
        if instruction(request) == "1":
            return Reply({"error": {"message": "busy"}}, status=503)
        return Reply(completion(rating(9, 4)))

    server.answer = answer
    asked = metric(server, retries=0, parallel=2)
    prepared = [
        asked.prepare(Sample(f"{row}", edited=SAMPLE.edited, source=SAMPLE.source, prompt=f"{row}")) for row in range(4)
    ]
    scores = asked.score_batch(prepared)
    assert [score.status for score in scores] == ["ok", "unavailable", "ok", "ok"]
    assert dict(scores[1]) == {"perceptual_quality": 4}
    server.answer = lambda request: Reply(completion(rating(9, 4)))
    server.requests.clear()
    assert [score.status for score in asked.score_batch(prepared)] == ["ok"] * 4
    assert len(server.requests) == 1


def test_what_was_answered_before_the_judge_went_away_counts(server):
    def answer(request):
        gone = instruction(request) in ("2", "3")
        return Reply({"error": {"message": "no credit"}}, 402) if gone else Reply(completion(rating(9, 4)))

    server.answer = answer
    asked = metric(server, retries=0, parallel=1)
    prepared = [
        asked.prepare(Sample(f"{row}", edited=SAMPLE.edited, source=SAMPLE.source, prompt=f"{row}")) for row in range(4)
    ]
    scores = asked.score_batch(prepared)
    assert [score.status for score in scores] == ["ok", "ok", "unavailable", "unavailable"]
    assert "no credit left" in scores[2].reason


@pytest.mark.parametrize(
    "options", [{"parallel": 2}, {"cache": False}, {"timeout": 9.0}, {"retries": 0}, {"key_variable": "HOME"}]
)
def test_what_changes_no_number_is_named_a_runtime_option(server, options):
    plain, other = metric(server), metric(server, **options)
    for one in (plain, other):
        one.load()
    assert set(options) | {"endpoint"} <= type(plain).runtime_options
    assert plain.judge.identity() == other.judge.identity()


def test_more_parameters_reach_the_endpoint_and_the_identity(server):
    answers(server, [rating(9, 4)], [rating(8, 9)])
    asked = create_metric(f"vie_score:model=judge,endpoint={server.url},extra={{'reasoning_effort': 'low'}}")
    asked(SAMPLE)
    assert {request.body["reasoning_effort"] for request in server.requests} == {"low"}
    assert asked.identity()["judge"]["extra"] == {"reasoning_effort": "low"}
    assert "extra" not in type(asked).runtime_options


def test_an_endpoint_that_is_down_is_known_when_any_model_is_asked_for():
    with Server() as gone:
        url = gone.url
    asked = create_metric("vie_score", model="any", endpoint=url)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="cannot be reached"):
            asked.load()


def test_without_a_key_nothing_begins():
    with pytest.raises(JudgeError, match="OPENAI_API_KEY"):
        create_metric("vie_score")(SAMPLE)


def test_gedit_scales_the_edited_image_to_the_sources_size(server):
    answers(server, [rating(9, 4)], [rating(8, 9)])
    small = Sample("b", edited=np.full((20, 30, 3), 200, np.uint8), source=SAMPLE.source, prompt="make it bright")
    plain, gedit = metric(server), metric(server, variant="gedit")

    def shapes(asked):
        return [image.pixels().shape for image in asked.prepare(small)["semantic_consistency"].images()]

    assert shapes(plain) == [(40, 60, 3), (20, 30, 3)]
    assert shapes(gedit) == [(40, 60, 3), (40, 60, 3)]
    assert float(gedit(small)) == pytest.approx(32**0.5)


def test_a_judge_on_this_machine_is_asked_the_same(tmp_path):
    """A tiny model writes no JSON: its samples are unparseable, and nothing is sent anywhere."""
    from editmetrics.testing import tiny_backbone

    folder = tiny_backbone("qwen3_vl", tmp_path / "backbone")
    (score,) = create_metric("vie_score", backbone=str(folder), max_tokens=8, device="cpu").score([SAMPLE])
    assert score.status == "unparseable"
    assert not dict(score)
