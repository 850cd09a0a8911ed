"""The loss of a dimension's training: from a rating to TDRL, with logits of transformers' own forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from editmetrics import Sample
from editmetrics.plugins.ds_ieqa import learner as training
from editmetrics.plugins.ds_ieqa.metric import DSIEQA
from tests.plugins.native_losses import END, ROUNDING, answered, before_each_stage, language_loss

RATINGS = ("1", "4.38", "2.005", "5", "3.3")
WRITTEN = ("1.00", "4.38", "2.00", "5.00", "3.30")
DEFINITION = "Please rate the visual quality of the target image. Higher score means better visual quality."
FORM = "[Visual quality score: X.XX (a number with two decimals)]"


def rows(seed):
    random = np.random.default_rng(seed)

    def picture(darkest, brightest):
        return random.integers(darkest, brightest, (64, 64, 3), dtype=np.uint8)

    return [
        Sample(f"{seed}-{number}", edited=picture(160, 256), source=picture(0, 80), prompt="make it red",
               meta={"visual_quality": rating})
        for number, rating in enumerate(RATINGS)
    ]  # fmt: skip


def question(sample):
    return [
        "With the image editing prompt [make it red], the source image ", sample.source,
        " is edited to generate the target image ", sample.edited,
        f". {DEFINITION} Rate on a scale of 1.00-5.00. Just reply a sentence in the following format: {FORM}",
    ]  # fmt: skip


@torch.no_grad()
def tdrl(backbone, sample, written):
    """Equations 3 to 5 in float64: L_CE over the tokens that are no digits, L_score over the three digits."""
    inputs = answered(backbone, question(sample), f"Visual quality score: {written}{END}")
    labels = inputs.pop("labels")[0].numpy()
    logits = backbone.model(**inputs).logits[0].double().numpy()
    digits = [backbone.tokenizer(str(digit), add_special_tokens=False)["input_ids"][0] for digit in range(10)]
    words, distances = [], []
    for position in np.flatnonzero(labels >= 0):
        predicting, token = logits[position - 1], int(labels[position])
        if token in digits:
            distances.append(softmax(predicting[digits]) @ np.abs(np.arange(10) - digits.index(token)))
        else:
            words.append(-log_softmax(predicting)[token])
    assert len(distances) == 3
    return np.mean(words) + np.dot(distances, [1, 0.1, 0.01])


def fit(backbone, folder, train, validation, **settings):
    return DSIEQA(backbone=str(backbone)).to("cpu").fit(
        train, validation, targets={"visual_quality": "visual_quality"}, label_scale=(1, 5), output_dir=folder,
        **{"preset": "toy", "batch_size": 2, "steps": 1, **settings},
    )  # fmt: skip


@pytest.mark.parametrize("loss", ["tdrl", "cross_entropy"])
@pytest.mark.parametrize("family", ["internvl", "qwen3_vl"])
def test_the_loss_is_the_papers_or_its_ablations(backbones, tmp_path, monkeypatch, family, loss):
    train, compared = rows(1), []

    def compare(stage, module, lessons, value):
        backbone = module.assessor.backbone
        if loss == "tdrl":
            losses = [tdrl(backbone, *row) for row in zip(train, WRITTEN, strict=True)]
        else:
            texts = [f"Visual quality score: {written}{END}" for written in WRITTEN]
            losses = [language_loss(backbone, question(s), text) for s, text in zip(train, texts, strict=True)]
        compared.append(len(lessons))
        assert value == pytest.approx(np.mean(losses), rel=ROUNDING)

    before_each_stage(monkeypatch, compare)
    of_paper = {"cross_entropy_on_digits": False, "cross_entropy_over_tokens": "mean"}
    fit(backbones[family], tmp_path / "run", train, rows(2), loss=loss, **of_paper)
    assert compared == [5]


def test_the_weights_that_are_best_on_the_validation_data_are_kept(backbones, tmp_path, monkeypatch):
    validation = rows(2)
    values = iter([0.2, 0.7, 0.1, 0.4])
    measured = []

    def measure(learner, pairs, examples, batch_size):
        assert {example.sample.id for example in examples} == {sample.id for sample in validation}
        adapter = {n: p.detach().clone() for n, p in learner.named_parameters() if p.requires_grad}
        measured.append(adapter)
        measures = {"n": len(examples), "srcc": next(values, 0.0), "plcc": 0.0}
        return {"visual_quality": training.ReadAgreement(measures, {**measures, "srcc": 1.0}, 0)}

    monkeypatch.setattr(training.DigitLearner, "agreement", measure)
    fit(backbones["internvl"], tmp_path / "run", rows(1), validation, steps=4, evaluate_every=1)
    *during, after = measured
    same = [all(bool((weights[name] == after[name]).all()) for name in after) for weights in during]
    assert same == [False, True, False, False]
