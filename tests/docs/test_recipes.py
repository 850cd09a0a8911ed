"""The recipes of docs/rewards.md, run as they stand, with diffusers, datasets and TRL's own trainer."""

import warnings

import pytest

from editmetrics.testing import offline_weights

from . import world
from .test_examples import RECIPES, ROOT, python_blocks

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "rewards.md"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the block of the page that imports `library`; return its names."""
    monkeypatch.chdir(world.build(tmp_path / "world", "ds_ieqa"))
    monkeypatch.setenv("EDITMETRICS_DEVICE", "cpu")

    def block(library):
        pytest.importorskip(library)
        first = {name: f"import {name}\n" for name in RECIPES}
        texts = [text for text in python_blocks(PAGE) if first[library] in text]
        names = {"__name__": "example"}
        with offline_weights(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            exec(compile(texts[-1] if library != "datasets" else texts[0], f"recipe of {library}", "exec"), names)
        return names

    return block


def test_the_outputs_of_a_diffusers_pipeline(run):
    names = run("diffusers")
    assert names["images"].shape == (2, 3, 64, 64)
    assert len(names["rewards"]) == 2
    assert names["reward"].last.number == 2
    assert names["stats"]["reward/failed"] == 0


def test_a_column_of_scores_in_a_data_set(run):
    names = run("datasets")
    expected = [float(one) for one in names["scores"]]
    assert list(names["data"]["ssim"]) == expected
    assert list(names["good"]["id"]) == ["cat"]


def test_grpo_with_trl_raises_the_mean_reward(run):
    """Ten steps of TRL's own trainer: answers that cannot be drawn are left out, and the others get brighter."""
    names = run("trl")
    means, logs = names["means"], names["trainer"].state.log_history[:10]
    assert len(means) == 10
    assert sum(means[-3:]) / 3 > sum(means[:3]) / 3 + 0.2
    assert means == pytest.approx([log["reward/mean"] for log in logs], abs=1e-6)
    assert logs[0]["reward/failed"] > 0, "TRL was handed None, and the training went on"
    assert names["reward"].last.number == 10
