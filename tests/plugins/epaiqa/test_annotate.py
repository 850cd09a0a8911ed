"""Figure 9 with scripted chat models behind a server: honest ones, a liar, one that refuses, one that is silent."""

from __future__ import annotations

import csv

import pytest

from editmetrics.data import from_manifest
from editmetrics.judge import JudgeError, open_judge
from editmetrics.plugins.epaiqa.annotate import AnnotationError, Annotator
from editmetrics.plugins.epaiqa.answers import read_explained
from editmetrics.plugins.epaiqa.levels import level_of
from editmetrics.plugins.epaiqa.metric import EPAIQA
from editmetrics.sample import Sample
from tests.judge.server import LIMIT, Reply, completion, problem


class Models:
    """Honest models write the truth and agree with it alone; the others are as they are called."""

    def __init__(self, server):
        self.server, self.off = server, set()
        server.answer = self

    def __call__(self, request):
        name, text = request.body["model"], request.text
        checking = "Answer with yes or no" in text
        if name in self.off:
            return Reply(problem("this model is off"), status=400)
        if name == "refuser":
            return Reply(completion(None, refusal="I can't discuss this."))
        if name == "silent":
            self.server.released.wait(LIMIT)
        if name == "liar":
            return Reply(completion("yes" if checking else "The moon is made of cheese"))
        if checking:
            return Reply(completion("No." if "cheese" in text else "Yes"))
        return Reply(completion(f"As {name} sees it: {text.partition('considered ')[2].partition(',')[0]}"))

    def asked(self, name):
        return sum(request.body["model"] == name for request in self.server.requests)


@pytest.fixture
def models(server):
    return Models(server)


@pytest.fixture
def annotator(server, samples):
    """An annotator of the edits by the models of these names; the silent one is not waited for long."""

    def made(*names, rows=None, **options):
        judges = {
            name: open_judge(name, endpoint=server.url, timeout=0.3 if name == "silent" else 30.0, retries=0)
            for name in names
        }
        return Annotator(judges, samples if rows is None else rows, **options)

    return made


def test_honest_models_explain_every_edit_in_the_form_that_is_learned(models, annotator, samples):
    made = annotator("ann", "bob", "cleo")
    found = made.run()
    assert found.kept == len(samples)
    assert not found.refusals
    assert set(found.writers) == {"ann", "bob", "cleo"}  # the draw is a draw
    for sample, text, writer in zip(samples, found.explanations, found.writers, strict=True):
        said = read_explained(text)
        completion = int(float(sample.meta["prompt_completion"]))
        assert said.completion == completion
        assert said.level == level_of(float(sample.meta["overall_quality"]))
        assert (said.pieces.harmony is not None) == (completion == 3)
        assert f"As {writer} sees it" in said.pieces.prompt_completion


def test_what_is_asked_names_the_level_that_people_gave_and_both_images(models, annotator, samples, server):
    row = next(s for s in samples if float(s.meta["prompt_completion"]) == 3 and float(s.meta["harmony"]) < 1.8)
    annotator("ann", "bob", rows=[row]).run()
    asked = [request.body["messages"][-1]["content"] for request in server.requests]
    assert all(sum(part["type"] == "image_url" for part in parts) == 2 for parts in asked)
    texts = [parts[-1]["text"] for parts in asked]
    assert any("having a very low degree of harmony between the edited area and the overall image" in t for t in texts)
    assert all(f"The partial editing prompt is: {row.prompt}." in t for t in texts)
    assert len(texts) == 2 * 3  # three pieces, each written once and checked once


def test_the_plan_is_what_is_asked_at_most(models, annotator, samples, server):
    made = annotator("ann", "bob", "cleo")
    plan = made.plan()
    full = sum(float(sample.meta["prompt_completion"]) == 3 for sample in samples)
    assert plan.pieces == len(samples) + 2 * full
    assert plan.requests == 3 * plan.pieces
    assert not server.requests
    assert f"{plan.requests} requests" in str(plan)
    made.run()
    assert len(server.requests) == plan.requests


@pytest.mark.parametrize("agrees", ["Yes, it is.", "**Yes**", "Yes. The explanation is true of both images.", "是的。"])
def test_a_yes_may_have_words_beside_it(models, annotator, samples, server, agrees):
    answer = models.__call__

    def wordy(request):
        return Reply(completion(agrees)) if "Answer with yes or no" in request.text else answer(request)

    server.answer = wordy
    assert annotator("ann", "bob", rows=samples[:4]).run().kept == 4


@pytest.mark.parametrize("unclear", ["Yes, but the colour is wrong.", "Yes and no", "It may be.", "Yes, it is not."])
def test_a_check_that_cannot_be_read_is_asked_again_by_the_next_run_and_nothing_else(
    models, annotator, samples, server, unclear
):
    answer, unread = models.__call__, {"bob"}

    def reply(request):
        checking = "Answer with yes or no" in request.text
        return Reply(completion(unclear)) if checking and request.body["model"] in unread else answer(request)

    server.answer = reply
    rows = samples[:4]
    found = annotator("ann", "bob", rows=rows).run()
    lost = sum(text is None for text in found.explanations)
    assert found.refusals == {"bob did not check": lost}
    for _ in range(2):  # once more for each run
        server.requests.clear()
        annotator("ann", "bob", rows=rows).run()
        assert {request.body["model"] for request in server.requests} == {"bob"}
        assert all("Answer with yes or no" in request.text for request in server.requests)
    unread.clear()
    assert annotator("ann", "bob", rows=rows).run().kept == 4
    server.requests.clear()
    assert annotator("ann", "bob", rows=rows).run().kept == 4
    assert server.requests == []


def test_a_liar_is_caught_by_each_of_the_others(models, annotator):
    made = annotator("ann", "bob", "liar")
    found = made.run()
    lied = {piece.row for piece in made.pieces if piece.writer == "liar"}
    assert {row for row, text in enumerate(found.explanations) if text is None} == lied
    assert found.refusals == {"ann did not agree": len(lied)}
    assert not any("cheese" in text for text in found.explanations if text)


def test_one_that_refuses_is_counted_as_refusing(models, annotator):
    made = annotator("ann", "bob", "refuser")
    found = made.run()
    own = {piece.row for piece in made.pieces if piece.writer == "refuser"}
    assert found.kept == 0  # all must agree, and it agrees with nothing
    assert found.refusals == {
        "refuser declined to write": len(own), "refuser declined to check": len(made.samples) - len(own),
    }  # fmt: skip


def test_one_that_is_silent_costs_its_rows_and_is_asked_again(models, annotator, samples):
    made = annotator("ann", "bob", "silent", rows=samples[:3])
    found = made.run()
    assert found.kept == 0
    assert set(found.refusals) <= {"silent did not write", "silent did not check"}
    asked = models.asked("ann") + models.asked("bob")
    again = annotator("ann", "bob", "silent", rows=samples[:3])
    again.judges["silent"] = open_judge("cleo", endpoint=models.server.url)  # it is back
    assert again.run().kept == 3
    cached = models.asked("ann") + models.asked("bob") - asked
    assert cached < asked + len(made.pieces)  # what was answered before was not asked again


def test_all_of_them_at_once(models, annotator, samples):
    found = annotator("ann", "liar", "refuser", "silent", rows=samples[:4]).run()
    assert found.kept == 0
    assert sum(found.refusals.values()) == 4
    assert all(outcome != "ok" for outcome in found.outcomes)


def test_the_same_call_asks_nothing_twice(models, annotator, server):
    first = annotator("ann", "bob").run()
    asked = len(server.requests)
    made = annotator("ann", "bob")
    assert made.plan().cached == made.plan().pieces
    second = made.run()
    assert len(server.requests) == asked
    assert second.explanations == first.explanations


def test_after_a_stop_it_goes_on(models, annotator, server):
    models.off = {"bob"}
    stopped = annotator("ann", "bob").run()
    assert stopped.kept == 0
    written = models.asked("ann")
    models.off = set()
    assert annotator("ann", "bob").run().kept == len(stopped.outcomes)
    made = annotator("ann", "bob")
    assert models.asked("ann") == len(made.pieces)  # each piece written or checked by ann once, over both runs
    assert written < len(made.pieces)


def test_a_piece_that_would_be_taken_for_another_part_is_refused(annotator, server, samples):
    server.answer = lambda request: Reply(completion("Fine. The harmony: splendid"))
    found = annotator("ann", "bob", rows=samples[:1]).run()
    assert found.kept == 0
    assert "begins another part" in found.outcomes[0]


def test_rows_that_cannot_be_used_say_why(models, annotator, samples):
    bare = Sample("bare", edited=samples[0].edited, source=samples[0].source, prompt="x", meta={"prompt_completion": 3})
    half = Sample("half", edited=samples[0].edited, source=samples[0].source, prompt="x",
                  meta={"prompt_completion": 2.5, "overall_quality": 2})  # fmt: skip
    found = annotator("ann", "bob", rows=[bare, half, samples[0]]).run()
    assert found.kept == 1
    assert "overall_quality" in found.outcomes[0]
    assert "expected 1, 2 or 3" in found.outcomes[1]


def test_one_model_cannot_check_itself(annotator):
    with pytest.raises(AnnotationError, match="two or more"):
        annotator("ann")


def test_a_model_that_can_answer_nothing_is_named(annotator, server):
    server.answer = lambda request: Reply(problem("no such model", code="model_not_found"), status=404)
    with pytest.raises(JudgeError, match=r"(ann|bob): .*no such model"):
        annotator("ann", "bob").run()


def test_the_command(models, cli, edits, server, tmp_path):
    manifest = tmp_path / "ratings.csv"
    rows = list(csv.DictReader(edits.open()))[:6]
    for row in rows:
        for name in ("edited", "source"):
            (tmp_path / row[name]).parent.mkdir(exist_ok=True)
            (tmp_path / row[name]).write_bytes((edits.parent / row[name]).read_bytes())
        del row["explanation"]
    with manifest.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    command = ["annotate", "epaiqa", "ratings.csv", "--endpoint", server.url, "--models", "ann", "bob", "liar"]
    said = cli([*command, "--estimate"])
    assert "6 of 6 edits can be annotated" in said
    assert not server.requests
    said = cli(command)
    kept = [row for row in csv.DictReader((tmp_path / "ratings_annotated.csv").open()) if row["explanation"]]
    assert f"{len(kept)} of 6 rows have an explanation" in said
    assert 0 < len(kept) < 6
    assert f"{6 - len(kept)} without: ann did not agree" in said
    assert len(from_manifest(tmp_path / "ratings_annotated.csv").samples) == 6
    said = cli(["annotate", "psnr", "ratings.csv", "--models", "a,b"], code=2)
    assert "these metrics do: epaiqa" in said
    assert "given twice" in cli([*command, "ann"], code=2)


def test_the_metric_has_the_door(samples):
    assert isinstance(EPAIQA.annotator({"a": None, "b": None}, samples), Annotator)
