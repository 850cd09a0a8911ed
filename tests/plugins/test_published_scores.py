"""Numbers that authors print, with their weights and their images: run where somebody has both.

    git clone https://github.com/THUDM/ImageReward examples/ImageReward
    git clone https://github.com/sayakpaul/cmmd-pytorch examples/cmmd-pytorch
    editmetrics weights pull image-reward bert-base-uncased-vocabulary clip-vit-l-14-336-openai
    EDITMETRICS_EXAMPLES=examples pytest -m published tests/plugins/test_published_scores.py

Without the images, or without the weights of a metric in the store, its test is skipped and says what is missing. The
pages of PickScore and HPS v2 show examples without their numbers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from editmetrics import create_metric, weights

OCEAN = "a painting of an ocean with clouds and birds, day time, low depth field effect"


def ready(spec: str, folder: str) -> tuple[Any, Path]:
    """The metric, and a folder of the authors' images; skips the test without them or the weights."""
    metric = create_metric(spec)
    examples = os.environ.get("EDITMETRICS_EXAMPLES")
    if examples is None or not Path(examples, folder).is_dir():
        pytest.skip(f"EDITMETRICS_EXAMPLES names no folder with {folder}; see the top of this file")
    if missing := [name for name in metric.checkpoints() if weights.find(name) is None]:
        pytest.skip(f"weights that are not here: {' '.join(missing)}; see the top of this file")
    return metric, Path(examples, folder)


@pytest.mark.published
@pytest.mark.parametrize(
    ("image", "reward"),
    [("1", 0.5811622738838196), ("2", 0.2745276093482971), ("3", -1.4131819009780884), ("4", -2.029569625854492)],
)
def test_image_rewards_example(image, reward):
    """The README of THUDM/ImageReward at 0105ff1, which says that devices differ slightly."""
    metric, folder = ready("image_reward", "ImageReward/assets/images")
    assert float(metric(folder / f"{image}.webp", prompt=OCEAN)) == pytest.approx(reward, abs=5e-3)


@pytest.mark.published
def test_cmmds_example():
    """The README of sayakpaul/cmmd-pytorch at 1c89e84, which says that the authors' own code gives the same."""
    metric, folder = ready("cmmd", "cmmd-pytorch")
    metric.minimum = 1
    score = metric(folder / "reference_images", folder / "generated_images")
    assert float(score) == pytest.approx(7.696, abs=5e-3)  # three decimals, of another port of CLIP


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.delenv("EDITMETRICS_EXAMPLES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="EDITMETRICS_EXAMPLES names no folder with cmmd-pytorch"):
        ready("cmmd", "cmmd-pytorch")
