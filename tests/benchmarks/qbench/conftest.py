"""Painted questions, and a model behind a server on this machine that sees the images it is sent."""

from __future__ import annotations

import json

import pytest

from editmetrics.benchmarks.qbench import read_benchmark
from editmetrics.judge import open_judge
from tests.cli.conftest import run  # noqa: F401
from tests.judge.conftest import home, server  # noqa: F401
from tests.worlds.questions import toy_questions

from .scripted import Oracle


@pytest.fixture
def data(tmp_path):
    """A folder with 48 painted questions."""
    toy_questions(tmp_path / "data", 48, size=32)
    return tmp_path / "data"


@pytest.fixture
def rewrite(data):
    """Change the rows of `data`: `rewrite(change)` calls `change(rows)` with the list of them, and writes it."""

    def change_with(change):
        path = data / "questions.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows = change(rows) or rows
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return change_with


@pytest.fixture
def oracle(data, server):  # noqa: F811
    """The server answers the questions of `data`, rightly unless `say` is replaced."""
    found = Oracle(read_benchmark(data).items)
    server.answer = found
    return found


@pytest.fixture
def model(server):  # noqa: F811
    def opened(name="judge", **options):
        return open_judge(name, **{"endpoint": server.url, "retries": 2, "timeout": 30.0, **options})

    return opened
