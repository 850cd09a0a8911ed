"""The tier of weights, against a hub on this machine: what is here is checked, what is not is named with its terms."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from editmetrics import weights
from editmetrics.checkpoints import registered
from editmetrics.cli import cli
from editmetrics.plugins.image_regressor.reading import NAMES, named_recipe
from editmetrics.selftest import Report, stored
from tests.hub.conftest import home, hub, published  # noqa: F401 - fixtures
from tests.random_checkpoints import write_random_checkpoint

REMOTE = {name for name, entry in registered().items() if entry.source.package is None}


@pytest.fixture(autouse=True)
def no_example_metrics(quick, monkeypatch):
    """Only the rows of weights: those of lower tiers have tests of their own."""
    for name in ("check_scores", "check_bfloat16", "check_invariance", "check_speed"):
        monkeypatch.setattr(f"editmetrics.selftest.metrics.{name}", lambda *_: None)
    monkeypatch.setattr("editmetrics.selftest.training.check_training", lambda *_: None)


def command(tmp_path, *arguments: str, answers: str = ""):
    options = ["--tier", "weights", "-o", str(tmp_path / "report.json"), *arguments]
    done = CliRunner().invoke(cli, ["selftest", *options], input=answers)
    rows = json.loads((tmp_path / "report.json").read_text())["rows"]
    return done, {(row["check"], row["subject"]): row for row in rows}


def test_what_is_not_here_is_named_with_size_and_licence(home, tmp_path):  # noqa: F811
    done, rows = command(tmp_path)
    assert done.exit_code == 0
    assert {subject for check, subject in rows if check == "weights"} == REMOTE
    text = rows["weights", "lpips-squeezenet"]["detail"]
    assert text.startswith("not on this machine (about 5 MB; licence: not stated; ImageNet's terms may apply)")
    assert "not confirmed: file names are inferred" in rows["weights", "edit_hf.visual"]["detail"]
    assert "Qwen/Qwen3-VL-8B-Instruct is not in the hub's cache" in rows["scores", "ds_ieqa"]["detail"]


def test_a_download_is_asked_for_after_its_size_and_licence(published, hub, home, tmp_path):  # noqa: F811
    for name in REMOTE:
        published(name)
    done, rows = command(tmp_path, "--download", answers="y\n" + "n\n" * (len(REMOTE) - 1))
    first = next(name for name in registered() if name in REMOTE)
    entry = registered()[first]
    assert f"{first}: {entry.size}; licence: {entry.licence}\nDownload it? [y/N]: y" in done.output
    assert {subject for check, subject in rows if check == "download"} == {first}
    assert {subject for check, subject in rows if check == "weights"} == REMOTE - {first}
    failed = {key for key, row in rows.items() if row["state"] == "failed"}  # random bytes are no network
    assert (done.exit_code, failed) == (1, {("scores", f"{stored.spec_of(entry)}, batch and alone")})


def test_without_a_network_a_download_is_not_run(home, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    done, rows = command(tmp_path, "--download", "--yes")
    assert done.exit_code == 0
    assert {subject for check, subject in rows if check == "download"} == REMOTE
    assert {row["state"] for key, row in rows.items() if key[0] == "download"} == {"not run"}


def test_weights_that_are_here_are_hashed_and_scored_in_a_batch_and_alone(home, monkeypatch):  # noqa: F811
    write_random_checkpoint("lpips-squeezenet", weights.folder_of("lpips-squeezenet"))
    entry = registered()["lpips-squeezenet"]
    monkeypatch.setattr(stored, "registered", lambda: {entry.name: entry})
    report = Report("weights")
    stored.check_weights(report, "cpu", lambda entry: False)
    (checksums,) = report.rows  # random ones are not what the registry has
    assert (checksums.check, checksums.state) == ("checksums", "failed")
    assert "the registry says 4958839" in checksums.detail
    monkeypatch.setattr(weights, "verify", lambda name: {})
    report = Report("weights")
    with weights.substitute(entry.name, weights.folder_of(entry.name)):
        stored.check_weights(report, "cpu", lambda entry: False)
    assert [(row.check, row.subject, row.state) for row in report.rows] == [
        ("checksums", "lpips-squeezenet", "held"),
        ("scores", "lpips:net=squeeze, batch and alone", "held"),
    ]


BESIDE_A_BACKBONE = {"pvc_judge"}
"""Adapters that are chosen together with the backbone that they belong to."""


def test_every_entry_has_a_metric_that_loads_it():
    trained_from = {each.weights for name in NAMES for each in named_recipe(name).backbones}
    for name in REMOTE:
        assert stored.spec_of(registered()[name]) or name in trained_from | BESIDE_A_BACKBONE, name
