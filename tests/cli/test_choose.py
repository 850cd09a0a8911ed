"""`editmetrics choose` and the page docs/choosing.md: one table, whose metrics and commands exist."""

import json
import shlex

import click
import pytest

from editmetrics import create_metric
from editmetrics.choosing import RATINGS, TASKS, tasks_for, tasks_with
from editmetrics.cli import load
from editmetrics.wording import command_in_lines
from tests.docs import choosing

ELSEWHERE = ("piq/", "pyiqa/")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_needs_what_its_metrics_require(task):
    """The metrics' own declarations are the measure; those of other libraries may not be installed."""
    for pick in task.picks:
        if not pick.spec.startswith(ELSEWHERE):
            needed = create_metric(pick.spec).required()
            assert needed <= {*task.has}, pick.spec


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_command_is_understood(task, tmp_path, monkeypatch):
    """Parsed by the command itself, in a folder with the files that it names; so is the command in several lines."""
    monkeypatch.chdir(tmp_path)
    line = task.command_line()
    assert shlex.split("\n".join(command_in_lines(line)).replace("\\\n", "")) == shlex.split(line)
    assert max(map(len, command_in_lines(line))) <= 78
    program, name, *arguments = shlex.split(line)
    assert program == "editmetrics"
    for argument in arguments:
        if argument.endswith("/"):
            (tmp_path / argument).mkdir()
        elif argument.endswith(".csv"):
            (tmp_path / argument).write_text("id\n")
    context = load(name).make_context(name, arguments)
    assert tuple(context.params.get("metrics") or ()) == (
        tuple(pick.spec for pick in task.picks) if "-m" in line else ()
    )


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("is the background unchanged", "background"),
        ("does it follow the instruction", "instruction"),
        ("super-resolution", "similarity"),
        ("style transfer", "layout"),
        ("text to image prompt", "generation"),
        ("no-reference quality", "look"),
        ("is model a better than model b", "models"),
        ("correlation with human ratings", "agreement"),
        ("train on my own ratings", "training"),
        ("reinforcement learning", "reward"),
        ("preservaton outside mask", "background"),
        ("magicbrush", "reference"),
        ("elo leaderboard of battles", "arena"),
        ("collect votes of people", "votes"),
    ],
)
def test_words_find_their_task(words, name):
    assert name in [task.name for task in tasks_for(words.split())]


def test_what_one_has_is_enough_for_every_task_shown():
    assert tasks_with(["source", "mask"])[0].name == "background"
    for has in ({"edited"}, {"source", "edited"}, {"edited", "prompt"}, {"source", "edited", RATINGS}):
        assert {task.name for task in tasks_with(has)} == {task.name for task in TASKS if {*task.has} <= has}


def test_choose_shows_lines_then_a_task_in_full(run):
    lines = run("choose").out.splitlines()
    assert [line.split()[0] for line in lines[: len(TASKS)]] == [task.name for task in TASKS]
    shown = [run("choose", task.name).out for task in TASKS]
    assert max(len(line) for out in (*shown, "\n".join(lines)) for line in out.splitlines()) <= 80
    assert all(pick.spec in out for task, out in zip(TASKS, shown, strict=True) for pick in task.picks)
    assert "asks gpt-4.1" in shown[0]
    listed = json.loads(run("choose", "--have", "edited,source,mask", "--json").out)
    assert listed[0]["name"] == "background"
    assert listed[0]["command"] == TASKS[1].command_line()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("xyzzy",), "no task fits 'xyzzy'; expected one of instruction,"),
        (("--have", "rating"), "Did you mean 'ratings'?"),
    ],
)
def test_choose_refuses_what_it_does_not_know(run, arguments, answer):
    ran = run("choose", *arguments)
    assert ran.code == click.UsageError.exit_code
    assert answer in ran.err


def test_the_page_is_the_table():
    assert choosing.PAGE.read_text(encoding="utf-8") == choosing.page(), "run: python -m tests.docs.choosing"
