"""`editmetrics weights` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from editmetrics import EditMetricsError, weights
from editmetrics.cli.weights import weights as command

from .toy import DIGEST, OTHER


def run(*arguments: str) -> str:
    return CliRunner().invoke(command, arguments, catch_exceptions=False).output


def test_the_commands(toy, server, home):
    toy(sha256=DIGEST)
    with pytest.raises(weights.WeightsError, match="editmetrics weights pull toy"):
        run("path", "toy")
    said = run("pull", "toy")
    assert "CC0-1.0; commercial use: yes" in said
    assert f"toy: verified, in {home / 'toy'}" in said
    assert run("path", "toy").strip() == str(home / "toy")
    assert run("verify", "toy") == f"toy: toy.bin verified, sha256 {DIGEST}\n"
    assert run("verify", "toy") in run("verify")  # beside those that come with the package
    (home / "toy" / "toy.bin").write_bytes(OTHER)
    with pytest.raises(EditMetricsError, match="is not used"):
        run("verify")


def test_the_list(toy, home):
    toy()
    weights.pull("toy")
    listed = {entry["name"]: entry for entry in json.loads(run("list", "--json"))["checkpoints"]}
    assert listed.keys() == weights.registered().keys()
    assert listed["toy"]["folder"] == str(home / "toy")
    assert listed["lpips-vgg16"]["folder"] is None
    table = run("list")
    for name, checkpoint in weights.registered().items():
        (line,) = (line for line in table.splitlines() if line.startswith(f"{name} "))
        assert checkpoint.metric in line
        assert line.split()[-1] == ("yes" if name == "toy" or checkpoint.source.package else "no")


def test_pull_by_metric_fetches_what_that_metric_loads(monkeypatch):
    pulled = []
    monkeypatch.setattr(weights, "pull", lambda name, progress=None: pulled.append(name) or Path(name))
    run("pull", "--metric", "lpips:net=vgg", "-m", "clip_score")
    assert pulled == ["lpips-vgg16", "clip-vit-b-32-openai"]
    assert run("pull", "-m", "psnr") == "psnr: requires no weights\n"
    assert "missing a NAME" in run("pull")
