"""Help, list and info: quick, complete, and the same for programs as JSON."""

import json

import pytest

from editmetrics import list_metrics, metric_class
from editmetrics.cli import CORE, METHODS


@pytest.mark.parametrize("command", [*CORE, *METHODS])
def test_every_command_has_help(run, command):
    ran = run(command, "--help")
    assert ran.code == 0
    assert f"Usage: editmetrics {command}" in ran.out


def test_help_lists_every_command(run):
    out = run("--help").out
    assert all(command in out for command in [*CORE, *METHODS])
    assert run("--version").out.startswith("editmetrics ")


def test_an_unknown_command_suggests_a_known_one(run):
    ran = run("scroe")
    assert ran.code == 2
    assert "Did you mean 'score'?" in ran.err


def test_list_shows_every_metric_in_one_line_with_its_direction(run):
    lines = run("list").out.splitlines()
    assert max(len(line) for line in lines if line.startswith("  ")) <= 80
    for name in list_metrics():
        (line,) = (line for line in lines if line.split()[:1] == [name])
        primary = next(dimension for dimension in metric_class(name).dimensions if dimension.primary)
        assert f"  {'higher' if primary.higher_is_better else 'lower'}  " in f"{line}  ".replace("lower ", "lower  ")


def test_list_as_json(run):
    described = json.loads(run("list", "--json").out)
    assert [metric["name"] for metric in described["metrics"]] == list_metrics()
    assert described["broken"] == []


@pytest.mark.parametrize("name", list_metrics())
def test_info_shows_a_metric_in_full(run, name):
    cls = metric_class(name)
    ran = run("info", name)
    assert ran.code == 0
    said = " ".join(ran.out.split())
    for text in (cls.paper.split(",")[0], cls.licence, *(option.name for option in cls.option_list())):
        assert text in said, text
    described = json.loads(run("info", name, "--json").out)
    assert described["needs"]
    assert all(option["description"] for option in described["options"])


def test_prose_of_a_docstring_is_as_wide_as_the_terminal():
    from editmetrics.tables.metrics import _documentation

    docstring = "In\nprose.\n\n    p = a\n    q\n\n- one\n- two\n\nOptions:\n    window: Its size.\n"
    assert _documentation(docstring) == "In prose.\n\n    p = a\n    q\n\n- one\n- two"


def test_info_of_an_unknown_metric(run):
    ran = run("info", "sssim")
    assert ran.code == 2
    assert "Did you mean" in ran.err
