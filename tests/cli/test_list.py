"""`editmetrics list` and `info` beside a plugin that breaks when it is asked about itself."""

import json

import pytest

from editmetrics import registry
from tests.broken_metrics import MeanError


class Unwilling(MeanError):
    name = "unwilling"

    def required(self):
        raise RuntimeError("required() is broken")


class Unborn(MeanError):
    name = "unborn"

    def __init__(self):
        raise OSError("no file of mine")


class Unweighted(MeanError):
    name = "unweighted"

    def checkpoints(self):
        return 5


@pytest.fixture(params=[Unwilling, Unborn, Unweighted], ids=lambda metric: metric.name)
def broken(request, monkeypatch):
    name, usual, known = request.param.name, registry.metric_class, registry.list_metrics
    for module in ("editmetrics.registry", "editmetrics.describe"):
        monkeypatch.setattr(f"{module}.metric_class", lambda asked: request.param if asked == name else usual(asked))
    monkeypatch.setattr(registry, "list_metrics", lambda: [*known(), name])
    return name


def test_a_plugin_that_cannot_be_described_costs_itself(run, broken):
    ran = run("list")
    assert ran.code == 0
    assert "psnr" in ran.out
    assert f"unusable: {broken} of tests: it cannot be described: " in ran.err
    listed = json.loads(run("list", "--json").out)
    assert "psnr" in {metric["name"] for metric in listed["metrics"]}
    assert broken in {plugin["name"] for plugin in listed["broken"]}


def test_a_plugin_that_cannot_be_described_is_said_to_be_so(run, broken):
    ran = run("info", broken)
    assert ran.code == 2
    assert f"error: {broken} cannot be described: " in ran.err
    assert "Traceback" not in ran.err
