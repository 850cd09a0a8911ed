"""Edits of a region, tiny backbones, a scripted server of chat models, and the command line in a folder."""

from __future__ import annotations

import os
import threading

import pytest
from click.testing import CliRunner

from editmetrics.cli import cli as program
from editmetrics.data import from_manifest
from editmetrics.judge import endpoint
from editmetrics.testing import tiny_backbone
from tests.judge.server import Server
from tests.worlds.regions import toy_region_edits


@pytest.fixture(scope="session")
def edits(tmp_path_factory):
    """The manifest of 24 edits of 6 photographs' crops."""
    return toy_region_edits(tmp_path_factory.mktemp("edits"), 24, seed=11)


@pytest.fixture(scope="session")
def samples(edits):
    return list(from_manifest(edits))


@pytest.fixture(scope="session")
def random_backbone(tmp_path_factory):
    """A random tiny LLaVA-OneVision that spells the words of the answers in few tokens."""
    folder = tmp_path_factory.mktemp("backbone")
    words = " Non-Completion. Partial Completion. Full Completion. " * 20
    return tiny_backbone("llava_onevision", folder, layers=2, corpus=words, vocabulary=900)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of chat models on this machine; no keys, no cache of the machine's, no waiting."""
    for variable in list(os.environ):
        if variable.startswith(("OPENAI_", "EDITMETRICS_")) or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.001)
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Run a command in `tmp_path`, and return what it said."""
    monkeypatch.chdir(tmp_path)

    def run(arguments, code=0):
        result = CliRunner().invoke(program, [str(argument) for argument in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return run
