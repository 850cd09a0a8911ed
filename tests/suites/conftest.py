"""A server on this machine that is asked in the place of a judge, and a home of its own."""

from __future__ import annotations

import os

import pytest

from editmetrics.judge import endpoint
from tests.cli.conftest import run
from tests.judge.server import running

__all__ = ["run"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for variable in list(os.environ):
        if variable.startswith(("OPENAI_", "EDITMETRICS_")) and not variable.endswith("_REPOSITORY"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.001)


@pytest.fixture
def server():
    with running() as server:
        yield server
