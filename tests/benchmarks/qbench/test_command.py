"""`editmetrics qbench` as a user types it."""

import json
import re

import pytest

from editmetrics.testing import tiny_backbone

from .scripted import right


@pytest.fixture
def go(run, data, server, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")

    def called(*arguments, judge=True):
        named = ["--judge", "judge", "--judge-endpoint", server.url] if judge else []
        return run("qbench", data, "--endpoint", server.url, "-o", tmp_path / "out", *named, *arguments)

    return called


def test_tables_come_out(go, oracle, tmp_path):
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


def test_it_fits_a_terminal_of_a_hundred_columns(go, oracle, monkeypatch, data, server, tmp_path):
    """Standard output of a pipe is as wide as it likes; a terminal's is not."""
    from io import StringIO

    from rich.console import Console

    from editmetrics.benchmarks.qbench import compare
    from editmetrics.report.score_table import show_counts, show_scores

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
            show_scores(table, console)
        for table in report.counts:
            show_counts(table, console)
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


def test_open_answers_without_a_judge(go, oracle):
    ran = go(judge=False)
    assert ran.code == 3
    assert "for want of a judge" in ran.out


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
    assert ran.code == 3, ran.err  # open questions have no judge
    lines = [json.loads(line) for line in (tmp_path / "out" / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == 48
    assert {line["provenance"]["served"] for line in lines if line["raw"]} == {"tiny"}


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
        ([], "name a --model"),
        (
            ["--model", "x", "-o", "out", "--endpoint", "http://localhost:1/v1", "--device", "cpu"],
            "--device is for a model on",
        ),
        (["--model", "x", "-o", "out", "--key-variable", "KEY"], "--key-variable is for an --endpoint"),
        (["--check", "--format", "what"], "there is no format 'what'"),
        (["more", "--check"], "one is asked at a time"),
    ],
)
def test_called_wrongly(run, data, arguments, said):
    ran = run("qbench", data, *arguments)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())
