"""A run of `score --suite` against a server on this machine: its tables, bad input, resuming, and plugins."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import threading
from dataclasses import replace

import pytest

from editmetrics.suites import SUITES, table_of_suites
from editmetrics.suites.gedit import TASKS
from tests.judge.server import LIMIT, Reply, completion

from .rows import picture


@pytest.fixture
def manifest(tmp_path):
    """A row for each task and language, whose images are two small pictures."""
    picture(64, 48, 1).save(tmp_path / "source.png")
    picture(80, 60, 2).save(tmp_path / "edited.png")
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["id", "source", "edited", "instruction", "task_type", "instruction_language", "Intersection_exist"]
        )
        for number, (task, language) in enumerate((task, language) for task in TASKS for language in ("en", "cn")):
            prompt = f"edit {number}"
            table.writerow([f"{number:02}", "source.png", "edited.png", prompt, task, language, number % 2 == 0])
    return tmp_path / "rows.csv"


def rated(server, scores):
    """Let the server give `scores` of the instruction's number, a text or a list, and 9 for quality."""

    def answer(request):
        text = request.body["messages"][-1]["content"][0]["text"]
        asked = text.rpartition("Editing instruction: edit ")[2].strip()
        said = scores(int(asked)) if asked.isdigit() else [9, 9]
        return Reply(completion(said if isinstance(said, str) else json.dumps({"score": said, "reasoning": "so"})))

    server.answer = answer


def test_the_table_of_gedit(run, server, manifest, tmp_path):
    rated(server, lambda number: "I'm sorry, but I can't assist with that." if number == 0 else [number % 10, 10])
    with manifest.open("a") as file:  # a second row of the task whose first is refused
        file.write("99,source.png,edited.png,edit 4,background_change,en,True\n")
    command = ("score", manifest, "--suite", f"gedit:endpoint={server.url}", "-q", "-o", tmp_path / "scores.csv")
    first = run(*command, "--json")
    assert first.code == 3
    suite = json.loads(first.out)["suites"][0]
    line = {line["rows"]: line for line in suite["lines"]}["Full set, English"]
    numbers = [4, *range(2, 22, 2)]
    assert (line["samples"], line["read"], line["unread"]) == (12, 11, {"refused": 1})
    assert line["cells"]["G_SC"]["value"] == pytest.approx(sum(number % 10 for number in numbers) / 11)
    assert line["cells"]["G_O"]["value"] == pytest.approx(sum((9 * (number % 10)) ** 0.5 for number in numbers) / 11)
    low, high = (line["cells"]["G_SC"]["published"][end] for end in ("low", "high"))
    assert high - low == pytest.approx(10 / 2 / 11)
    assert suite["served"] == {"judge-2026-01-01": 46}
    assert any(one["point"] == "the judge's model" for one in suite["differences"])

    asked = len(server.requests)
    again = run(*command)
    assert len(server.requests) == asked  # resumed from the record: nothing is asked twice
    assert "Full set, English" in again.out
    assert "1 refused" in again.out
    assert f"{line['cells']['G_SC']['value']:.3f}" in again.out
    assert "differences from the published protocol" in again.out


@pytest.mark.parametrize(
    ("heading", "cell", "problem"),
    [
        (
            "task_type",
            "recolor",
            "requires the task of each row, and 1 sample of 22 has none: 00; the column has recolor",
        ),
        ("instruction_language", "", "requires the language of each row"),
        ("edited", "cat_SRCIMG.png", "is the source as the benchmark's script saves it"),
    ],
)
def test_rows_of_another_benchmark_are_refused_before_anything_is_asked(run, server, manifest, heading, cell, problem):
    rows = list(csv.DictReader(manifest.open()))
    rows[0][heading] = cell
    (manifest.parent / "cat_SRCIMG.png").write_bytes((manifest.parent / "source.png").read_bytes())
    with manifest.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    done = run("score", manifest, "--suite", f"gedit:endpoint={server.url}", "-q")
    assert done.code == 2
    assert problem in " ".join(done.err.split())
    assert not server.requests


def test_folders_name_task_and_language(run, server, tmp_path):
    rated(server, lambda number: [5, 5])
    for task in TASKS:
        folder = tmp_path / "model" / "fullset" / task / "zh"
        folder.mkdir(parents=True)
        picture(64, 48, 1).save(folder / "k_SRCIMG.png")
        picture(64, 48, 2).save(folder / "k.png")
    done = run(
        *(
            "score",
            tmp_path / "model" / "fullset",
            "--pair-by",
            "{id}_SRCIMG,{id}",
            "--prompt",
            "edit 1",
            "-q",
            "--json",
        ),
        *("--suite", f"gedit:endpoint={server.url}"),
    )
    assert done.code == 0, done.err
    lines = {line["rows"]: line for line in json.loads(done.out)["suites"][0]["lines"]}
    assert lines["Full set, Chinese"]["cells"]["G_SC"]["value"] == 5
    assert "Full set, English" not in lines


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_is_explained(run, name):
    done = run("suite", name)
    assert done.code == 0, done.err
    assert SUITES[name].source.repository in done.out
    described = json.loads(run("suite", name, "--json").out)
    assert [column["heading"] for column in described["columns"]] == [one.heading for one in SUITES[name].columns]


def test_an_unreadable_answer_is_asked_for_again_past_the_cache_where_the_user_says_so(run, server, manifest, tmp_path):
    command = ("score", manifest, "--suite", f"gedit:endpoint={server.url}", "-q", "-o", tmp_path / "scores.csv")
    rated(server, lambda number: "It is quite good." if number == 3 else [8, 9])
    assert run(*command).code == 3
    asked = len(server.requests)
    rated(server, lambda number: [5, 7])
    assert run(*command).code == 3  # the record has what came of it
    assert run(*command[:-1], tmp_path / "others.csv").code == 3  # and the cache, for another record
    assert len(server.requests) == asked
    assert run(*command, "--retry", "unparseable").code == 0
    assert len(server.requests) == asked + 1  # what could be read is not paid for twice
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert {row["gedit_G.SC"] for row in rows if row["id"] == "03"} == {"5.0"}
    assert {row["gedit_G.SC"] for row in rows if row["id"] != "03"} == {"8.0"}


def test_without_a_name_every_suite_has_a_line(run):
    lines = run("suite").out.splitlines()
    named = [line.split()[0] for line in lines if line and not line.startswith((" ", "suite", "'"))]
    assert named == list(SUITES)
    assert "1,212" in next(line for line in lines if line.startswith("gedit "))
    assert [suite["name"] for suite in json.loads(run("suite", "--json").out)] == list(SUITES)
    assert "requires the name of a suite" in run("suite", "--repository", ".").err


def test_what_a_run_changes_is_explained(run):
    text = " ".join(
        run("suite", "gedit:judged_by=Q,model=any,temperature=0.7,rounds=3,endpoint=http://a:1/v1").out.split()
    )
    assert "temperature: published: 0; here: 0.7" in text
    assert "here: any" in text
    assert "the mean of 3 answers" in text
    assert "gpt-4.1" not in text
    assert "2,424 requests with 3,636 images" in text
    assert "has no judge 'X'; expected one of G, Q" in run("suite", "gedit:judged_by=X").err


def test_a_copy_of_the_repository_is_checked(run, tmp_path):
    assert "requires" not in run("suite", "gedit", "--repository", tmp_path).err  # its texts are shipped
    done = run("suite", "imgedit", "--repository", tmp_path)
    assert done.code == 2
    assert "prompts.json cannot be read" in done.err
    assert "at commit 547185d" in done.err


def test_another_package_may_register_a_suite(run, monkeypatch):
    mine = replace(SUITES["magicbrush"], name="mine")
    points = {
        name: [importlib.metadata.EntryPoint(name, value, table_of_suites.GROUP)]
        for name, value in (("mine", "a:b"), ("broken", "no.such.module:SUITE"), ("gedit", "a:b"))
    }
    monkeypatch.setattr(table_of_suites, "_entry_points", lambda: points)
    monkeypatch.setattr(
        importlib.metadata.EntryPoint, "load", lambda point: mine if point.value == "a:b" else __import__("no.such")
    )
    table_of_suites._registered.cache_clear()
    assert "mine" in SUITES
    assert SUITES["mine"] is mine
    assert len(SUITES) == len(list(SUITES))
    assert SUITES["gedit"].name == "gedit"
    assert "cannot be imported" in table_of_suites.broken_suites()["broken"]
    assert "built-in suite" in table_of_suites.broken_suites()["gedit"]
    assert "mine" in run("list").out
    table_of_suites._registered.cache_clear()


def test_all_requests_that_may_be_under_way_are_whatever_the_size_of_images(run, server, manifest):
    """Twice 22 questions, 11 at once: the server answers no request before ten others wait beside it."""
    eleven = threading.Barrier(11, timeout=LIMIT)

    def answer(request):
        eleven.wait()
        return Reply(completion('{"score": [5, 5], "reasoning": "so"}'))

    server.answer = answer
    spec = f"gedit:endpoint={server.url},parallel=11,retries=0,cache=false"
    done = run("score", manifest, "--suite", spec, "-q", "--batch-pixels", 1)
    assert done.code == 0, done.err
    assert len(server.requests) == 44


def test_the_tables_of_rise_have_samples_with_fewer_questions(run, server, tmp_path, monkeypatch):
    """Logical samples have no plausibility, and some no consistency: both are read, and neither is a failure."""
    monkeypatch.setattr("editmetrics.suites.judged.text_of", lambda *_: "{reference}")
    picture(64, 48, 1).save(tmp_path / "a.png")
    rows = [
        {"category": "temporal_reasoning", "reference_text": "5"},
        {"category": "causal_reasoning", "reference_text": "5", "consistency_free": "yes"},
        {"category": "logical_reasoning", "reference_txt": "1"},
        {"category": "spatial_reasoning", "reference_text": "4"},
    ]
    names = ["id", "source", "edited", "prompt", *dict.fromkeys(name for row in rows for name in row)]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        for number, row in enumerate(rows):
            table.writerow({"id": number, "source": "a.png", "edited": "a.png", "prompt": "x", **row})

    def answer(request):
        said = request.body["messages"][-1]["content"][0]["text"]
        return Reply(completion(f"Final Score: {'5' if said == '{reference}' else said}"))

    server.answer = answer
    ran = run(
        "score", tmp_path / "rows.csv", "--suite", f"rise:endpoint={server.url}", "-o", tmp_path / "s.csv", "--json"
    )
    assert ran.code == 0
    suite = json.loads(ran.out)
    line = suite["suites"][0]["lines"][0]
    assert {name: cell["value"] for name, cell in line["cells"].items()} == {
        "Temporal": 100, "Causal": 100, "Logical": 100, "Spatial": 0, "Overall": 75
    }  # fmt: skip
    assert (line["read"], line["unread"]) == (4, {})
    quality = next(one for one in suite["metrics"] if one["dimension"] == "quality")
    assert quality["not_scored"] == {"without it": 1}
