"""A server on this machine, no settings of the machine that the tests run on, and no waiting."""

from __future__ import annotations

import os

import pytest

from editmetrics.judge import endpoint, open_judge

from .server import running


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for variable in list(os.environ):
        if variable.startswith(("OPENAI_", "EDITMETRICS_")) or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.001)
    return tmp_path / "home"


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def judge(server):
    """Open a judge that asks the server: `judge(temperature=0)`; 2 retries unless it is said otherwise."""

    def opened(model="judge", **options):
        return open_judge(model, **{"endpoint": server.url, "retries": 2, "timeout": 30.0, **options})

    return opened
