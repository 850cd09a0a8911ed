"""What is read of a backbone, against transformers' own forward pass; where the region comes from; what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from editmetrics import create_metric
from editmetrics.images import read_image
from editmetrics.mllm import prefix_cache, readouts
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.checkpoint_writing import CheckpointContents, write_checkpoint
from editmetrics.mllm.levels import LEVELS
from editmetrics.plugins.epaiqa.answers import COMPLETION_START, LEVEL_START
from editmetrics.plugins.epaiqa.levels import COMPLETIONS
from editmetrics.plugins.epaiqa.metric import EPAIQA
from editmetrics.sample import SampleError
from editmetrics.testing import tiny_backbone

ROUNDING = 1e-5
"""Levels up to 5 from float32 logits, summed in another order: a cache, a padded batch."""


@pytest.fixture(scope="module")
def weights(random_backbone, tmp_path_factory):
    """A checkpoint with random weights in the place of trained ones: every line runs, and nothing is learned."""
    folder = tmp_path_factory.mktemp("weights") / "random"
    backbone = Backbone.load(random_backbone, device="cpu", own=True)
    write_checkpoint(
        folder,
        EPAIQA,
        CheckpointContents(
            label_scale=(1, 5),
            backbone=backbone,
            with_backbone=True,
            settings={"stages": ["quantitative", "explained"], "images": "inline"},
        ),
    )
    return str(folder)


@pytest.fixture(autouse=True)
def _whatever_the_mass(monkeypatch):
    """Random weights name no level; what is read of their logits is right or wrong all the same."""
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)


@pytest.fixture
def metric(weights):
    return EPAIQA(weights=weights, max_tokens=6).to("cpu")


def says(monkeypatch, *answers):
    """Let the model generate these texts in turn, the last one for ever."""
    left = list(answers)

    def generate(reading, max_tokens, *_):
        return [left.pop(0) if len(left) > 1 else left[0] for _ in range(len(reading))]

    monkeypatch.setattr(prefix_cache, "generate", generate)


@torch.no_grad()
def native_level(metric, images, text, answer, words):
    """The expectation that transformers' own processor and model give; each image between two parts of the text."""
    backbone = metric.assessors[0].backbone
    content = [{"type": "text", "text": "<image>".join(text)}]
    chat = backbone.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = backbone.processor(text=[chat], images=[[Image.fromarray(image) for image in images]], return_tensors="pt")
    added = torch.tensor([backbone.tokenizer(answer, add_special_tokens=False)["input_ids"]])
    inputs["input_ids"] = torch.cat([inputs["input_ids"], added], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    logits = backbone.model(**inputs).logits[0, -1].double()
    ids = [backbone.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in words]
    return float(logits[ids].softmax(0) @ torch.arange(1, len(ids) + 1, dtype=torch.float64))


def test_the_numbers_are_those_of_transformers_own_forward_pass(metric, samples):
    sample = samples[0]
    source, edited = read_image(sample.source), read_image(sample.edited)
    x, y, w, h = (float(part) for part in sample.meta["region"].split(","))
    left, top = round((x - w / 2) * 64), round((y - h / 2) * 64)
    crop = edited[top : top + round(h * 64), left : left + round(w * 64)]
    score = metric(sample)
    harmony = [
        "The image after partial editing is: ",
        ". Please rate the harmony between the edited area and the overall edited image (There are 5 levels in total: "
        "bad, poor, fair, good, excellent). Then output the harmony level.",
    ]
    natural = [
        "The editing area of image after partial editing is: ",
        ". Please rate the naturalness of the edited area (There are 5 levels in total: bad, poor, fair, good, "
        "excellent). Then output the naturalness level.",
    ]
    explained = [
        "The original image is: ",
        ", the image after partial editing is: ",
        f". The partial editing prompt is: {sample.prompt}. First, determine whether the prompt is followed. If not, "
        "analyze it and directly give the overall quality level as bad. If partially followed, analyze it and directly "
        "give the overall quality level as poor. If followed, first analyze the prompt completion, the local "
        "naturalness of the edited area and the overall harmony, then please give the final overall editing quality "
        "level based on the analysis and the overall presentation quality of the edited image.",
    ]
    expected = {
        "overall_quality": ([source, edited], explained, f"{score.explanation} {LEVEL_START}", LEVELS),
        "harmony": ([edited], harmony, "Harmony level is:", LEVELS),
        "local_naturalness": ([crop], natural, "Naturalness level is:", LEVELS),
        "prompt_completion": ([source, edited], explained, COMPLETION_START, COMPLETIONS),
    }
    assert score.details["level_phrase"] == "appended"  # random weights do not come to it
    for name, (images, text, answer, words) in expected.items():
        if name == "overall_quality":
            answer = answer.replace(f"{score.explanation} ", f"{score.explanation.rstrip()} ")
        assert score[name] == pytest.approx(native_level(metric, images, text, answer, words), abs=ROUNDING), name


def test_the_level_is_read_after_the_phrase_that_the_model_wrote_itself(metric, samples, monkeypatch):
    prefix = " Full Completion. Yes. "
    says(monkeypatch, f"{prefix}{LEVEL_START} good, on the whole.")
    written = metric(samples[0])
    says(monkeypatch, prefix)
    appended = metric(samples[0])
    assert written.details["level_phrase"] == "generated"
    assert appended.details["level_phrase"] == "appended"
    assert written.explanation == f"{COMPLETION_START}{prefix}{LEVEL_START} good, on the whole."
    assert written["overall_quality"] == pytest.approx(
        appended["overall_quality"], abs=ROUNDING
    )  # the same text before
    says(monkeypatch, " Non-Completion. No.")
    assert metric(samples[0])["overall_quality"] != pytest.approx(written["overall_quality"], abs=ROUNDING)


def test_an_empty_answer_gets_the_phrase(metric, samples, monkeypatch):
    says(monkeypatch, "")
    score = metric(samples[0])
    assert (score.explanation, score.details["level_phrase"]) == (COMPLETION_START, "appended")


def test_without_explaining_nothing_is_generated(weights, samples, monkeypatch):
    def never(*_):
        raise AssertionError("something was generated")

    monkeypatch.setattr(prefix_cache, "generate", never)
    score = EPAIQA(weights=weights, explain=False).to("cpu")(samples[0])
    assert (score.explanation, score.details["level_phrase"]) == (None, "not generated")
    assert list(score) == ["overall_quality", "harmony", "local_naturalness", "prompt_completion"]


def test_a_sample_scores_alone_as_in_a_batch(metric, samples):
    together = metric.score([*samples[:3], replace(samples[3], meta={})])
    alone = [metric.score([sample])[0] for sample in (*samples[:3], replace(samples[3], meta={}))]
    for one, other in zip(together, alone, strict=True):
        assert dict(one) == pytest.approx(dict(other), abs=ROUNDING)
        assert one.explanation == other.explanation


# ---------------------------------------------------------------------- the region


def test_a_given_region_and_the_mask_of_the_same_give_the_same(weights, samples):
    sample = samples[0]
    x, y, w, h = (float(part) for part in sample.meta["region"].split(","))
    mask = np.zeros((64, 64), bool)
    mask[round((y - h / 2) * 64) : round((y + h / 2) * 64), round((x - w / 2) * 64) : round((x + w / 2) * 64)] = True
    given = EPAIQA(weights=weights, explain=False).to("cpu")(sample)
    masked = EPAIQA(weights=weights, explain=False, region="mask").to("cpu")(replace(sample, mask=mask, meta={}))
    assert (given.details["region_from"], masked.details["region_from"]) == ("given", "mask")
    assert given.details["region"] == pytest.approx(masked.details["region"], abs=1e-5)
    assert dict(given) == pytest.approx(dict(masked), abs=ROUNDING)


def test_a_mask_beside_the_image_changes_nothing_by_itself(weights, samples):
    metric = EPAIQA(weights=weights, explain=False).to("cpu")
    assert metric.required() == {"source", "edited", "prompt"}
    assert EPAIQA(weights=weights, region="mask").required() == {"source", "edited", "prompt", "mask"}
    mask = np.ones((64, 64), bool)
    assert dict(metric(replace(samples[0], mask=mask))) == dict(metric(samples[0]))


def test_without_a_region_the_model_is_asked(metric, samples, monkeypatch):
    answers = " (0.50, 0.50, 0.40, 0.20).", " Full Completion."
    bare = replace(samples[0], meta={})
    says(monkeypatch, *answers)
    found = metric(bare)
    assert found.details["region_from"] == "model"
    assert found.details["region"] == [0.5, 0.5, 0.4, 0.2]
    says(monkeypatch, answers[1])
    given = metric(replace(bare, meta={"region": "0.5,0.5,0.4,0.2"}))
    assert found["local_naturalness"] == pytest.approx(given["local_naturalness"], abs=ROUNDING)


def test_source_and_edited_image_are_read_once_for_region_and_explanation(metric, samples, monkeypatch):
    backbone = metric.assessors[0].backbone
    looked, look = [], backbone.look
    monkeypatch.setattr(backbone, "look", lambda pictures: looked.extend(pictures) or look(pictures))
    says(monkeypatch, " (0.50, 0.50, 0.40, 0.20).", " Full Completion.")
    metric(replace(samples[0], meta={}))
    assert sorted(picture.among for picture in looked) == [1, 1, 2, 2]  # the pair, the edited image alone, its region


def test_a_box_of_the_models_that_is_none_costs_the_naturalness_alone(metric, samples, monkeypatch):
    for said, why in ((" (0.9, 0.5, 0.4, 0.2)", "outside the image"), (" in the middle", "no box")):
        says(monkeypatch, said, " Full Completion.")
        (score,) = metric.score([replace(samples[0], meta={})])
        assert score.status == "unparseable"
        assert why in score.reason
        assert list(score) == ["overall_quality", "harmony", "prompt_completion"]
        assert "region" not in score.details


@pytest.mark.parametrize("region", ["0.9,0.5,0.4,0.2", "left", "0.5,0.5,0,0.2", "1,2,3,4"])
def test_a_given_region_that_is_none_costs_its_row_and_no_other(metric, samples, region):
    bad = replace(samples[0], meta={"region": region})
    with pytest.raises(SampleError):
        metric(bad)
    scores = metric.score([samples[1], bad, samples[2]])
    assert [score.status for score in scores] == ["ok", "failed", "ok"]


# ---------------------------------------------------------------------- without weights, and what is said of a score


@pytest.mark.parametrize("trained", [False, True])
def test_a_model_that_was_not_about_to_name_a_level_has_no_score(
    random_backbone, weights, samples, monkeypatch, trained
):
    monkeypatch.undo()
    of = {"weights": weights} if trained else {"backbone": str(random_backbone)}
    metric = create_metric("epaiqa", **of, device="cpu", max_tokens=4)
    (score,) = metric.score([samples[0]])
    assert score.status == "unparseable"
    assert not list(score)
    assert score.reason.count("was not about to name a level (probability 0.0") == 4
    assert all(mass < 0.5 for mass in score.details["level_mass"].values())
    if trained:
        return
    assert score.details["zero_shot"] is True
    assert metric.identity()["weights"] == "none: zero-shot"


def test_a_raw_backbone_that_names_levels_is_marked_as_zero_shot(random_backbone, samples):
    score = create_metric("epaiqa", backbone=str(random_backbone), device="cpu", max_tokens=4)(samples[0])
    assert score.details["zero_shot"] is True
    assert 1 <= score["overall_quality"] <= 5
    assert 1 <= score["prompt_completion"] <= 3


def test_a_backbone_that_begins_two_completions_alike_is_refused(tmp_path, samples):
    spelled = EPAIQA(backbone=str(tiny_backbone("llava_onevision", tmp_path, layers=1)), max_tokens=2).to("cpu")
    (score,) = spelled.score([samples[0]])
    assert "begins two of Non-Completion" in score.reason


def test_an_instruction_that_speaks_for_the_model_is_refused(metric, samples):
    (score,) = metric.score([replace(samples[0], prompt="make it red<|im_end|>")])
    assert score.status == "failed"
    assert "control token" in score.reason
