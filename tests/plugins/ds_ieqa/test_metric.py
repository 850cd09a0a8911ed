"""The metric itself: the shipped toy weights on edits they have not seen, zero-shot, averages, and what is refused."""

import csv
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from editmetrics import Sample, create_metric
from editmetrics.data import from_manifest
from editmetrics.mllm import readouts
from editmetrics.mllm.checkpoint import CheckpointError
from editmetrics.plugins.ds_ieqa.metric import DSIEQA
from editmetrics.sample import EditMetricsError
from editmetrics.weights import folder_of
from tests.worlds.edits import DIMENSIONS, HELD_OUT, toy_edits

LEAST = {
    "same photographs": {"visual_quality": 0.9, "editing_fidelity": 0.9, "content_preservation": 0.7},
    "other photographs": {"visual_quality": 0.8, "editing_fidelity": 0.7, "content_preservation": 0.4},
}
"""SRCC. Measured: 0.95, 0.99, 0.78 and 0.87, 0.83, 0.52; the toy was trained on five photographs, and knows little of
the textures of others."""

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
SEED = 77
"""Not a seed that the toy was trained or validated with."""


@pytest.fixture(scope="module")
def toy():
    return create_metric("ds_ieqa:weights=toy", device="cpu")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """New crops, new edits: 160 of the photographs that it was trained on, and 160 of others."""
    folder = tmp_path_factory.mktemp("held-out")
    return {
        "same photographs": list(from_manifest(toy_edits(folder / "same", 160, seed=SEED))),
        "other photographs": list(from_manifest(toy_edits(folder / "other", 160, seed=SEED, photographs=HELD_OUT))),
    }


@pytest.fixture(scope="module")
def scores(toy, held_out):
    return {where: toy.score(samples) for where, samples in held_out.items()}


def agreement(scores, samples):
    return {
        name: spearmanr([s[name] for s in scores], [float(s.meta[name]) for s in samples])[0] for name in DIMENSIONS
    }


def test_the_toy_agrees_with_the_known_quality_of_unseen_edits(scores, held_out):
    found = {where: agreement(scores[where], samples) for where, samples in held_out.items()}
    for where, least in LEAST.items():
        assert all(found[where][name] >= least[name] for name in DIMENSIONS), found


def test_what_compares_two_images_knows_nothing_when_they_are_swapped(toy, held_out):
    samples = held_out["same photographs"]
    swapped = [replace(sample, source=sample.edited, edited=sample.source) for sample in samples]
    found = agreement(toy.score(swapped), samples)
    assert max(abs(found[name]) for name in ("visual_quality", "editing_fidelity")) < 0.5, found


def test_the_instruction_is_read(toy, held_out):
    """Asked for another colour than the square has, the edit is no longer one that follows the instruction."""
    followed = [s for s in held_out["same photographs"] if float(s.meta["editing_fidelity"]) > 70]
    other = {"red": "blue", "blue": "green", "green": "red"}
    colours = [sample.prompt.split()[-1] for sample in followed]
    asked = [replace(s, prompt=f"make the square {other[c]}") for s, c in zip(followed, colours, strict=True)]
    before, after = toy.score(followed), toy.score(asked)
    lower = [b["editing_fidelity"] < a["editing_fidelity"] for a, b in zip(before, after, strict=True)]
    assert sum(lower) / len(lower) > 0.9


def test_the_score_is_what_greedy_decoding_writes(toy, held_out):
    """transformers-style generation of the answer, word by word, against the read-out of three positions."""
    samples = held_out["same photographs"][:6]
    toy.load()
    (assessor,) = toy.assessors
    from editmetrics.mllm.lora import using

    for dimension in DIMENSIONS:
        prompts = [toy.prepare(sample)[dimension] for sample in samples]
        with using(assessor.backbone, assessor.adapters[dimension]):
            written = assessor.backbone.generate(prompts, max_tokens=8)
        numbers = [toy.scale.rating(float(text)) for text in written]
        assert [score[dimension] for score in toy.score(samples)] == pytest.approx(numbers)


def test_uncertainty_and_details_say_what_the_number_rests_on(toy, held_out):
    score = toy.score(held_out["same photographs"][:1])[0]
    assert score.ok
    assert score.uncertainty.keys() == score.details["digit_mass"].keys() == set(DIMENSIONS)
    assert all(0 < spread < 60 for spread in score.uncertainty.values())
    assert all(mass > 0.9 for mass in score.details["digit_mass"].values())
    assert "zero_shot" not in score.details


def test_edits_like_those_of_the_training_keep_their_scores(scores):
    """The least mass of 320 was 0.55: see docs/reproducibility.md."""
    for where, found in scores.items():
        assert np.mean([score.ok for score in found]) >= 0.99, where


@pytest.mark.parametrize("read", ["generated", "expected"])
def test_trained_weights_give_no_number_where_they_were_not_about_to_write_one(read):
    """The photographs of docs/examples, which the toy has learned nothing of: 16 of 18 lack a number."""
    with (EXAMPLES / "prompts.csv").open(newline="") as file:
        prompts = {row["name"]: row["prompt"] for row in csv.DictReader(file)}
    samples = [
        Sample(
            f"{system}/{name}",
            edited=EXAMPLES / system / f"{name}.jpg",
            source=EXAMPLES / "source" / f"{name}.jpg",
            prompt=said,
        )
        for system in ("edited", "edited_b") for name, said in prompts.items()
    ]  # fmt: skip
    scores = create_metric("ds_ieqa", weights="toy", read=read, device="cpu").score(samples)
    refused = [score for score in scores if not score.ok]
    assert len(refused) > len(scores) / 2
    for score in scores:
        masses = score.details["digit_mass"]
        assert set(score) == set(score.uncertainty) == {name for name in DIMENSIONS if masses[name] >= 0.5}
        assert score.status == ("ok" if len(score) == 3 else "unparseable")
    assert "the model was not about to write a digit (probability 0.0" in refused[0].reason


def test_the_expected_score_is_finer_than_the_generated_one(toy, held_out):
    samples = held_out["same photographs"][:40]
    expected = create_metric("ds_ieqa:weights=toy,read=expected", device="cpu")
    values = {m.read: [s["visual_quality"] for s in m.score(samples)] for m in (toy, expected)}
    assert len(set(values["expected"])) == 40
    assert spearmanr(values["expected"], values["generated"])[0] > 0.95


def test_without_weights_it_is_zero_shot_and_says_so(held_out, caplog):
    metric = create_metric("ds_ieqa:backbone=toy-internvl", device="cpu")
    with caplog.at_level(logging.WARNING, "editmetrics"):
        scores = metric.score(held_out["same photographs"][:3])
        metric.score(held_out["same photographs"][:1])
    assert all(score.details["zero_shot"] is True for score in scores)
    assert [record.message for record in caplog.records if "zero-shot" in record.message].__len__() == 1
    assert metric.identity()["weights"] == "none: zero-shot"


def test_a_backbone_that_would_write_no_number_gets_none(backbones, samples):
    metric = create_metric("ds_ieqa", backbone=str(backbones["qwen3_vl"]), device="cpu")
    for score in metric.score(samples[:3]):
        assert (score.status, dict(score)) == ("unparseable", {})
        assert "not about to write a digit (probability 0.0" in score.reason


def test_several_weights_are_averaged(toy, held_out, tmp_path):
    """The mean of the single scores, and a spread that holds both theirs and their difference."""
    samples = held_out["same photographs"][:4]
    folder = folder_of("ds_ieqa.toy")
    other = DSIEQA(weights=str(folder), image_tokens=None).to("cpu")
    both = DSIEQA(weights=["toy", str(folder)]).to("cpu")
    assert both.weights == f"toy;{folder}"
    for one, two, mean in zip(toy.score(samples), other.score(samples), both.score(samples), strict=True):
        for name in DIMENSIONS:
            assert mean[name] == pytest.approx((one[name] + two[name]) / 2)
            assert mean.uncertainty[name] == pytest.approx(one.uncertainty[name])


def test_weights_on_other_scales_are_not_averaged(tmp_path):
    copy = tmp_path / "other"
    shutil.copytree(folder_of("ds_ieqa.toy"), copy)
    said = json.loads((copy / "metric.json").read_text())
    (copy / "metric.json").write_text(json.dumps({**said, "label_scale": [1, 5]}))
    with pytest.raises(EditMetricsError, match="different scales \\(0 to 100 and 1 to 5\\)"):
        _ = DSIEQA(weights=f"toy;{copy}").dimensions
    metric = DSIEQA(weights=str(copy))
    assert [(d.low, d.high) for d in metric.dimensions] == [(1, 5)] * 3


def test_a_number_beside_the_scale_is_no_score(tmp_path, held_out):
    """Weights that say 0.00 to 9.99 under a label scale of 4 to 5: most of what they write is beside it."""
    copy = tmp_path / "narrow"
    shutil.copytree(folder_of("ds_ieqa.toy"), copy)
    said = json.loads((copy / "metric.json").read_text())
    (copy / "metric.json").write_text(json.dumps({**said, "label_scale": [4, 5]}))
    scores = DSIEQA(weights=str(copy)).to("cpu").score(held_out["same photographs"][:12])
    outside = [score for score in scores if not score.ok]
    assert outside
    assert all(score.status == "unparseable" and "outside the scale 4 to 5" in score.reason for score in outside)
    assert all(4 <= value <= 5 for score in scores for value in score.values())


@pytest.mark.parametrize(
    ("weights", "said"),
    [("nowhere", "nowhere is not a folder"), ("toy;nowhere", "nowhere is not a folder"), (".", "is not a checkpoint")],
)
def test_weights_that_are_none_are_refused(weights, said):
    metric = create_metric("ds_ieqa", weights=weights)
    for read in (lambda: metric.dimensions, metric.load):
        with pytest.raises(CheckpointError, match=said):
            read()


def test_a_checkpoint_on_another_backbone_is_refused(backbones, samples):
    metric = create_metric("ds_ieqa", weights="toy", backbone=str(backbones["internvl"]), device="cpu")
    with pytest.raises(CheckpointError, match="was trained on toy-internvl, and this backbone differs: sha256"):
        metric.load()


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"prompt": None}, "skipped", "requires prompt"),
        ({"prompt": "end <|im_end|> it"}, "failed", "<|im_end|>"),
        ({"prompt": "very " * 3000 + "red"}, "failed", "tokens"),
        ({"edited": b"no image"}, "failed", "not"),
    ],
)
def test_a_bad_sample_costs_its_row(toy, samples, fields, status, why):
    good, bad = samples[0], replace(samples[1], **fields)
    scores = toy.score([good, bad, good])
    assert [score.status for score in scores] == ["ok", status, "ok"]
    assert why in scores[1].reason
    assert dict(scores[0]) == dict(scores[2])


@pytest.mark.parametrize("size", [(1, 1), (5000, 4000), (300, 40)])
def test_images_of_any_size_are_read_within_the_budget(toy, size, monkeypatch):
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)  # noise of other sizes than the training's is unlike it
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    toy.load()
    sample = Sample("x", edited=image, source=image, prompt="make the square red")
    (score,) = toy.score([sample])
    assert score.ok
    prompt = toy.prepare(sample)["visual_quality"]
    assert all(picture.tokens <= 1280 for picture in prompt.pictures)


def test_the_identity_tells_weights_and_backbone_apart(toy, tmp_path):
    toy.load()
    identity = toy.identity()
    json.dumps(identity)
    copy = tmp_path / "moved"
    shutil.copytree(folder_of("ds_ieqa.toy"), copy)
    moved = DSIEQA(weights=str(copy)).to("cpu")
    moved.load()
    assert {**moved.identity(), "options": None} == {**identity, "options": None}  # but for the path that it was given
    (copy / "metric.json").write_text((copy / "metric.json").read_text() + "\n")
    assert DSIEQA(weights=str(copy)).identity()["weights"] != identity["weights"]
    assert {"sha256", "family", "dtype"} <= identity["backbone"].keys()
