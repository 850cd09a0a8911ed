"""Asking: what is sent, what is scored how, that nothing is asked twice, and what bad servers cost."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter

import pytest

from editmetrics.benchmarks.qbench import AskOptions, BenchmarkError, Prompts, ask, read_benchmark, read_prompts
from editmetrics.benchmarks.qbench.asking import order_of
from editmetrics.benchmarks.qbench.outcomes import NO_JUDGE
from editmetrics.files.writing import JournalError
from editmetrics.judge import Answer, ChatModel, JudgeUnavailableError
from tests.judge.server import Reply, problem

from .scripted import right


def by_type(outcomes):
    found = {}
    for outcome in outcomes:
        found.setdefault(outcome.type, []).append(outcome)
    return found


def test_who_knows_everything_is_right_everywhere(data, tmp_path, model, oracle):
    outcomes, about = ask(read_benchmark(data), model(), tmp_path / "out", judge=model())
    assert {outcome.score for outcome in outcomes} == {1.0}
    assert {outcome.how for outcome in outcomes} == {"strict"}
    assert len(oracle.asked) == 48
    assert len(oracle.judged) == len(by_type(outcomes)["OE"]) > 5
    assert about["model"]["model"] == "judge"


def test_the_words_of_each_type(data, tmp_path, model, oracle):
    found = read_benchmark(data)
    ask(found, model(), tmp_path / "out")
    said = dict(oracle.asked)
    for item in found.items:
        options = "".join(f"\n{letter}. {option}" for letter, option in zip("ABCD", item.options, strict=False))
        start, rest = said[item.id].split(options) if options else (item.question, said[item.id][len(item.question) :])
        assert start == item.question
        wanted = {
            "SC": "Answer with the option's letter from the given choices directly.",
            "MC": "all correct options",
            "TF": "True or False",
            "OE": "",
        }
        assert wanted[item.type] in rest


def test_what_the_judge_is_told_and_what_its_score_is_worth(data, tmp_path, model, server, oracle):
    oracle.say = lambda item, shown: "Something {else}." if item.type == "OE" else right(item, shown)
    scores = iter(["Score: 0", "**Score: 1**", "2", "Score: 3", "I'd say it is good"] + ["Score: 2"] * 50)
    oracle.judge = lambda *_: next(scores)
    found = read_benchmark(data)
    outcomes, _ = ask(found, model(), tmp_path / "out", judge=model(parallel=1))
    opened = by_type(outcomes)["OE"]
    assert [outcome.score for outcome in opened[:5]] == [0.0, 0.5, 1.0, None, None]
    assert [outcome.judge["how"] for outcome in opened[:3]] == ["strict", "repaired", "strict"]
    assert opened[3].reason.startswith("not judged: the answer cannot be read")
    assert (opened[3].status, opened[3].judge["status"], opened[3].judge["raw"]) == ("ok", "unparseable", "Score: 3")
    came = opened[0].judge["provenance"]
    assert (came["model"], came["served"], came["created"][:4]) == ("judge", "judge-2026-01-01", "2026")
    assert came["asked"]
    items = {item.id: item for item in found.items}
    assert oracle.judged[0] == (opened[0].question, "Something {else}.", items[opened[0].id].answer)
    request = next(one for one in server.requests if one.body and len(one.body["messages"]) == 2)
    assert request.body["messages"][0]["content"].startswith("You are a helpful assistant that grades answers")
    assert not any(isinstance(message["content"], list) for message in request.body["messages"])


def test_an_exact_set_is_wanted_of_a_multiple_choice(data, tmp_path, model, oracle):
    found = read_benchmark(data)

    def say(item, shown):
        letters = right(item, shown)
        if item.type != "MC":
            return letters
        return letters.split(", ")[0] if "," in letters else "A, B, C, D"

    oracle.say = say
    outcomes, _ = ask(found, model(), tmp_path / "out")
    several = by_type(outcomes)["MC"]
    assert {outcome.score for outcome in several} == {0.0}
    assert {outcome.status for outcome in several} == {"ok"}


def test_what_cannot_be_read_or_is_declined_is_wrong_and_counted_apart(data, tmp_path, model, oracle):
    oracle.say = lambda item, shown: "I'm sorry, but I can't help with that." if item.type == "SC" else "Perhaps."
    outcomes, _ = ask(read_benchmark(data), model(), tmp_path / "out", judge=model())
    found = by_type(outcomes)
    assert {(o.score, o.status) for o in found["SC"]} == {(0.0, "refused")}
    assert {(o.score, o.status) for o in found["MC"] + found["TF"]} == {(0.0, "unparseable")}
    assert all("Perhaps." in outcome.reason for outcome in found["TF"])
    assert {outcome.score for outcome in found["OE"]} == {1.0}  # the judge's matter


def test_without_a_judge_open_answers_are_kept_and_have_no_score(data, tmp_path, model, oracle):
    found, out = read_benchmark(data), tmp_path / "out"
    outcomes, _ = ask(found, model(), out)
    assert {(o.score, o.reason) for o in by_type(outcomes)["OE"]} == {(None, NO_JUDGE)}
    asked = len(oracle.asked)
    outcomes, _ = ask(found, model(cache=False), out, judge=model())
    assert {o.score for o in by_type(outcomes)["OE"]} == {1.0}
    assert len(oracle.asked) == asked


def test_questions_without_an_answer_are_asked_where_it_is_meant(data, rewrite, tmp_path, model, oracle):
    rewrite(lambda rows: [{key: value for key, value in row.items() if key != "answer"} for row in rows])
    oracle.say = lambda item, shown: {"TF": "True", "OE": "a disc"}.get(item.type, "A")
    found = read_benchmark(data, unanswered=True)
    outcomes, _ = ask(found, model(), tmp_path / "out", judge=model())
    assert {outcome.score for outcome in outcomes} == {None}
    assert {outcome.parsed for outcome in outcomes} == {"A", "True", "a disc"}
    assert not oracle.judged


# ---------------------------------------------------------------------- bad servers


def test_the_server_fails_now_and_then(data, tmp_path, model, oracle):
    seen = Counter()

    def say(item, shown):
        seen[item.id] += 1
        if seen[item.id] == 1:
            return [Reply(problem("slow down"), 429), Reply(problem("broken"), 500), Reply({"x": "y" * 500}, cut=True)][
                int(item.id) % 3
            ]
        return right(item, shown)

    oracle.say = say
    outcomes, _ = ask(read_benchmark(data), model(), tmp_path / "out", judge=model())
    assert {outcome.score for outcome in outcomes} == {1.0}
    assert set(seen.values()) == {2}


def test_who_never_answers_has_no_score_and_is_asked_again_by_the_next_run(data, tmp_path, model, oracle):
    oracle.say = lambda item, shown: Reply(problem("broken"), 500) if item.id == "0004" else right(item, shown)
    found, out = read_benchmark(data), tmp_path / "out"
    outcomes, _ = ask(found, model(cache=False), out, judge=model(cache=False))
    (failed,) = [outcome for outcome in outcomes if outcome.status != "ok"]
    assert (failed.id, failed.status, failed.score) == ("0004", "unavailable", None)
    assert "500" in failed.reason
    assert '"0004"' not in (out / "record.jsonl").read_text()  # what did not come is no answer
    oracle.say = right
    oracle.asked.clear()
    outcomes, _ = ask(found, model(cache=False), out, judge=model(cache=False))
    assert {outcome.score for outcome in outcomes} == {1.0}
    assert [name for name, _ in oracle.asked] == ["0004"]


def test_a_slow_server_costs_the_question(data, tmp_path, model, server, oracle):
    def say(item, shown):
        if item.id == "0003":
            server.released.wait(10)
        return right(item, shown)

    oracle.say = say
    outcomes, _ = ask(read_benchmark(data), model(timeout=0.3), tmp_path / "out", judge=model())
    assert [(o.id, o.status) for o in outcomes if o.score is None] == [("0003", "unavailable")]


def test_no_credit_stops_at_once_and_the_next_run_goes_on(data, tmp_path, model, oracle):
    count = Counter()

    def say(item, shown):
        count["asked"] += 1
        if count["asked"] > 10:
            return Reply(problem("no credit", code="insufficient_quota"), 429)
        return right(item, shown)

    oracle.say = say
    found, out = read_benchmark(data), tmp_path / "out"
    with pytest.raises(JudgeUnavailableError, match="no credit left"):
        ask(found, model(parallel=1), out)
    answered = [name for name, _ in oracle.asked[:10]]
    oracle.say = right
    oracle.asked.clear()
    outcomes, _ = ask(found, model(), out, judge=model())
    assert {outcome.score for outcome in outcomes} == {1.0}
    assert not set(answered) & {name for name, _ in oracle.asked}


@pytest.mark.parametrize("failing", [Reply(problem("down"), 503), Reply(problem("slow down"), 429)])
def test_an_endpoint_that_goes_down_is_not_asked_for_every_question(data, tmp_path, model, oracle, failing):
    oracle.say = lambda item, shown: right(item, shown) if item.id < "0005" else failing
    found, out = read_benchmark(data), tmp_path / "out"
    with pytest.raises(JudgeUnavailableError, match="in a row were not answered"):
        ask(found, model(parallel=2, retries=1), out)
    assert len({name for name, _ in oracle.asked}) < 20  # of 48
    oracle.say = right
    oracle.asked.clear()
    outcomes, _ = ask(found, model(cache=False), out, judge=model())
    assert {outcome.score for outcome in outcomes} == {1.0}
    assert not {"0000", "0001", "0002"} & {name for name, _ in oracle.asked}


def test_answers_are_written_down_as_they_come(data, tmp_path, model, server, oracle):
    """The first question is answered when all others stand in the record: what a crash would lose is that one."""
    record = tmp_path / "out" / "record.jsonl"
    seen = []

    def say(item, shown):
        if item.id == "0000":
            while len(lines := record.read_text().splitlines()) < 48 and not server.released.wait(0.005):
                pass
            seen.append(len(lines))
        return right(item, shown)

    oracle.say = say
    ask(read_benchmark(data), model(), tmp_path / "out")
    assert seen == [48]  # the line of the run, and 47 answers


# ---------------------------------------------------------------------- judgements that cannot be read


@pytest.mark.parametrize(
    "said", ["I'd say it is good", "Score: 1 or 2", "I'm sorry, but I can't rate that.", "Score: 3"]
)
@pytest.mark.parametrize("cache", [True, False])
def test_a_judgement_that_cannot_be_read_is_asked_again_and_nothing_else(data, tmp_path, model, oracle, said, cache):
    found, out = read_benchmark(data), tmp_path / "out"
    first = next(item for item in found.items if item.type == "OE")
    oracle.say = lambda item, shown: "Odd." if item.id == first.id else right(item, shown)
    oracle.judge = lambda question, response, answer: said if response == "Odd." else "Score: 2"
    counts = []
    for _ in range(3):  # one more try for each run of the command
        oracle.asked.clear()
        oracle.judged.clear()
        outcomes, _ = ask(found, model(cache=cache), out, judge=model(cache=cache))
        assert [o.id for o in outcomes if o.score is None] == [first.id]
        counts.append((len(oracle.asked), [response for _, response, _ in oracle.judged]))
    assert counts[0][0] == 48
    assert counts[1:] == [(0, ["Odd."])] * 2
    oracle.judge = lambda *_: "Score: 1"
    outcomes, _ = ask(found, model(cache=cache), out, judge=model(cache=cache))
    assert [(o.id, o.score) for o in outcomes if o.score != 1] == [(first.id, 0.5)]
    oracle.judged.clear()
    outcomes, _ = ask(found, model(cache=cache), out, judge=model(cache=cache))
    assert [(o.id, o.score) for o in outcomes if o.score != 1] == [(first.id, 0.5)]
    assert oracle.judged == []
    outcomes, _ = ask(found, model(cache=True), tmp_path / "other", judge=model(cache=True))
    assert not cache or [(o.id, o.score) for o in outcomes if o.score != 1] == [
        (first.id, 0.5)
    ]  # the cache has it, too


def test_an_answer_of_the_model_that_cannot_be_read_is_not_asked_again(data, tmp_path, model, oracle):
    """Asking until it suits would be a better model than the one that is measured."""
    oracle.say = lambda item, shown: "Perhaps."
    for _ in range(2):
        ask(read_benchmark(data), model(), tmp_path / "out")
    assert len(oracle.asked) == 48


def test_a_chat_model_of_ones_own_needs_two_methods(data, tmp_path):
    class Own(ChatModel):
        def __init__(self):
            self.asked = []

        def identity(self):
            return {"judge": "own"}

        def ask_all(self, questions, *, parallel=None, progress=None):
            for question in questions:
                self.asked.append(question)
                yield Answer("Score: x" if len(question.messages) == 2 else "A")

    own, found = Own(), read_benchmark(data)
    outcomes, _ = ask(found, own, tmp_path / "out", judge=own)
    opened = sum(item.type == "OE" for item in found.items)
    assert (len(outcomes), len(own.asked)) == (48, 48 + opened)
    ask(found, own, tmp_path / "out", judge=own)
    assert len(own.asked) == 48 + 2 * opened


# ---------------------------------------------------------------------- going on


def test_a_run_that_was_stopped_at_any_byte_goes_on(data, tmp_path, model, oracle):
    found, out = read_benchmark(data), tmp_path / "out"
    first, _ = ask(found, model(cache=False), out, judge=model(cache=False))
    whole = (out / "record.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (0, 1, len(lines[0]) - 1, len(lines[0]), len(whole) // 2, len(whole) - 1):
        (out / "record.jsonl").write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        oracle.asked.clear()
        oracle.judged.clear()
        again, _ = ask(found, model(cache=False), out, judge=model(cache=False))
        assert [(o.id, o.score, o.raw) for o in again] == [(o.id, o.score, o.raw) for o in first]
        assert len(oracle.asked) + len(oracle.judged) == len(lines) - max(1, kept)
        assert all(json.loads(line) for line in (out / "record.jsonl").read_text().splitlines())


def test_the_cache_answers_where_the_record_is_lost(data, tmp_path, model, oracle):
    found = read_benchmark(data)
    ask(found, model(), tmp_path / "a", judge=model())
    before = len(oracle.asked), len(oracle.judged)
    ask(found, model(), tmp_path / "b", judge=model())
    assert (len(oracle.asked), len(oracle.judged)) == before
    ask(found, model(refresh=True), tmp_path / "b", judge=model(refresh=True), options=AskOptions(refresh=True))
    assert (len(oracle.asked), len(oracle.judged)) == (2 * before[0], 2 * before[1])


def test_only_what_changed_is_asked(data, rewrite, tmp_path, model, oracle):
    out = tmp_path / "out"
    ask(read_benchmark(data), model(cache=False), out)
    oracle.asked.clear()
    rewrite(lambda rows: [{**rows[0], "question": "Is it so?"}, *rows[1:]])
    ask(read_benchmark(data), model(cache=False), out)
    assert [name for name, _ in oracle.asked] == ["0000"]


def test_a_damaged_record_is_named(data, tmp_path, model, oracle):
    found, out = read_benchmark(data), tmp_path / "out"
    ask(found, model(), out)
    path = out / "record.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"kind": "answer"', b'"kind": "ans', 1))
    with pytest.raises(JournalError, match=r"record\.jsonl: line 2 is not valid here"):
        ask(found, model(), out)
    ask(found, model(), out, options=AskOptions(overwrite=True))
    assert (out / "record.jsonl.old").exists()


def test_another_model_needs_another_folder(data, tmp_path, model, oracle):
    found, out = read_benchmark(data), tmp_path / "out"
    ask(found, model(), out)
    with pytest.raises(BenchmarkError, match=r"another model or setting \(temperature None, now 0\.5\)"):
        ask(found, model(temperature=0.5), out)
    ask(found, model(temperature=0.5), out, options=AskOptions(overwrite=True))


def test_two_runs_do_not_share_a_folder(data, tmp_path, model, oracle):
    from editmetrics.benchmarks.qbench.asking import AnswerJournal

    (tmp_path / "out").mkdir()
    with AnswerJournal(tmp_path / "out"), pytest.raises(JournalError, match="another run is writing it"):
        ask(read_benchmark(data), model(), tmp_path / "out")


def test_a_killed_process_goes_on(data, tmp_path, server, oracle):
    """SIGKILL in the middle; the same command finishes, and each question has been answered once."""
    out, environment = tmp_path / "out", {**os.environ, "EDITMETRICS_HOME": str(tmp_path / "home")}
    answered, enough, killed = Counter(), threading.Event(), threading.Event()

    def say(item, shown):
        answered[item.id] += 1
        if len(answered) >= 20:
            enough.set()
            killed.wait(60)
        return right(item, shown)

    oracle.say = say
    command = [sys.executable, "-m", "editmetrics", "qbench", str(data), "--endpoint", server.url, "--model", "judge"]
    command += ["--judge", "judge", "--judge-endpoint", server.url, "-o", str(out), "--parallel", "2", "-q"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    assert enough.wait(60)
    process.kill()
    process.wait()
    killed.set()
    assert 20 <= len(answered) < 48
    under_way = 2 * 2  # requests that were answered and not yet written down, or never received
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert len(answered) == 48
    assert sum(answered.values()) <= 48 + under_way
    lines = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert {line["score"] for line in lines} == {1.0}


# ---------------------------------------------------------------------- orders and prompts


def test_each_option_stands_once_in_each_place(data):
    for item in read_benchmark(data).items:
        orders = [order_of(item, number) for number in range(1, 5)]
        assert order_of(item, 0) == tuple(range(len(item.options)))
        if item.options:
            assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
            assert all(len({order[place] for order in orders}) == 4 for place in range(4))
            assert orders == [order_of(item, number) for number in range(1, 5)]


def test_shuffled_rounds_are_read_in_the_files_order(data, tmp_path, model, oracle):
    outcomes, _ = ask(read_benchmark(data), model(), tmp_path / "out", judge=model(), options=AskOptions(shuffle=3))
    assert {outcome.score for outcome in outcomes} == {1.0}
    rounds = Counter(outcome.round for outcome in outcomes)
    choices = sum(outcome.type in ("SC", "MC") for outcome in outcomes if outcome.round == 0)
    assert rounds == {0: 48, 1: choices, 2: choices, 3: choices}
    assert {outcome.parsed == outcome.correct for outcome in outcomes if outcome.type != "OE"} == {True}
    assert any(outcome.order not in ("", "ABCD") for outcome in outcomes)


def test_prompts_of_ones_own(tmp_path, data, model, oracle):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"TF": "{question} True or False?"}))
    prompts = read_prompts(path, Prompts())
    ask(read_benchmark(data), model(), tmp_path / "out", options=AskOptions(prompts=prompts))
    assert any(text.endswith(". True or False?") for _, text in oracle.asked)
    for broken in ({"TF": "what?"}, {"TF": "{question} {answer}"}, {"XX": "?"}, {"SC": "{question"}, [1]):
        path.write_text(json.dumps(broken))
        with pytest.raises(BenchmarkError):
            read_prompts(path, Prompts())


def test_a_backbone_on_this_machine_is_asked(data, tmp_path):
    """Random weights answer nonsense, which is wrong and counted; the same answers come out of the record."""
    from editmetrics.judge import open_judge
    from editmetrics.mllm.backbone import Backbone
    from editmetrics.testing import tiny_backbone

    backbone = Backbone.load(tiny_backbone("qwen3_vl", tmp_path / "tiny"), device="cpu")
    found = read_benchmark(data)
    outcomes, about = ask(found, open_judge(backbone=backbone, max_tokens=4), tmp_path / "out")
    assert len(outcomes) == 48
    assert {outcome.status for outcome in outcomes} <= {"ok", "unparseable"}
    assert about["model"]["backbone"]["sha256"]
    before = (tmp_path / "out" / "record.jsonl").read_bytes()
    again, _ = ask(found, open_judge(backbone=backbone, max_tokens=4), tmp_path / "out")
    assert again == outcomes
    assert (tmp_path / "out" / "record.jsonl").read_bytes().startswith(before)
