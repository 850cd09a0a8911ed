"""`start_from`: a training that hardly moves is the checkpoint that it started from; what does not fit is refused."""

from __future__ import annotations

import json

import pytest

from editmetrics import create_metric
from editmetrics.data import from_manifest
from editmetrics.mllm.checkpoint import CheckpointError
from editmetrics.mllm.recipe import RecipeError
from editmetrics.plugins.ds_ieqa.metric import DSIEQA
from editmetrics.plugins.lmm4lmm.metric import LMM4LMM
from tests.worlds.edits import toy_edits
from tests.worlds.images import toy_images

STILL = {"preset": "toy", "steps": 1, "batch_size": 2, "learning_rate": 1e-12, "baseline": False}


@pytest.fixture(scope="module")
def edits(tmp_path_factory):
    return toy_edits(tmp_path_factory.mktemp("edits"), 24, per_source=4, seed=3)


def tuned(edits, folder, *dimensions, image_tokens=None, **settings):
    metric = DSIEQA(backbone="toy-internvl", image_tokens=image_tokens).to("cpu")
    targets = {name: name for name in dimensions or ("visual_quality",)}
    return metric.fit(edits, targets=targets, output_dir=folder, **{**STILL, "start_from": "toy", **settings})


def test_a_training_begins_with_the_weights_of_another_and_says_so(edits, tmp_path):
    started = tuned(edits, tmp_path / "run")
    samples = list(from_manifest(edits))[:4]
    toy = create_metric("ds_ieqa:weights=toy", device="cpu")
    for one, other in zip(started.score(samples), toy.score(samples), strict=True):
        assert one["visual_quality"] == pytest.approx(other["visual_quality"], abs=1e-3)
    said = json.loads((tmp_path / "run" / "metric.json").read_text())
    assert said["fit"]["start_from"] == toy.checkpoint.digest == said["recipe"]["start_from"]
    assert f"| start_from | {toy.checkpoint.digest} |" in (tmp_path / "run" / "card.md").read_text()
    assert said["prompts"]["visual_quality"] == toy.checkpoint.prompts["visual_quality"]
    with pytest.raises(CheckpointError, match="another training \\(start_from was "):
        tuned(edits, tmp_path / "run", start_from=None)
    with pytest.raises(
        RecipeError, match=r"run has no adapter 'editing_fidelity' to start from; it has visual_quality$"
    ):
        tuned(edits, tmp_path / "other", "editing_fidelity", start_from=str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rank": 8}, RecipeError, "has adapters of rank 16, and this training has 8; set rank=16"),
        ({"alpha": 16.0}, RecipeError, "has adapters of alpha 32, and this training has 16; set alpha=32"),
        ({"adapted": "language"}, RecipeError, r"does not adapt the layers that this training does \(language\)"),
        ({"image_tokens": 64}, CheckpointError, "image_tokens"),
        ({"start_from": "nowhere"}, CheckpointError, "nowhere is not a folder"),
    ],
)
def test_what_does_not_fit_is_refused(edits, tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        tuned(edits, tmp_path / "run", **settings)
    assert not (tmp_path / "run" / "metric.json").exists()


def test_a_checkpoint_of_another_metric_is_refused(edits, tmp_path):
    tuned(edits, tmp_path / "run")
    with pytest.raises(CheckpointError, match="is a checkpoint of the metric ds_ieqa, not of lmm4lmm"):
        LMM4LMM(backbone="toy-internvl").fit(
            edits, targets={"perception": "visual_quality"}, output_dir=tmp_path / "x", start_from=str(tmp_path / "run")
        )


def test_heads_and_projector_are_taken_over_and_fit_another_label_scale(tmp_path):
    """The same ratings on a scale that is twice as long: the first scores are the toy's, at the same part of it."""
    images = toy_images(tmp_path / "images", 24, seed=12)
    samples = list(from_manifest(images))[:6]
    toy = create_metric("lmm4lmm:weights=toy,explain=false", device="cpu")
    fit = LMM4LMM(backbone="toy-internvl", explain=False).to("cpu").fit
    settings = {**STILL, "level_steps": 1, "level_batch_size": 2, "level_learning_rate": 1e-12, "group": "scene"}
    started = fit(images, targets={"perception": "perception"}, label_scale=(-100.0, 100.0), output_dir=tmp_path / "a",
                  start_from="toy", **settings)  # fmt: skip
    for one, other in zip(started.score(samples), toy.score(samples), strict=True):
        raw = other.details.get("beyond_scale", {}).get("perception", other["perception"])
        assert one.details.get("beyond_scale", {}).get("perception", one["perception"]) == pytest.approx(
            2 * raw - 100, abs=0.01
        )
    with pytest.raises(RecipeError, match=r"a head 'perception' of .*32.*and .* has one of .*64"):
        fit(images, targets={"perception": "perception"}, output_dir=tmp_path / "b", start_from="toy", hidden=[32],
            **settings)  # fmt: skip
    with pytest.raises(RecipeError, match="has a projector, which levels=false would start without"):
        fit(images, targets={"perception": "perception"}, output_dir=tmp_path / "c", start_from="toy", levels=False,
            **settings)  # fmt: skip
