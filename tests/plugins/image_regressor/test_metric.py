"""`image_regressor`: what it sees, what it keeps, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from editmetrics import create_metric
from editmetrics.mllm.features import FeatureError
from editmetrics.mllm.recipe import RecipeError
from editmetrics.mllm.targets import TargetError
from editmetrics.plugins.conformance import clip as clip_stand_in
from editmetrics.plugins.image_regressor.backbones import BackboneWeightsError
from editmetrics.plugins.image_regressor.store import KeptFeatures
from editmetrics.testing.hooks import offline_weights
from tests.plugins.image_regressor.recipes import FROZEN, TINY, written
from tools.regressor_toy import rated_pictures

QUALITY = {"visual_quality": "mos"}


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def samples():
    return rated_pictures(8, side=32)


def fit(folder, recipe, samples, *, targets=QUALITY, **settings):
    preset = written(folder, recipe)
    return create_metric("image_regressor", device="cpu").fit(
        samples, targets=targets, output_dir=folder / "out", preset=preset, baseline=False, **settings
    )


def test_kept_features_give_the_scores_of_the_images(tmp_path, samples):
    """The network is trained on features of the store, and scores by the backbone: both are one number."""
    from editmetrics.plugins.image_regressor.loading import load_network

    metric = fit(tmp_path, FROZEN, samples)
    network = load_network(metric.checkpoint)
    described = json.loads((tmp_path / "out" / "metric.json").read_text())
    assert described["backbone"]["trained"] == "no"
    kept = KeptFeatures(network, [described["settings"]["backbones"][0]["sha256"]])
    with kept.cache as cache:
        (rows,) = cache.get([_digest(samples[3])]).values()
    import torch

    with torch.inference_mode():
        seen = torch.from_numpy(rows.reshape(-1, 24).copy())
        rating = float(network.rate((seen, _layout(len(seen)))).numbers)
    assert float(metric.score([samples[3]])[0]) == pytest.approx(min(max(100 * rating, 0), 100), abs=1e-3)


def test_a_second_training_computes_no_feature_again(tmp_path, samples, monkeypatch):
    fit(tmp_path, FROZEN, samples)
    asked = []
    compute = KeptFeatures._compute
    monkeypatch.setattr(
        KeptFeatures, "_compute", lambda self, images: asked.append(len(images)) or compute(self, images)
    )
    (tmp_path / "again").mkdir()
    fit(tmp_path / "again", FROZEN, samples, seed=0, learning_rate=1e-3)
    assert asked == [1]  # of one image, which says how large they are


def test_there_must_be_room_for_features(tmp_path, samples):
    with pytest.raises(FeatureError, match="feature_store_gb"):
        fit(tmp_path, FROZEN, samples, feature_store_gb=1e-9)


def test_a_full_reference_regressor_sees_the_source(tmp_path, samples):
    metric = fit(tmp_path, TINY, samples, reference=True)
    assert metric.required() == {"edited", "source"}
    edited, other = samples[2], samples[7]
    same, moved = metric.score([edited, replace(edited, source=other.source)])
    assert float(same) != float(moved)
    assert metric.score([replace(edited, source=None)])[0].status == "skipped"


def test_the_instruction_is_read_by_clip(tmp_path, samples):
    with clip_stand_in.stand_in(), offline_weights(["clip-vit-b-32-openai"]):
        metric = fit(tmp_path, TINY, samples, instruction=True)
        assert metric.required() == {"edited", "prompt"}
        assert "clip-vit-b-32-openai" in metric.checkpoints()
        edited = samples[2]
        one, other, none = metric.score(
            [edited, replace(edited, prompt="make the sky red"), replace(edited, prompt=" ")]
        )
        assert float(one) != float(other)
        assert none.status == "skipped"


def test_a_label_is_a_probability_and_nothing_else_is_taken(tmp_path, samples):
    metric = fit(tmp_path, TINY, samples, targets={"authenticity": "real"}, epochs=1)
    assert [(d.name, d.low, d.high) for d in metric.dimensions] == [("authenticity", 0, 1)]
    assert all(0 < float(score) < 1 for score in metric.score(samples[:5]))
    validation = metric.checkpoint.validation["authenticity"]
    assert set(validation) == {"auc", "balanced_accuracy", "n"}
    with pytest.raises(TargetError, match="1 for a real image"):
        fit(tmp_path, TINY, samples, targets={"authenticity": "mos"})


def test_several_dimensions_have_a_number_each(tmp_path, samples):
    for sample in samples:
        sample.meta["flipped"] = 100 - sample.meta["mos"]
    metric = fit(tmp_path, TINY, samples, targets={"visual_quality": "mos", "overall": "flipped"}, epochs=20)
    scores = np.array([list(dict(score).values()) for score in metric.score(samples)])
    assert np.corrcoef(scores.T)[0, 1] < -0.5  # each learned its own column
    with pytest.raises(RecipeError, match="one dimension"):
        fit(tmp_path, TINY.replace("[head]", '[head]\nkind = "levels"'), samples,
            targets={"visual_quality": "mos", "overall": "flipped"}, resume=False)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s[:3], TargetError, "validation"),
        (lambda s: [replace(x, meta={"mos": 5 * x.meta["mos"]}) for x in s], TargetError, "outside the label scale"),
        (lambda s: [replace(x, meta={"mos": ""}) for x in s], TargetError, "no rating in mos"),
    ],
)
def test_ratings_that_cannot_be_learned_are_refused(tmp_path, samples, change, error, words):
    with pytest.raises(error, match=words):
        fit(tmp_path, TINY, change(samples))


def test_missing_ratings_are_left_out_and_counted(tmp_path, samples):
    some = [replace(sample, meta={}) if row < 2 else sample for row, sample in enumerate(samples)]
    metric = fit(tmp_path, TINY, some, epochs=1)
    assert metric.checkpoint.data["left_out"] == {"no rating in mos": 2}


def test_another_backbones_weights_are_refused(tmp_path, samples):
    import torch
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.zeros(4, 3, 7, 7)}, tmp_path / "other.safetensors")
    with pytest.raises(BackboneWeightsError, match=r"other\.safetensors does not fit the backbone"):
        fit(tmp_path, TINY, samples, pretrained=str(tmp_path / "other.safetensors"))
    with pytest.raises(RecipeError, match="neither a file nor an entry"):
        fit(tmp_path, TINY, samples, pretrained="resnet5")


def test_a_training_starts_from_another_and_resumes(tmp_path, samples):
    first = fit(tmp_path, TINY, samples)
    again = fit(tmp_path, TINY, samples)  # finished: read, not trained
    assert again.checkpoint.digest == first.checkpoint.digest
    (tmp_path / "next").mkdir()
    more = fit(tmp_path / "next", TINY, samples, start_from=str(tmp_path / "out"), epochs=1, learning_rate=1e-12)
    assert [float(s) for s in more.score(samples[:4])] == pytest.approx(
        [float(s) for s in first.score(samples[:4])], abs=2.0
    )  # batch norms go on to gather statistics


def test_several_weights_are_averaged(tmp_path, samples):
    one = fit(tmp_path, TINY, samples, epochs=1)
    (tmp_path / "b").mkdir()
    other = fit(tmp_path / "b", TINY, samples, seed=1, epochs=1)
    both = create_metric("image_regressor", weights=f"{one.weights};{other.weights}", device="cpu")
    (score,) = both.score([samples[1]])
    assert float(score) == pytest.approx((float(one.score([samples[1]])[0]) + float(other.score([samples[1]])[0])) / 2)


def _digest(sample):
    from editmetrics.data.image_sets import ImageSet

    return ImageSet([sample.edited]).digests()[0]


def _layout(count):
    from editmetrics.plugins.image_regressor.parts.layout import ViewLayout

    return ViewLayout((count,))
