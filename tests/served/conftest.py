"""The judges' server, no settings of the machine that the tests run on, and a tiny model that transformers runs."""

import pytest

from editmetrics.testing import tiny_backbone
from tests.cli.conftest import run
from tests.judge.conftest import home, server

from .fake import Model

__all__ = ["home", "run", "server"]


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The folder of a tiny random model."""
    return tiny_backbone("qwen2_5_vl", tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def model(base):
    """That model, as a server has it."""
    return Model(base)
