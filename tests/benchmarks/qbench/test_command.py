"""`editmetrics qbench` as a user types it."""

import json
import re

import pytest

from editmetrics.testing import tiny_backbone
from tests.judge.server import Reply, Server, problem

from .scripted import right


@pytest.fixture
def go(run, data, server, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")

    def called(*arguments, judge=True):
        named = ["--judge", "judge", "--judge-endpoint", server.url] if judge else []
        return run("qbench", data, "--endpoint", server.url, "-o", tmp_path / "out", *named, *arguments)

    return called


def test_tables_come_out(go, oracle, model, data, tmp_path):
    from editmetrics.benchmarks.qbench import AskOptions, ask, read_benchmark, write_results

    oracle.say = lambda item, shown: "A" if item.type == "SC" else right(item, shown)
    ran = go("--model", "any", "--shuffle", "1")
    assert ran.code == 0, ran.err
    wanted = ["48 questions", "Image sources", "NIs", "Overall", "Random guess", "Spread of the accuracy", "repaired"]
    for said in [*wanted, "judge-2026-01-01", "Semantics", "Global"]:
        assert said in ran.out
    assert "asked" in ran.err
    again = go("--model", "any", "--shuffle", "1")
    tables = [text.partition("Q-Bench-Portrait")[2] for text in (ran.out, again.out)]
    assert tables[0] == tables[1]
    assert "asked" not in again.err
    outcomes, about = ask(
        read_benchmark(data), model("any"), tmp_path / "python", judge=model(), options=AskOptions(shuffle=1)
    )
    write_results(tmp_path / "python", outcomes, about)
    for name in ("answers.jsonl", "tables.csv"):
        assert (tmp_path / "python" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_it_fits_a_terminal_of_a_hundred_columns(go, oracle, monkeypatch, data, server, tmp_path):
    """Standard output of a pipe is as wide as it likes; a terminal's is not."""
    from io import StringIO

    from rich.console import Console

    from editmetrics.benchmarks.qbench import compare
    from editmetrics.tables.table import show

    go("--shuffle", "2")
    folders = [tmp_path / "out"]
    for number in range(4):
        folder = tmp_path / f"model-with-quite-a-name-{number}"
        folder.mkdir()
        for name in ("answers.jsonl", "run.json"):
            text = (tmp_path / "out" / name).read_text()
            (folder / name).write_text(text.replace('"model": "judge"', f'"model": "Some-VL-{number}B-Instruct"'))
        folders.append(folder)
    for report in (compare(folders[:1]), compare(folders)):
        stream = StringIO()
        console = Console(file=stream, width=100, force_terminal=False)
        for table in report.scores:
            show(table.by_column(), console=console)
        for table in report.counts:
            show([table], console=console)
        text = stream.getvalue()
        assert max(map(len, text.splitlines())) <= 100
        shown = re.findall(r"(?<![\d.+-])\d+\.\d\d(?![\d.])", text)  # no number is broken into two lines
        values = [
            value
            for table in report.scores
            for row in (*table.rows.values(), *table.baselines.values())
            for value in row
        ]
        again = -(-len(report.scores[0].rows) // 5)
        assert len(shown) >= again * sum(value.mean is not None for value in values)
        assert {"Composition", "Artifacts", "unparseable"} <= set(text.split())


def test_problems_are_listed_before_anything_is_asked(go, rewrite, server, tmp_path):
    rewrite(lambda rows: [{**row, "image": "nowhere.png"} if row["id"] > "0020" else row for row in rows])
    ran = go()
    assert ran.code == 2
    assert "nothing was asked" in ran.err
    assert "nowhere.png does not exist" in ran.err
    assert server.requests == []
    assert "nowhere.png" in (tmp_path / "out" / "problems.txt").read_text()


def test_only_looking(run, data):
    ran = run("qbench", data, "--check")
    assert ran.code == 0
    assert "48 questions" in ran.out
    assert "not a complete copy" in ran.out
    ran = run("qbench", data, "--check", "--complete")
    assert ran.code == 2
    assert "48 questions, where a complete copy has 2,765" in ran.err


def test_the_temperatures_are_sent(go, oracle, server):
    assert go("--temperature", "0", "--judge-temperature", "0.5").code == 0
    sent = {len(request.body["messages"]): request.body["temperature"] for request in server.requests if request.body}
    assert sent == {1: 0, 2: 0.5}  # the judge has a system message


def test_more_parameters_are_sent_to_the_model_and_to_the_judge(go, oracle, server):
    ran = go(
        "--extra", "reasoning_effort=low", "--extra", 'chat_template_kwargs={"enable_thinking": false}',
        "--judge-extra", "top_k=20", "--timeout", "9", "--judge-timeout", "8", "--retries", "0", "--judge-retries", "1",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    bodies = [request.body for request in server.requests if request.body]
    asked = [body for body in bodies if len(body["messages"]) == 1]
    judged = [body for body in bodies if len(body["messages"]) == 2]  # the judge has a system message
    assert {body["reasoning_effort"] for body in asked} == {"low"}
    assert [body["chat_template_kwargs"] for body in asked] == [{"enable_thinking": False}] * len(asked)
    assert {body["top_k"] for body in judged} == {20}
    assert not any("top_k" in body for body in asked)
    assert not any("reasoning_effort" in body for body in judged)


def test_timeouts_and_retries_are_kept(go, oracle, server):
    """One question is never answered: it costs one wait, or as many requests as it may be repeated."""

    def say(item, shown):
        if item.id == "0003":
            server.released.wait(20)
        return Reply(problem("broken"), 500) if item.id == "0005" else right(item, shown)

    oracle.say = say
    ran = go("--timeout", "0.5", "--retries", "2")
    assert ran.code == 4, ran.err  # both are asked again by the same command
    assert "run the same command to ask them again" in ran.err
    assert [name for name, _ in oracle.asked].count("0003") == 1
    assert [name for name, _ in oracle.asked].count("0005") == 3
    oracle.say = right
    oracle.asked.clear()
    assert go("--timeout", "30", "--retries", "0").code == 0  # neither is part of what the answers come from
    assert sorted(name for name, _ in oracle.asked) == ["0003", "0005"]


def test_an_endpoint_that_is_down_is_one_message_and_exit_4(go, run, data, oracle, server, tmp_path):
    with Server() as gone:
        url = gone.url
    ran = run("qbench", data, "--endpoint", url, "--model", "judge", "-o", tmp_path / "out")
    assert ran.code == 4
    assert ran.err.count("cannot be reached") == 1
    assert "Traceback" not in ran.err
    oracle.say = lambda item, shown: Reply(problem("no such key"), 401)
    ran = go()
    assert (ran.code, ran.err.count("no such key")) == (4, 1)
    assert len(server.requests) <= 20  # not 48
    oracle.say = right
    assert go().code == 0
    oracle.judge = lambda *_: Reply(problem("down"), 503)
    ran = go("--judge-extra", "x=1", "--judge-retries", "0", "--parallel", "1")
    assert ran.code == 4
    assert "not answered" in ran.err


def test_a_key_that_is_not_set_is_unavailable(run, data, tmp_path):
    ran = run("qbench", data, "--judge", "gpt-5", "--model", "x", "-o", tmp_path / "out")
    assert ran.code == 4
    assert "OPENAI_API_KEY is not set" in ran.err


def test_open_answers_without_a_judge(go, oracle):
    ran = go(judge=False)
    assert ran.code == 3
    assert "left out, without a judge" in ran.out


def test_side_by_side(run, go, oracle, tmp_path):
    go("--model", "one")
    (tmp_path / "out").rename(tmp_path / "one")
    oracle.say = lambda item, shown: "A" if item.options else right(item, shown)
    go("--model", "two")
    ran = run("qbench", "--compare", tmp_path / "one", tmp_path / "out", "-o", tmp_path / "both")
    assert ran.code == 0, ran.err
    assert "against one" in ran.out
    assert (tmp_path / "both" / "radar.png").exists()
    ran = run("qbench", "--compare", tmp_path / "one", "-o", tmp_path / "one")
    assert ran.code == 2


def test_a_model_on_this_machine(run, data, tmp_path, home):
    tiny = tiny_backbone("internvl", tmp_path / "tiny")
    ran = run("qbench", data, "--model", tiny, "-o", tmp_path / "out", "--max-tokens", "3", "--device", "cpu")
    assert ran.code == 0, ran.err
    lines = [json.loads(line) for line in (tmp_path / "out" / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == 48
    assert {line["provenance"]["served"] for line in lines if line["raw"]} == {"tiny"}
    # a random model does not end within 3 tokens, and what was cut off is no answer, to open questions either
    assert {(line["status"], line["score"], line["provenance"]["finish"]) for line in lines} == {
        ("unparseable", 0.0, "length")
    }


def test_columns_on_the_command_line(go, rewrite, oracle):
    rewrite(
        lambda rows: [
            {("Q" if key == "question" else key): value for key, value in {**row, "x": 1}.items()} for row in rows
        ]
    )
    assert go().code == 2
    assert go("--columns", "question=Q", "--ignore", "x").code == 0
    assert go("--columns", "question").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "missing --model"),
        (
            ["--model", "x", "-o", "out", "--endpoint", "http://localhost:1/v1", "--device", "cpu"],
            "--device is for a local model",
        ),
        (["--model", "x", "-o", "out", "--key-variable", "KEY"], "--key-variable requires --endpoint"),
        (["--model", "x", "-o", "out", "--timeout", "3"], "--timeout requires --endpoint"),
        (["--model", "x", "-o", "out", "--judge-extra", "a=1"], "--judge-extra requires --judge"),
        (["--endpoint", "http://localhost:1/v1", "-o", "out", "--extra", "x"], "expected NAME=JSON"),
        (["--endpoint", "http://localhost:1/v1", "-o", "out", "--extra", "x={"], "is invalid JSON"),
        (["--endpoint", "http://localhost:1/v1", "-o", "out", "--extra", "x=1", "--extra", "x=2"], "given twice"),
        (["--endpoint", "http://localhost:1/v1", "-o", "out", "--extra", "model=y"], "cannot be sent"),
        (["--check", "--format", "what"], "unknown format 'what'"),
        (["more", "--check"], "expected one DATA"),
    ],
)
def test_called_wrongly(run, data, arguments, said):
    ran = run("qbench", data, *arguments)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


@pytest.mark.parametrize("name", ["problems.txt", "shuffled.jsonl", "record.jsonl", "notes.md"])
def test_files_of_somebody_else_are_left_alone(go, server, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine, and without an end of line")
    ran = go()
    assert ran.code == 2
    assert "holds files that no run of qbench wrote" in ran.err
    assert (tmp_path / "out" / name).read_text() == "mine, and without an end of line"
    assert server.requests == []


def test_a_list_of_problems_is_made_anew(go, rewrite, tmp_path):
    rewrite(lambda rows: rows[0].update(image="nowhere.png"))
    assert go().code == 2
    assert (tmp_path / "out" / "problems.txt").read_text().startswith("Problems of the data, listed by")
    assert "nowhere.png" in go().err  # the folder is qbench's own


def test_each_server_gets_its_own_key_and_a_refresh_asks_again(go, oracle, server, monkeypatch):
    monkeypatch.setenv("MODEL_KEY", "of-the-model")
    monkeypatch.setenv("RATER_KEY", "of-the-judge")
    keys = ("--key-variable", "MODEL_KEY", "--judge-key-variable", "RATER_KEY")
    assert go(*keys).code == 0
    bodies = [request for request in server.requests if request.body]
    sent = {len(request.body["messages"]): request.headers["authorization"] for request in bodies}
    assert sent == {1: "Bearer of-the-model", 2: "Bearer of-the-judge"}  # the judge has a system message
    oracle.asked.clear()
    assert go(*keys, "--overwrite").code == 0
    assert not oracle.asked
    assert go(*keys, "--overwrite", "--refresh").code == 0
    assert oracle.asked
