"""Every `fit` on two processes makes what it makes on one: losses, and scores of images not seen before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from editmetrics import create_metric
from editmetrics.data import from_manifest
from editmetrics.files.rows import read_rows
from editmetrics.mllm import readouts
from editmetrics.mllm.checkpoint import read_checkpoint
from tests.mllm.processes import launched
from tests.plugins.whole_fits import FITS, WORLDS, fit_all, search_and_train

WORLD = {"epaiqa": "regions", "lmm4lmm": "images"}
"""The world of a metric; that of the others is "edits"."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Manifests to train on, and of fresh images to score."""
    folder = tmp_path_factory.mktemp("worlds")
    for name, make in WORLDS.items():
        make(folder / name, 24, seed=12)
        make(folder / f"fresh {name}", 6, seed=13)
    return folder


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory):
    """What one process has made, and what two have."""
    folder = tmp_path_factory.mktemp("fits")
    fit_all(data, folder / "one")
    out, _ = launched([str(Path(__file__).with_name("whole_fits.py")), str(data), str(folder / "two")], folder, 1500)
    assert out.count("has ended") == 2
    return folder / "one", folder / "two"


@pytest.fixture(autouse=True)
def _whatever_the_mass(monkeypatch):
    """A few steps teach no form: the numbers are compared here, whether the model meant them or not."""
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)


@pytest.mark.parametrize("name", FITS)
def test_a_fit_on_two_processes_equals_that_of_one(name, data, folders):
    metric = next(metric for metric in ("hpe_lsa", "ds_ieqa", "epaiqa", "lmm4lmm") if name.startswith(metric))
    inside = ["fold_1", "fold_2"] if "folds" in name else ["."]
    for one, two in ([folder / name / each for folder in folders] for each in inside):
        losses, others = (read_checkpoint(folder).history().losses for folder in (one, two))
        np.testing.assert_allclose(others, losses, rtol=1e-4)  # float32, means of two halves
        fresh = list(from_manifest(data / f"fresh {WORLD.get(metric, 'edits')}" / "ratings.csv"))
        scores, again = (_scores(metric, folder, fresh) for folder in (one, two))
        assert scores.std(0).min() > 1e-3  # they tell images apart
        np.testing.assert_allclose(again, scores, atol=1e-3)


def test_what_two_processes_began_is_ended_by_one(data, folders):
    one, two = folders
    assert not (two / "begun" / "metric.json").exists()
    assert (two / "begun" / "training" / "visual_quality" / "checkpoint-2").exists()
    search_and_train(data, two / "begun")
    fresh = list(from_manifest(data / "fresh edits" / "ratings.csv"))
    scores, again = (_scores("ds_ieqa", folder, fresh) for folder in (one / "ds_ieqa", two / "begun"))
    np.testing.assert_allclose(again, scores, atol=1e-3)


def test_the_folds_are_reported_once_and_equally(folders):
    one, two = (list(read_rows(folder / "ds_ieqa_in_folds" / "folds.csv")) for folder in folders)
    assert len(one) > 0
    assert [{**row.cells, "value": None} for row in one] == [{**row.cells, "value": None} for row in two]


def _scores(metric, folder, samples):
    options = {"max_tokens": 8} if metric == "epaiqa" else {}
    scores = create_metric(metric, weights=str(folder), device="cpu", **options).score(samples)
    return np.array([list(dict(score).values()) for score in scores])
